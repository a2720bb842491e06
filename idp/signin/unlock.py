"""Opening an account again that was locked by wrong passwords, with the link that was mailed to its owner."""

from flask import make_response, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from idp.identity.credentials.mailed_proofs import Proof, Purpose
from idp.signin.mailed_link import mailed_link
from idp.web.cookies import read_accounts, write_accounts
from idp.web.pages import render_page
from idp.web.provider import current_provider


@mailed_link(
    Purpose.UNLOCK,
    title=lazy_gettext("Unlock your account"),
    text=lazy_gettext("Then you can sign in with your password again."),
    button=lazy_gettext("Unlock"),
    button_id="unlock-submit",
    another=("signin.start", lazy_gettext("Sign in")),
)
def unlock(proof: Proof) -> ResponseReturnValue | None:
    """GET and POST /link/unlock: open an account again that wrong passwords have locked."""
    provider = current_provider()
    user = provider.users.get(proof.user_id) if proof.user_id else None
    if user is None or user.email != proof.address:
        return None  # mailed to an address that is not the owner's any more
    response = make_response(redirect(url_for("signin.unlocked"), 303))
    if proof.user_id is not None:
        provider.lockout.unlock(proof.user_id, actor=f"user:{proof.user_id}")
        # Its owner opened the link here: whoever goes on guessing elsewhere shall not lock this browser out (LG4).
        accounts = read_accounts(provider.settings, provider.secrets)
        write_accounts(response, provider.settings, provider.secrets, (proof.user_id, *accounts))
    return response


def unlocked() -> ResponseReturnValue:
    """GET /unlocked: the account is open again, and where to sign in."""
    return render_page("signin/unlocked.html", sign_in_url=url_for("signin.start"))
