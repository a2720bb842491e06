"""The URL table of the account pages. Every view passes the guard, which checks who asks and, on POST, the form."""

from flask import Blueprint

from idp.account.overview import overview
from idp.account.password import password
from idp.account.security import security
from idp.account.sessions import end_session, sessions, sign_out_others

blueprint = Blueprint("account", __name__, url_prefix="/account")

_FORM = ("GET", "POST")
_POST = ("POST",)

blueprint.add_url_rule("/", "overview", overview)
blueprint.add_url_rule("/security", "security", security)
blueprint.add_url_rule("/password", "password", password, methods=_FORM)
blueprint.add_url_rule("/sessions", "sessions", sessions)
blueprint.add_url_rule("/sessions/end-others", "sign_out_others", sign_out_others, methods=_POST)
blueprint.add_url_rule("/sessions/<session_id>/end", "end_session", end_session, methods=_POST)
