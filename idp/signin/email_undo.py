"""Taking an account back whose e-mail address was changed, with the link that the former address was mailed."""

from flask import redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from idp.engine.interaction import Progress, Requirements
from idp.engine.password_reset import ProvenOwner
from idp.identity.credentials.mailed_proofs import Proof, Purpose
from idp.signin.dispatcher import begin
from idp.signin.mailed_link import mailed_link
from idp.signin.reset_code import proven
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
    """GET and POST /link/email_undo: the former address counts again, and a new password is chosen at once."""
    if proof.user_id is None or not current_provider().email_change.undo(proof):
        return redirect(url_for("signin.email_disputed"), 303)
    user = current_provider().users.get(proof.user_id)
    if user is None or not user.is_active:
        # Operators switched it off; what they say of that is said when somebody signs in.
        return redirect(url_for("signin.start"), 303)
    # There is no password left; whoever reads mail at the address has just shown that they do.
    owner = ProvenOwner(proof.user_id, proof.address, None, proof.id)
    return begin(
        Requirements(),
        resume_path=url_for("web.home"),
        restart_path=url_for("signin.recover"),
        progress=Progress(recovery=proven(owner, owner.address)),
    )


def email_disputed() -> ResponseReturnValue:
    """GET /address-taken: the former address belongs to another account by now, and everything is shut."""
    return render_page("signin/email_disputed.html")
