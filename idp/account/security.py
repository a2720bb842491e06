"""The security page: how the person signs in, and where they are signed in."""

from flask import url_for
from flask.typing import ResponseReturnValue

from idp.account.guard import Account, account_page
from idp.account.moments import day, zone_name
from idp.account.pages import render_account
from idp.web.provider import current_provider


@account_page()
def security(account: Account) -> ResponseReturnValue:
    """GET /account/security: the password, the second factor, and the browsers that are signed in."""
    provider = current_provider()
    changed_at = provider.passwords.changed_at(account.user.id)
    return render_account(
        account,
        "account/security.html",
        section="account.security",
        password_changed=day(account.user, changed_at) if changed_at else None,
        has_totp=provider.totp.is_enrolled(account.user.id),
        session_count=len(provider.sessions.list(account.user.id)),
        password_url=url_for("account.password"),
        sessions_url=url_for("account.sessions"),
        sign_out_others_url=url_for("account.sign_out_others"),
        zone=zone_name(account.user),
    )
