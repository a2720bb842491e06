"""Taking an account back whose e-mail address was changed, with the link that the former address was mailed."""

from flask import redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from idp.identity.credentials.mailed_proofs import Proof, Purpose
from idp.signin.mailed_link import mailed_link
from idp.web.pages import render_page
from idp.web.provider import current_provider


@mailed_link(
    Purpose.EMAIL_UNDO,
    title=lazy_gettext("Take your account back"),
    text=lazy_gettext(
        "Everybody is signed out, this address counts again, and the password works no more: you choose a new one."
    ),
    button=lazy_gettext("Take it back"),
    button_id="undo-submit",
    another=("signin.start", lazy_gettext("Sign in")),
)
def email_undo(proof: Proof) -> ResponseReturnValue:
    """GET and POST /link/email_undo."""
    if not current_provider().email_change.undo(proof):
        return redirect(url_for("signin.email_disputed"), 303)
    return redirect(url_for("signin.recover"), 303)


def email_disputed() -> ResponseReturnValue:
    """GET /address-taken: the former address belongs to another account by now; everything is shut."""
    return render_page("signin/email_disputed.html")
