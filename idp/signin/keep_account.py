"""Keeping an account that was to be deleted, with the link that was mailed to its owner."""

from flask import make_response, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from idp.core.errors import Conflict, NotFound
from idp.identity.credentials.mailed_proofs import Proof, Purpose
from idp.signin.mailed_link import mailed_link
from idp.web.pages import render_page
from idp.web.provider import current_provider

_SIGN_IN = lazy_gettext("Sign in")


@mailed_link(
    Purpose.DELETION_UNDO,
    title=lazy_gettext("Keep your account"),
    text=lazy_gettext("Then nothing is deleted, and you can sign in again."),
    button=lazy_gettext("Keep my account"),
    button_id="keep-account",
    another=("signin.start", _SIGN_IN),
)
def keep_account(proof: Proof) -> ResponseReturnValue:
    """GET and POST /link/deletion_undo: keep an account that was to be deleted."""
    try:
        current_provider().leaving.come_back(proof.user_id or "")
    except (Conflict, NotFound):
        # An operator has decided otherwise meanwhile, or it is too late.
        return render_page(
            "signin/mailed_link_over.html", status=410, another_url=url_for("signin.start"), words=_SIGN_IN
        )
    return make_response(redirect(url_for("signin.account_kept"), 303))


def account_kept() -> ResponseReturnValue:
    """GET /account-kept: nothing is deleted, and where to sign in."""
    return render_page("signin/account_kept.html", sign_in_url=url_for("signin.start"))
