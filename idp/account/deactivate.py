"""Switching one's account off for a while."""

from flask import make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from idp.account.guard import Account, account_page
from idp.account.pages import render_account
from idp.account.texts import cannot_leave
from idp.core.errors import Conflict
from idp.web.browser_session import forget_session
from idp.web.pages import PageError
from idp.web.provider import current_provider


@account_page(fresh=True)
def deactivate(account: Account) -> ResponseReturnValue:
    """GET and POST /account/deactivate: switch the account off until its owner comes back."""
    if request.method == "GET":
        return _form(account)
    try:
        current_provider().leaving.deactivate(account.user.id, session_id=account.session.id)
    except Conflict as refusal:
        return _form(account, (PageError(None, cannot_leave(refusal)),), 409)
    response = make_response(redirect(url_for("signin.account_off"), 303))
    forget_session(response)
    return response


def _form(account: Account, errors: tuple[PageError, ...] = (), status: int = 200) -> ResponseReturnValue:
    return render_account(
        account,
        "account/deactivate.html",
        section="account.data",
        status=status,
        errors=errors,
        action=url_for("account.deactivate"),
        cancel_url=url_for("account.data"),
    )
