"""A forgotten password, the first page: whose? What follows is the same whether anybody has that address (LG1)."""

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from idp.core.crypto import sha256_hex
from idp.engine.interaction import Progress, Recovery, Requirements, Step, digest_of
from idp.engine.mail import AlreadyMailed
from idp.engine.password_reset import Asker
from idp.signin.dispatcher import Visit, begin, page, visit_any
from idp.signin.login import expected_user
from idp.web import texts
from idp.web.browser_session import known_accounts
from idp.web.cookies import browser_id
from idp.web.hooks import request_address
from idp.web.pages import PageError, render_page
from idp.web.provider import current_provider

_LONGEST_IDENTIFIER = 320


def recover() -> ResponseReturnValue:
    """GET /recover: choose a new password without an application, and land on the start page."""
    return begin(
        Requirements(),
        resume_path=url_for("web.home"),
        restart_path=url_for("signin.recover"),
        progress=Progress(recovery=Recovery()),
    )


@visit_any
def forgotten(visit: Visit) -> ResponseReturnValue:
    """GET /signin/<id>/forgotten: choose a new password in the course of a sign-in, which goes on afterwards."""
    locked = expected_user(visit)
    suggestion = locked.email if locked else visit.requirements.login_hint
    visit.save(recovery=Recovery(username=(suggestion or "")[:_LONGEST_IDENTIFIER]), first_factor=None)
    return visit.to_hub()


@visit_any
def remembered(visit: Visit) -> ResponseReturnValue:
    """GET /signin/<id>/remembered: back to the sign-in page after all."""
    visit.save(recovery=None)
    return visit.to_hub()


@page(Step.FORGOT_PASSWORD)
def forgot_password(visit: Visit) -> ResponseReturnValue:
    """GET and POST /signin/<id>/recover: the address of the account."""
    if request.method != "POST":
        recovery = visit.interaction.progress.recovery
        return _form(visit, recovery.username if recovery else "")
    username = request.form.get("username", "")[: _LONGEST_IDENTIFIER + 1].strip()
    if not username:
        return _form(visit, username, PageError("username", texts.ENTER_EMAIL))
    send_proof(visit, username)
    return visit.to_hub()


def send_proof(visit: Visit, username: str) -> None:
    """Have a code and a link mailed, if there is an account, and wait for them in this sign-in."""
    provider = current_provider()
    user = provider.users.find_by_email(username)
    is_known = user is not None and user.id in known_accounts()
    # A form that is sent twice at once would replace its own code. Each mail prolongs the sign-in, so the next differs.
    form = sha256_hex(f"{visit.interaction.id}:{visit.interaction.expires_at.isoformat()}")
    device = browser_id(provider.settings) if is_known else None
    try:
        proof_id = provider.password_reset.request(
            username, Asker(device, request_address(), digest_of(visit.interaction), form)
        )
    except AlreadyMailed:
        return
    visit.save(prolong=True, recovery=Recovery(username=username, proof_id=proof_id))


def _form(visit: Visit, username: str, error: PageError | None = None) -> Response:
    own = visit.interaction.id
    return render_page(
        "signin/forgot_password.html",
        status=422 if error else 200,
        client=visit.client,
        errors=(error,) if error else (),
        username=username,
        action=url_for("signin.forgot_password", interaction_id=own),
        sign_in_url=url_for("signin.remembered", interaction_id=own),
    )
