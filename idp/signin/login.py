"""The sign-in page: an e-mail address and a password.

Whoever asks learns nothing about whether an account exists: the same sentence, the same work (a dummy Argon2 hash
for unknown users) and the same throttling for both (LG1).
"""

from contextlib import suppress
from dataclasses import dataclass

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from idp.core.clock import now
from idp.core.errors import Invalid, Unavailable
from idp.core.events import Event
from idp.engine.interaction import FirstFactor, Step
from idp.identity.directory.emails import canonical_email
from idp.identity.directory.users import User
from idp.services.limits.throttle import Verdict, unknown_account
from idp.signin.dispatcher import AS_SOMEBODY_ELSE, Visit, page
from idp.signin.facts import gather
from idp.signin.sessions import authenticated
from idp.storage.db import transaction
from idp.web import texts
from idp.web.browser_session import known_accounts
from idp.web.cookies import browser_id
from idp.web.hooks import request_address
from idp.web.pages import PageError, render_page
from idp.web.provider import current_provider

_LONGEST_IDENTIFIER = 320


def _of_somebody_else(visit: Visit, due: Step) -> Visit | None:
    """A form that was open while somebody signed in in another tab: whose credentials does it bring?

    Those of another person are looked at, as if "another account" had been chosen; to answer the app with the
    account of whoever came first would be a surprise. The same person is done already.
    """
    if due in (Step.SELECT_ACCOUNT, Step.FAILED) or visit.requirements.subject_hint is not None:
        return None
    first = visit.interaction.progress.first_factor
    present = first.user_id if first else visit.session.user_id if visit.session else None
    username = _username()
    user = current_provider().users.find_by_email(username) if username else None
    if not username or present is None or (user is not None and user.id == present):
        return None
    interaction = visit.save(**AS_SOMEBODY_ELSE)
    return Visit(interaction, gather(interaction.requirements, interaction.progress)) if interaction else None


@page(Step.LOGIN, late=_of_somebody_else)
def login(visit: Visit) -> ResponseReturnValue:
    """GET and POST /signin/<id>/login: e-mail address and password."""
    return _submitted(visit) if request.method == "POST" else login_form(visit)


def login_form(
    visit: Visit, *, username: str | None = None, errors: tuple[PageError, ...] = (), status: int = 200
) -> Response:
    """The sign-in page."""
    locked = expected_user(visit)
    suggestion = locked.email if locked else username if username is not None else _suggested(visit)
    return render_page(
        "signin/login.html",
        status=status,
        client=visit.client,
        errors=errors,
        username=suggestion or "",
        username_locked=locked is not None,
        use_another_url=(url_for("signin.another_account", interaction_id=visit.interaction.id) if locked else None),
        cancel_url=url_for("signin.cancel", interaction_id=visit.interaction.id) if visit.client else None,
        register_url=_register_url(visit) if locked is None else None,
        forgotten_url=url_for("signin.forgotten", interaction_id=visit.interaction.id),
        action=url_for("signin.login", interaction_id=visit.interaction.id),
    )


def _submitted(visit: Visit) -> ResponseReturnValue:
    username = _username()
    password = request.form.get("password", "")
    errors = []
    if not username:
        errors.append(PageError("username", texts.ENTER_EMAIL))
    if not password:
        errors.append(PageError("password", texts.ENTER_PASSWORD))
    if errors:
        return login_form(visit, username=username, errors=tuple(errors), status=422)
    attempt = _Attempt.of(username)
    verdict = _reserve(visit, attempt)
    if not verdict.allowed:
        message = texts.AUTHENTICATOR_OFF if verdict.disabled else texts.too_many_attempts(verdict.retry_after)
        return login_form(visit, username=username, errors=(PageError(None, message),), status=429)
    try:
        # Argon2 runs here, outside any transaction, and also for accounts that do not exist.
        started_at = now()
        credential = current_provider().passwords.verify(attempt.user.id if attempt.user else None, password)
        if attempt.user is not None and credential is not None:
            first = FirstFactor(attempt.user.id, started_at, ("pwd",), credential)
            if attempt.user.is_active:
                return _first_factor_passed(visit, verdict, first) or _changed_meanwhile(visit, username)
            if attempt.user.may_come_back(started_at):
                return _who_left_is_here(visit, verdict, first)
    except Unavailable:
        # Nobody looked at the guess, or it was right: an overload must not lock people out.
        with suppress(Unavailable):
            current_provider().throttle.withdrawn(verdict)
        raise
    return _refused(visit, attempt, verdict, "password" if credential is None else "not_active")


