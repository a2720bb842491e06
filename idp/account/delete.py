"""Having one's account deleted: what will be lost, what stays and why, and until when it can be undone."""

from datetime import timedelta

from flask import make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from idp.account.guard import Account, account_page
from idp.account.moments import day
from idp.account.pages import render_account
from idp.account.texts import cannot_leave
from idp.core.clock import now
from idp.core.errors import Conflict
from idp.web.browser_session import forget_session
from idp.web.pages import PageError
from idp.web.provider import current_provider

_TICK = lazy_gettext("Tick the box to say that you understand")


@account_page(fresh=True)
def delete(account: Account) -> ResponseReturnValue:
    """GET and POST /account/delete: have the account deleted after a delay."""
    if request.method == "GET":
        return _form(account)
    if "understood" not in request.form:
        return _form(account, (PageError("understood", _TICK),), 422)
    try:
        current_provider().leaving.request_deletion(account.user.id, session_id=account.session.id)
    except Conflict as refusal:
        return _form(account, (PageError(None, cannot_leave(refusal)),), 409)
    response = make_response(redirect(url_for("signin.account_leaving"), 303))
    forget_session(response)
    return response


def _form(account: Account, errors: tuple[PageError, ...] = (), status: int = 200) -> ResponseReturnValue:
    provider = current_provider()
    privacy, retention = provider.settings.privacy, provider.settings.retention
    return render_account(
        account,
        "account/delete.html",
        section="account.data",
        status=status,
        errors=errors,
        erase_on=day(account.user, now() + timedelta(seconds=privacy.deletion_delay)),
        can_be_undone=privacy.deletion_delay > 0,
        proof_days=retention.consent_record_days,
        application_count=len(provider.consents.list(account.user.id)),
        action=url_for("account.delete"),
        cancel_url=url_for("account.data"),
        copy_url=url_for("account.data"),
    )
