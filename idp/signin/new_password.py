"""A forgotten password, the last page: a new one. Nobody gets here without what was mailed (RS2)."""

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from idp.core.clock import now
from idp.core.errors import Conflict
from idp.engine.interaction import FirstFactor, Recovery, Step
from idp.engine.password_reset import ProvenOwner
from idp.identity.credentials.password_policy import minimum_length
from idp.identity.credentials.passwords import PreparedPassword, WeakPassword
from idp.identity.directory.users import User
from idp.signin.dispatcher import Visit, page
from idp.signin.login import login_form
from idp.signin.sessions import authenticated
from idp.web import texts
from idp.web.pages import PageError, render_page
from idp.web.provider import current_provider


@page(Step.NEW_PASSWORD)
def new_password(visit: Visit) -> ResponseReturnValue:
    """GET and POST /signin/<id>/new-password: the new password, and whether to sign out everywhere else."""
    recovery = visit.interaction.progress.recovery
    user = current_provider().users.get(recovery.user_id) if recovery and recovery.user_id else None
    if recovery is None or user is None:
        return _void(visit)
    if request.method != "POST":
        return _form(visit, user, sign_out=True)
    sign_out = "sign_out_others" in request.form
    password = request.form.get("new_password", "")
    if not password:
        return _form(visit, user, (PageError("new_password", texts.ENTER_NEW_PASSWORD),), sign_out=sign_out)
    try:
        prepared = _prepared(user, password)
    except WeakPassword as error:
        problems = tuple(PageError("new_password", texts.password_problem(found)) for found in error.violations)
        return _form(visit, user, problems, sign_out=sign_out)
    return _set(visit, recovery, user, prepared, sign_out=sign_out)


def _prepared(user: User, password: str) -> PreparedPassword:
    provider = current_provider()
    words = [word for word in (user.email, user.name, provider.settings.product_name) if word]
    with_mfa = provider.totp.is_enrolled(user.id)
    return provider.passwords.prepare(password, words, user_id=user.id, with_mfa=with_mfa)


def _set(visit: Visit, recovery: Recovery, user: User, password: PreparedPassword, *, sign_out: bool) -> Response:
    session = visit.session
    own_session = session.id if session and session.user_id == user.id else None
    owner = ProvenOwner(user.id, recovery.address, recovery.credential, recovery.attempt)
    started_at = now()
    try:
        credential = current_provider().password_reset.complete(
            owner, password, sign_out=sign_out, except_session_id=own_session
        )
    except Conflict:
        return _void(visit)
    first = FirstFactor(user.id, started_at, ("pwd",), credential)
    if current_provider().totp.is_enrolled(user.id):
        # Reading somebody's mail is no second factor: there is no session yet (MF1).
        visit.save(first_factor=first, recovery=None)
        return visit.to_hub()
    if user.may_come_back(started_at):
        visit.save(returning=first, recovery=None)
        return visit.to_hub()
    return authenticated(visit, first) or _void(visit)


def _void(visit: Visit) -> Response:
    """The account was changed by somebody else meanwhile: what was proven counts for nothing."""
    visit.save(recovery=None)
    return login_form(visit, errors=(PageError(None, texts.ACCOUNT_CHANGED),), status=409)


def _form(visit: Visit, user: User, errors: tuple[PageError, ...] = (), *, sign_out: bool) -> Response:
    provider = current_provider()
    return render_page(
        "signin/new_password.html",
        status=422 if errors else 200,
        client=visit.client,
        errors=errors,
        username=user.email or "",
        sign_out_others=sign_out,
        minimum_length=minimum_length(provider.settings.passwords, with_mfa=provider.totp.is_enrolled(user.id)),
        action=url_for("signin.new_password", interaction_id=visit.interaction.id),
        sign_in_url=url_for("signin.remembered", interaction_id=visit.interaction.id),
    )
