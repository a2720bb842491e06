"""The URL table of the sign-in pages. Each carries the id of its Interaction, so that tabs do not mix."""

from flask import Blueprint

from idp.engine.mailed_links import link_path
from idp.identity.credentials.mailed_proofs import Purpose
from idp.signin.accept_terms import accept_terms
from idp.signin.come_back import come_back
from idp.signin.consent import consent
from idp.signin.dispatcher import Gone, gone, hub, start
from idp.signin.email_undo import email_disputed, email_undo
from idp.signin.forgot_password import forgot_password, forgotten, recover, remembered
from idp.signin.keep_account import account_kept, keep_account
from idp.signin.leave import another_account, cancel, restart
from idp.signin.left import account_leaving, account_off
from idp.signin.login import login
from idp.signin.new_password import new_password
from idp.signin.register import existing_account, new_account, register, start_registration
from idp.signin.register_by_link import invitation, registration_link
from idp.signin.reset_code import reset_code
from idp.signin.reset_link import reset_link
from idp.signin.select_account import select_account
from idp.signin.totp import totp
from idp.signin.unlock import unlock, unlocked
from idp.signin.verify_email import verify_email

blueprint = Blueprint("signin", __name__)

_FORM = ("GET", "POST")

blueprint.register_error_handler(Gone, gone)

blueprint.add_url_rule("/register", "start_registration", start_registration)
blueprint.add_url_rule("/signin/", "start", start)
blueprint.add_url_rule("/signin/<interaction_id>", "hub", hub)
blueprint.add_url_rule("/signin/<interaction_id>/select-account", "select_account", select_account, methods=_FORM)
blueprint.add_url_rule("/signin/<interaction_id>/login", "login", login, methods=_FORM)
blueprint.add_url_rule("/signin/<interaction_id>/totp", "totp", totp, methods=_FORM)
blueprint.add_url_rule("/signin/<interaction_id>/register", "register", register, methods=_FORM)
blueprint.add_url_rule("/signin/<interaction_id>/verify-email", "verify_email", verify_email, methods=_FORM)
blueprint.add_url_rule("/signin/<interaction_id>/accept-terms", "accept_terms", accept_terms, methods=_FORM)
blueprint.add_url_rule("/signin/<interaction_id>/come-back", "come_back", come_back, methods=_FORM)
blueprint.add_url_rule("/signin/<interaction_id>/consent", "consent", consent, methods=_FORM)
blueprint.add_url_rule("/signin/<interaction_id>/cancel", "cancel", cancel)
blueprint.add_url_rule("/signin/<interaction_id>/restart", "restart", restart)
blueprint.add_url_rule("/signin/<interaction_id>/another-account", "another_account", another_account)
blueprint.add_url_rule(link_path(Purpose.REGISTRATION), "registration_link", registration_link, methods=_FORM)
blueprint.add_url_rule(link_path(Purpose.INVITATION), "invitation", invitation, methods=_FORM)
blueprint.add_url_rule("/signin/<interaction_id>/forgotten", "forgotten", forgotten)
blueprint.add_url_rule("/signin/<interaction_id>/remembered", "remembered", remembered)
blueprint.add_url_rule("/signin/<interaction_id>/recover", "forgot_password", forgot_password, methods=_FORM)
blueprint.add_url_rule("/signin/<interaction_id>/recover-code", "reset_code", reset_code, methods=_FORM)
blueprint.add_url_rule("/signin/<interaction_id>/new-password", "new_password", new_password, methods=_FORM)
blueprint.add_url_rule("/recover", "recover", recover)
blueprint.add_url_rule(link_path(Purpose.PASSWORD_RESET), "reset_link", reset_link, methods=_FORM)
blueprint.add_url_rule(link_path(Purpose.UNLOCK), "unlock", unlock, methods=_FORM)
blueprint.add_url_rule(link_path(Purpose.DELETION_UNDO), "keep_account", keep_account, methods=_FORM)
blueprint.add_url_rule("/account-kept", "account_kept", account_kept)
blueprint.add_url_rule("/account-off", "account_off", account_off)
blueprint.add_url_rule("/account-leaving", "account_leaving", account_leaving)
blueprint.add_url_rule("/unlocked", "unlocked", unlocked)
blueprint.add_url_rule(link_path(Purpose.EMAIL_UNDO), "email_undo", email_undo, methods=_FORM)
blueprint.add_url_rule("/address-taken", "email_disputed", email_disputed)
blueprint.add_url_rule("/signin/<interaction_id>/new-account", "new_account", new_account)
blueprint.add_url_rule("/signin/<interaction_id>/existing-account", "existing_account", existing_account)
