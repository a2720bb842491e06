"""Turning a completed authentication into a browser session."""

from collections.abc import Callable

from flask import Response, request

from idp.core.errors import Conflict, NotFound
from idp.core.events import Event
from idp.engine.interaction import Failure, FirstFactor
from idp.identity.credentials.assurance import acr_of, amr_of
from idp.signin.dispatcher import Visit
from idp.storage.db import transaction
from idp.web.browser_session import NewSession, current_session, known_accounts, send_session
from idp.web.hooks import request_address
from idp.web.provider import current_provider


def _nothing() -> None:
    """There is nothing to settle."""


def authenticated(
    visit: Visit, first: FirstFactor, *further: str, settle: Callable[[], None] = _nothing
) -> Response | None:
    """The person has proven who they are: open or renew the session, note it, go on.

    The cookie's value changes at every authentication (SE1). The same person keeps their `sid`; another
    person gets a new one, and the session that was there ends (AZ6). What else follows from the proof is done
    by `settle`, in the same transaction. None, and nothing done, if the account was deactivated or its
    password changed while the page was being answered.
    """
    user_id = first.user_id
    hint = visit.requirements.subject_hint
    if hint not in (None, user_id):
        # OpenID Connect Core §3.1.2.1: somebody else signed in than the client asked for.
        settle()
        visit.save(failure=Failure("login_required", "another person signed in than the one asked for"))
        return visit.to_hub()
    try:
        with transaction():
            # The session first: it locks the user, and whoever changes a password does that before all else.
            new = _session_for(first, (*first.amr, *further))
            settle()
            is_new_device = _is_new_device(user_id)
            _record_sign_in(visit, new, is_new_device=is_new_device)
            if is_new_device:
                current_provider().notices.new_device(user_id)
    except (Conflict, NotFound):
        return None
    visit.save_authenticated(
        first_factor=None,
        recovery=None,
        account_selected=True,
        selected_user_id=None if hint else user_id,
        authenticated_session_id=new.session.id,
    )
    response = visit.to_hub()
    send_session(response, new)
    return response


def _session_for(first: FirstFactor, methods: tuple[str, ...]) -> NewSession:
    sessions = current_provider().sessions
    existing = current_session()
    amr, acr = amr_of(methods), acr_of(methods)
    if existing is not None and existing.user_id == first.user_id:
        renewed = sessions.reauthenticate(existing.id, amr, acr, auth_time=first.at, credential=first.credential)
        return NewSession(*renewed)
    if existing is not None:
        sessions.end(existing.id, "switched_account")
    opened = sessions.open(
        first.user_id,
        amr,
        acr,
        auth_time=first.at,
        credential=first.credential,
        ip_address=request_address(),
        user_agent=request.user_agent.string or None,
    )
    return NewSession(*opened)


def _is_new_device(user_id: str) -> bool:
    """True if this browser has never signed in to the account, and some other one has.

    The first sign-in to an account is from a new device by nature, and news to nobody. Whether there were others the
    audit trail tells, which remembers for longer than sessions are kept.
    """
    if user_id in known_accounts():
        return False
    return bool(current_provider().audit.tail(1, Event.SIGN_IN_SUCCEEDED, user_id))


def _record_sign_in(visit: Visit, new: NewSession, *, is_new_device: bool) -> None:
    current_provider().audit.record(
        Event.SIGN_IN_SUCCEEDED,
        actor=f"user:{new.session.user_id}",
        user_id=new.session.user_id,
        client_id=visit.requirements.client_id,
        session_id=new.session.id,
        amr=list(new.session.amr),
        new_device=is_new_device,
    )
