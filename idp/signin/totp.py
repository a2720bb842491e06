"""The second factor: a code from an authenticator app (RFC 6238)."""

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from idp.core.events import Event
from idp.engine.interaction import FirstFactor, Step
from idp.signin.dispatcher import Visit, page
from idp.signin.sessions import authenticated
from idp.storage.db import transaction
from idp.web import texts
from idp.web.pages import PageError, render_page, user_view
from idp.web.provider import current_provider


@page(Step.TOTP)
def totp(visit: Visit) -> ResponseReturnValue:
    """GET and POST /signin/<id>/totp: the code of an authenticator app."""
    first = _first_factor(visit)
    if first is None:
        return visit.to_hub()
    return _submitted(visit, first) if request.method == "POST" else _form(visit, first)


def _submitted(visit: Visit, first: FirstFactor) -> ResponseReturnValue:
    provider = current_provider()
    code = request.form.get("code", "")[:64].replace(" ", "").replace("-", "")
    if not code:
        return _form(visit, first, texts.ENTER_CODE)
    if not (code.isascii() and code.isdigit() and len(code) == 6):
        return _form(visit, first, texts.CODE_FORMAT)
    # Counted before the code is looked at, by this sign-in and by the account (MF3).
    limits = provider.settings.throttle
    per_interaction = f"totp:{visit.interaction.id[:32]}"
    if provider.throttle.limited(per_interaction, limits.totp_tries_per_interaction, 3600):
        _record(Event.MFA_THROTTLED, visit, first)
        visit.save(first_factor=None)
        return _form(visit, first, texts.TOO_MANY_CODES, status=429)
    per_account = f"totp:{first.user_id}"
    if provider.throttle.limited(per_account, limits.totp_tries_per_hour, 3600):
        _record(Event.MFA_THROTTLED, visit, first)
        return _form(visit, first, texts.too_many_attempts(3600), status=429)
    if not provider.totp.verify(first.user_id, code):
        _record(Event.MFA_FAILED, visit, first)
        return _form(visit, first, texts.CODE_INCORRECT)
    provider.throttle.release(per_account)
    _record(Event.MFA_SUCCEEDED, visit, first)
    return authenticated(visit, first, "otp")


def _first_factor(visit: Visit) -> FirstFactor | None:
    """The factor already proven: in this Interaction, or by the session that is being stepped up."""
    if visit.interaction.progress.first_factor is not None:
        return visit.interaction.progress.first_factor
    session = visit.session
    return FirstFactor(session.user_id, session.auth_time, session.amr) if session else None


def _form(visit: Visit, first: FirstFactor, message: object = None, status: int = 422) -> Response:
    user = current_provider().users.get(first.user_id)
    if user is None:
        return visit.to_hub()
    return render_page(
        "signin/totp.html",
        status=status if message else 200,
        client=visit.client,
        errors=(PageError("code", message),) if message else (),
        user=user_view(user),
        action=url_for("signin.totp", interaction_id=visit.interaction.id),
        start_again_url=url_for("signin.restart", interaction_id=visit.interaction.id),
    )


def _record(event: Event, visit: Visit, first: FirstFactor) -> None:
    with transaction():
        current_provider().audit.record(
            event, user_id=first.user_id, client_id=visit.requirements.client_id, method="totp"
        )
