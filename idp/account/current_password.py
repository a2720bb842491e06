"""Asking for the current password before a change: a guess like any other, counted with those at the sign-in (LG3)."""

from contextlib import suppress

from idp.account.guard import Account
from idp.core.errors import Unavailable
from idp.core.events import Event
from idp.services.limits.throttle import Verdict
from idp.storage.db import transaction
from idp.web import texts
from idp.web.browser_session import known_accounts
from idp.web.cookies import browser_id
from idp.web.hooks import request_address
from idp.web.pages import PageError
from idp.web.provider import current_provider

FIELD = "password"


class NotProven(Exception):
    """The password was not given, was wrong, or was not looked at: what to show, and the status of the page."""

    def __init__(self, error: PageError, status: int = 422) -> None:
        super().__init__(str(error.message))
        self.error = error
        self.status = status


def prove_password(account: Account, typed: str) -> str:
    """The version of the person's password if `typed` is it (`Passwords.verify`). Raises NotProven or Unavailable."""
    if not typed:
        raise NotProven(PageError(FIELD, texts.ENTER_CURRENT_PASSWORD))
    provider = current_provider()
    verdict = _reserve(account)
    if not verdict.allowed:
        message = texts.AUTHENTICATOR_OFF if verdict.disabled else texts.too_many_attempts(verdict.retry_after)
        raise NotProven(PageError(None, message), 429)
    try:
        # Argon2 runs here, outside any transaction.
        credential = provider.passwords.verify(account.user.id, typed)
    except Unavailable:
        # Nobody looked at the guess: an overload must not lock people out.
        with suppress(Unavailable):
            provider.throttle.withdrawn(verdict)
        raise
    with transaction():
        if credential is not None:
            provider.throttle.succeeded(verdict)
            return credential
        provider.lockout.failed(account.user, verdict, request_address())
        _record(account, "wrong")
    raise NotProven(PageError(FIELD, texts.PASSWORD_INCORRECT))


def _reserve(account: Account) -> Verdict:
    with transaction():
        verdict = current_provider().throttle.attempt(account.user.id, _device(account), request_address())
        if not verdict.allowed:
            _record(account, "throttled")
    return verdict


def _device(account: Account) -> str | None:
    """The browser, if it has signed in to this account before, as when signing in (LG4)."""
    return browser_id(current_provider().settings) if account.user.id in known_accounts() else None


def _record(account: Account, reason: str) -> None:
    current_provider().audit.record(
        Event.PASSWORD_NOT_CONFIRMED, user_id=account.user.id, session_id=account.session.id, reason=reason
    )
