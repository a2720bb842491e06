"""The URL table of the account pages. Every view passes the guard, which checks who asks and, on POST, the form."""

from flask import Blueprint

from idp.account.activity import activity
from idp.account.applications import applications, remove_application
from idp.account.data import data
from idp.account.data_copy import copy_file, download_copy, request_copy
from idp.account.deactivate import deactivate
from idp.account.delete import delete
from idp.account.email_change import email_change, email_change_code, email_change_link
from idp.account.overview import overview
from idp.account.password import password
from idp.account.preferences import preferences
from idp.account.profile import profile
from idp.account.profile_address import profile_address
from idp.account.profile_details import profile_details
from idp.account.profile_phone import profile_phone
from idp.account.profile_picture import profile_picture, remove_picture
from idp.account.security import security
from idp.account.sessions import end_session, sessions, sign_out_others

blueprint = Blueprint("account", __name__, url_prefix="/account")

_FORM = ("GET", "POST")
_POST = ("POST",)

blueprint.add_url_rule("/", "overview", overview)
blueprint.add_url_rule("/data", "data", data)
blueprint.add_url_rule("/data/copy", "request_copy", request_copy, methods=_POST)
blueprint.add_url_rule("/data/copy/download", "download_copy", download_copy)
blueprint.add_url_rule("/data/copy/<export_id>/<key>", "copy_file", copy_file)
blueprint.add_url_rule("/deactivate", "deactivate", deactivate, methods=_FORM)
blueprint.add_url_rule("/delete", "delete", delete, methods=_FORM)
blueprint.add_url_rule("/security", "security", security)
blueprint.add_url_rule("/password", "password", password, methods=_FORM)
blueprint.add_url_rule("/sessions", "sessions", sessions)
blueprint.add_url_rule("/sessions/end-others", "sign_out_others", sign_out_others, methods=_POST)
blueprint.add_url_rule("/applications", "applications", applications)
blueprint.add_url_rule("/applications/<path:client_id>/remove", "remove_application", remove_application, methods=_FORM)
blueprint.add_url_rule("/activity", "activity", activity)
blueprint.add_url_rule("/sessions/<session_id>/end", "end_session", end_session, methods=_POST)
blueprint.add_url_rule("/profile", "profile", profile)
blueprint.add_url_rule("/profile/details", "profile_details", profile_details, methods=_FORM)
blueprint.add_url_rule("/profile/picture", "profile_picture", profile_picture, methods=_FORM)
blueprint.add_url_rule("/profile/picture/remove", "remove_picture", remove_picture, methods=_POST)
blueprint.add_url_rule("/profile/phone", "profile_phone", profile_phone, methods=_FORM)
blueprint.add_url_rule("/profile/address", "profile_address", profile_address, methods=_FORM)
blueprint.add_url_rule("/profile/email", "email_change", email_change, methods=_FORM)
blueprint.add_url_rule("/profile/email/link", "email_change_link", email_change_link, methods=_FORM)
blueprint.add_url_rule("/profile/email/<attempt>", "email_change_code", email_change_code, methods=_FORM)
blueprint.add_url_rule("/preferences", "preferences", preferences, methods=_FORM)
