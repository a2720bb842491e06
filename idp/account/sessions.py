"""Sessions and devices: on which browsers the person is signed in, and signing them out."""

from typing import Any

from flask import abort, make_response, redirect, url_for
from flask.typing import ResponseReturnValue

from idp.account.guard import Account, account_page
from idp.account.moments import moment, zone_name
from idp.account.notices import SIGNED_OUT_ELSEWHERE, SIGNED_OUT_ONE, redirect_with
from idp.account.pages import render_account
from idp.account.texts import sign_in_method
from idp.core.user_agents import device_of
from idp.identity.sessions.rows import Session
from idp.web.browser_session import forget_session
from idp.web.provider import current_provider

_REASON = "revoked_by_user"
_MOST_SHOWN = 100
"""Programs that sign in like browsers leave thousands behind; the button for all others ends those too."""


@account_page()
def sessions(account: Account) -> ResponseReturnValue:
    """GET /account/sessions: every browser that is signed in, this one first."""
    found = current_provider().sessions.list(account.user.id)
    own_first = sorted(found, key=lambda session: session.id != account.session.id)
    return render_account(
        account,
        "account/sessions.html",
        section="account.sessions",
        sessions=[_view(account, session) for session in own_first[:_MOST_SHOWN]],
        not_shown=len(own_first[_MOST_SHOWN:]),
        others=len(own_first) - 1,
        sign_out_others_url=url_for("account.sign_out_others"),
        zone=zone_name(account.user),
    )


@account_page(form="account.sessions")
def end_session(account: Account, session_id: str) -> ResponseReturnValue:
    """POST /account/sessions/<session_id>/end: sign one browser out."""
    provider = current_provider()
    if provider.sessions.user_of(session_id) != account.user.id:
        # Somebody else's, or nobody's: who asks learns nothing of the difference.
        abort(404)
    provider.sessions.end(session_id, _REASON, actor=f"user:{account.user.id}")
    if session_id != account.session.id:
        return redirect_with(SIGNED_OUT_ONE, url_for("account.sessions"))
    response = make_response(redirect(url_for("web.home"), 303))
    forget_session(response)
    return response


@account_page(form="account.sessions")
def sign_out_others(account: Account) -> ResponseReturnValue:
    """POST /account/sessions/end-others: sign out everywhere but here."""
    user_id = account.user.id
    current_provider().sessions.end_all(user_id, _REASON, account.session.id, actor=f"user:{user_id}")
    return redirect_with(SIGNED_OUT_ELSEWHERE, url_for("account.sessions"))


def _view(account: Account, session: Session) -> dict[str, Any]:
    return {
        "is_this": session.id == account.session.id,
        "device": device_of(session.user_agent).name,
        "address": session.ip_address,
        "method": sign_in_method(session.amr),
        "first_seen": moment(account.user, session.created_at),
        "last_seen": moment(account.user, session.last_seen_at),
        "end_url": url_for("account.end_session", session_id=session.id),
    }