def _reserve(visit: Visit, attempt: "_Attempt") -> Verdict:
    throttle = current_provider().throttle
    with transaction():
        verdict = throttle.attempt(attempt.account, attempt.device, attempt.address)
        if not verdict.allowed:
            _record(Event.SIGN_IN_THROTTLED, attempt, visit, retry_after=verdict.retry_after)
    return verdict


def _refused(visit: Visit, attempt: "_Attempt", verdict: Verdict, reason: str) -> ResponseReturnValue:
    with transaction():
        current_provider().lockout.failed(attempt.user, verdict, attempt.address)
        _record(Event.SIGN_IN_FAILED, attempt, visit, reason=reason if attempt.user else "unknown_user")
    message = texts.PASSWORD_INCORRECT if expected_user(visit) else texts.SIGN_IN_FAILED
    return login_form(visit, username=_username(), errors=(PageError("password", message),), status=422)


def _changed_meanwhile(visit: Visit, username: str) -> ResponseReturnValue:
    return login_form(visit, username=username, errors=(PageError(None, texts.ACCOUNT_CHANGED),), status=409)


def _first_factor_passed(visit: Visit, verdict: Verdict, first: FirstFactor) -> Response | None:
    """None if the account changed while the password was being looked at."""
    provider = current_provider()

    def forget_failures() -> None:
        provider.throttle.succeeded(verdict)

    if not provider.totp.is_enrolled(first.user_id):
        return authenticated(visit, first, settle=forget_failures)
    forget_failures()
    # No session yet: the first factor is remembered in this Interaction and opens nothing else (MF1).
    visit.save(first_factor=first)
    return visit.to_hub()


def _who_left_is_here(visit: Visit, verdict: Verdict, first: FirstFactor) -> Response:
    """The right password of an account that its owner has left: they are asked whether they want it back.

    Whoever does not know the password is told what everybody is told.
    """
    provider = current_provider()
    provider.throttle.succeeded(verdict)
    if provider.totp.is_enrolled(first.user_id):
        visit.save(first_factor=first)
    else:
        visit.save(returning=first)
    return visit.to_hub()


def _username() -> str:
    return request.form.get("username", "")[: _LONGEST_IDENTIFIER + 1].strip()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Who is trying to be whom, from where: the keys of the throttle."""

    user: User | None
    account: str
    device: str | None
    address: str | None

    @classmethod
    def of(cls, username: str) -> "_Attempt":
        provider = current_provider()
        try:
            canonical = canonical_email(username)
        except Invalid:
            canonical = username.casefold()
        user = provider.users.find_by_email(username)
        # Keyed by the account, never by how it was typed (LG2).
        account = user.id if user else unknown_account(canonical)
        # A browser that has signed in to this account before is counted apart, so that a stranger's
        # guessing does not lock the owner out (LG4).
        is_known = user is not None and user.id in known_accounts()
        return cls(
            user=user,
            account=account,
            device=browser_id(provider.settings) if is_known else None,
            address=request_address(),
        )


def expected_user(visit: Visit) -> User | None:
    """The only user who can complete the sign-in: hinted, selected, or asked to prove it again."""
    required = visit.requirements
    progress = visit.interaction.progress
    user_id = required.subject_hint or progress.selected_user_id
    if user_id is None and not progress.account_selected and visit.session is not None:
        user_id = visit.session.user_id
    # Only a user whom this browser knows already: a hint must not reveal an address to a stranger.
    known = set(known_accounts()) | ({visit.session.user_id} if visit.session else set())
    return current_provider().users.get(user_id) if user_id in known and user_id else None


def _register_url(visit: Visit) -> str | None:
    is_open = current_provider().settings.sign_up_policy == "open" and visit.requirements.subject_hint is None
    return url_for("signin.new_account", interaction_id=visit.interaction.id) if is_open else None


def _suggested(visit: Visit) -> str:
    return (visit.requirements.login_hint or "")[:_LONGEST_IDENTIFIER]


def _record(
    event: Event, attempt: _Attempt, visit: Visit, *, reason: str | None = None, retry_after: int | None = None
) -> None:
    current_provider().audit.record(
        event,
        user_id=attempt.user.id if attempt.user else None,
        client_id=visit.requirements.client_id,
        reason=reason,
        retry_after=retry_after,
    )
