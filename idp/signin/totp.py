"""The second factor: a code from an authenticator app (RFC 6238)."""

from contextlib import suppress
from dataclasses import replace

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from idp.core.clock import now
from idp.core.crypto import sha256_hex
from idp.core.errors import Unavailable
from idp.core.events import Event
from idp.engine.interaction import FirstFactor, Step
from idp.signin.dispatcher import Visit, page
from idp.signin.login import login_form
from idp.signin.sessions import authenticated
from idp.storage.db import transaction
from idp.web import texts
from idp.web.pages import PageError, render_page, user_view
from idp.web.provider import current_provider
from idp.web.typed_code import typed_code

_WINDOW_SECONDS = 3600


@page(Step.TOTP)
def totp(visit: Visit) -> ResponseReturnValue:
    """GET and POST /signin/<id>/totp: the code of an authenticator app."""
    first = _first_factor(visit)
    if first is None:
        return visit.to_hub()
    return _submitted(visit, first) if request.method == "POST" else _form(visit, first)


def _submitted(visit: Visit, first: FirstFactor) -> ResponseReturnValue:
    code, problem = typed_code()
    if problem is not None:
        return _form(visit, first, problem)
    refused_by = _reserve(visit, first)
    if refused_by == _by_interaction(visit):
        visit.save(first_factor=None)
        return _form(visit, first, texts.TOO_MANY_CODES, status=429, exhausted=True)
    if refused_by is not None:
        return _form(visit, first, texts.too_many_attempts(_WINDOW_SECONDS), status=429)
    try:
        is_right = _verified(visit, first, code)
    except Unavailable:
        # Nobody looked at the code.
        with suppress(Unavailable), transaction():
            current_provider().throttle.release(_by_interaction(visit))
            current_provider().throttle.release(_by_account(first))
        raise
    if not is_right:
        return _form(visit, first, texts.CODE_INCORRECT)
    response = authenticated(visit, first, "otp")
    if response is None and _has_left(first):
        visit.save(first_factor=None, returning=replace(first, amr=(*first.amr, "otp")))
        return visit.to_hub()
    if response is None:
        visit.save(first_factor=None)
        return login_form(visit, errors=(PageError(None, texts.ACCOUNT_CHANGED),), status=409)
    return response


def _has_left(first: FirstFactor) -> bool:
    """The code was right, and so was the password; but the account is one that its owner has left."""
    user = current_provider().users.get(first.user_id)
    return first.credential is not None and user is not None and user.may_come_back(now())


def _reserve(visit: Visit, first: FirstFactor) -> str | None:
    """Count the code before it is looked at, by this sign-in and by the account (MF3); returns what refuses it."""
    throttle, limits = current_provider().throttle, current_provider().settings.throttle
    with transaction():
        if throttle.limited(_by_interaction(visit), limits.totp_tries_per_interaction, _WINDOW_SECONDS):
            refused_by = _by_interaction(visit)
        elif throttle.limited(_by_account(first), limits.totp_tries_per_hour, _WINDOW_SECONDS):
            throttle.release(_by_interaction(visit))
            refused_by = _by_account(first)
        else:
            return None
        _record(Event.MFA_THROTTLED, visit, first)
    return refused_by


def _verified(visit: Visit, first: FirstFactor, code: str) -> bool:
    provider = current_provider()
    with transaction():
        is_right = provider.totp.verify(first.user_id, code)
        if is_right:
            provider.throttle.release(_by_account(first))
        _record(Event.MFA_SUCCEEDED if is_right else Event.MFA_FAILED, visit, first)
    return is_right


def _by_interaction(visit: Visit) -> str:
    # The id is a bearer value of this browser: stored hashed.
    return f"totp:{sha256_hex(visit.interaction.id)}"


def _by_account(first: FirstFactor) -> str:
    return f"totp:{first.user_id}"


def _first_factor(visit: Visit) -> FirstFactor | None:
    """The factor already proven: in this Interaction, or by the session that is being stepped up."""
    if visit.interaction.progress.first_factor is not None:
        return visit.interaction.progress.first_factor
    session = visit.session
    return FirstFactor(session.user_id, session.auth_time, session.amr) if session else None


def _form(
    visit: Visit, first: FirstFactor, message: object = None, status: int = 422, *, exhausted: bool = False
) -> Response:
    """The page; `exhausted` offers no field, because no code would be looked at any more."""
    user = current_provider().users.get(first.user_id)
    if user is None:
        return visit.to_hub()
    return render_page(
        "signin/totp.html",
        status=status if message else 200,
        client=visit.client,
        errors=(PageError(None if exhausted else "code", message),) if message else (),
        exhausted=exhausted,
        user=user_view(user),
        action=url_for("signin.totp", interaction_id=visit.interaction.id),
        start_again_url=url_for("signin.restart", interaction_id=visit.interaction.id),
    )


def _record(event: Event, visit: Visit, first: FirstFactor) -> None:
    current_provider().audit.record(event, user_id=first.user_id, client_id=visit.requirements.client_id, method="totp")
