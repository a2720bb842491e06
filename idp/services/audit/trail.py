"""The audit trail as the rest of the product sees it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import insert

from idp.core.clock import now
from idp.core.events import Event
from idp.core.randomness import new_id
from idp.services.audit.about import Place, events_about
from idp.services.audit.chain import USER_PREFIX
from idp.services.audit.erasure import erase, new_pseudonym
from idp.services.audit.records import AuditFilter, AuditRecord, SealedRecord, newest, oldest
from idp.services.audit.sealing import events, seal_all
from idp.storage.db import in_transaction, transaction
from idp.storage.group_commit import GroupCommit
from idp.storage.prepared import prepared

JSON: TypeAlias = bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"] | None

_LONGEST_TEXT = 1000
_DEEPEST = 6
_SECRET_NAMES = frozenset(
    {
        "assertion",
        "authorization",
        "cookie",
        "code",
        "code_verifier",
        "csrf",
        "jwt",
        "key_encryption_key",
        "otp",
        "passphrase",
        "pepper",
        "private_key",
        "seed",
        "session_key",
        "set_cookie",
        "token",
        "totp",
        "user_code",
        "device_code",
        "id_token_hint",
    }
)
_SECRET_ENDINGS = ("password", "secret", "_token", "_assertion", "_seed", "_cookie")

_INSERT = prepared(insert(events))


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Where the current request comes from, as far as trusted proxies vouch for it."""

    ip_address: str | None
    user_agent: str | None
    request_id: str | None


request_context: ContextVar[RequestContext | None] = ContextVar("idp_request_context", default=None)
"""Set by the web hooks for each request; empty in the worker and on the command line."""

_NOWHERE = RequestContext(None, None, None)


class AuditTrail:
    """Appends to the trail, reads it, seals it and takes people out of it."""

    def __init__(self) -> None:
        self._lone_events = GroupCommit(_INSERT)

    def record(
        self,
        event: Event,
        *,
        actor: str | None = None,
        user_id: str | None = None,
        client_id: str | None = None,
        session_id: str | None = None,
        **details: JSON,
    ) -> None:
        """Remember a decision, in the caller's transaction so that the two stand or fall together.

        Outside one it is committed when this returns, together with what other threads record at this moment.
        `actor` defaults to the user, else the client, else `anonymous` in a request and `system` outside
        one. Long text is clipped. Raises ValueError if a detail is named like a secret (`password`,
        `code`, `refresh_token`), at any depth: secrets never enter the trail, not even hashed.
        """
        context = request_context.get()
        row = {
            "id": new_id(),
            "at": now(),
            "event": event.value,
            "actor": _clip(actor or _default_actor(user_id, client_id, context), 300),
            "user_id": _clip(user_id, 36),
            "client_id": _clip(client_id, 255),
            "session_id": _clip(session_id, 36),
            "details": {_clean(name): _checked(name, value, _DEEPEST) for name, value in details.items()},
            **_origin(context or _NOWHERE),
        }
        if not in_transaction():
            self._lone_events.insert(row)
            return
        with transaction() as connection:
            connection.execute(_INSERT, row)

    def tail(
        self,
        limit: int = 100,
        event: Event | None = None,
        user_id: str | None = None,
        *,
        client_id: str | None = None,
        request_id: str | None = None,
    ) -> list[AuditRecord]:
        """The newest events first, at most `limit`: of one kind, or by or about one user, client or request."""
        return newest(limit, AuditFilter(event, user_id, client_id, request_id))

    def newest(self, limit: int, wanted: AuditFilter) -> list[AuditRecord]:
        """The newest events first, at most `limit` of those that are wanted."""
        return newest(limit, wanted)

    def about(
        self, user_id: str, kinds: Collection[Event], *, since: datetime, limit: int, after: Place | None = None
    ) -> list[AuditRecord]:
        """The newest events of these kinds about a user, for themselves to read; see `events_about`."""
        return events_about(user_id, kinds, since=since, limit=limit, after=after)

    def export(self, wanted: AuditFilter | None = None) -> Iterator[SealedRecord]:
        """Every event that is wanted, the oldest first, each with its seal.

        Read page by page, so that nothing is held meanwhile. What is recorded during the export is part of it or not.
        """
        return oldest(wanted or AuditFilter())

    def seal(self) -> int:
        """Give what has been committed its place in the chain; returns how many events. See `sealing`.

        Raises BrokenChain, Unavailable. Not for use within `transaction()` or `reading()`.
        """
        return seal_all()

    def pseudonymise(self, user_id: str, *, actor: str = "system") -> int:
        """Take a person out of the trail, within the caller's transaction; returns how many events were changed.

        One pseudonym, made for this and derived from nothing, takes the place of the user; addresses, browsers,
        sessions and details are removed. The chain still verifies, and an event says which places changed. Call it
        last: what is recorded about the person afterwards names them again.
        """
        with transaction() as connection:
            pseudonym = new_pseudonym()
            erased = erase(connection, user_id, pseudonym)
            own = actor == f"{USER_PREFIX}{user_id}"
            # Their address would enter the trail again with this very event.
            with _nowhere() if own else nullcontext():
                for changes in erased.lists():
                    self.record(
                        Event.AUDIT_ERASED,
                        actor=f"{USER_PREFIX}{pseudonym}" if own else actor,
                        user_id=pseudonym,
                        **changes,
                    )
            return len(erased.event_ids)


@contextmanager
def _nowhere() -> Iterator[None]:
    reset = request_context.set(None)
    try:
        yield
    finally:
        request_context.reset(reset)


def _default_actor(user_id: str | None, client_id: str | None, context: RequestContext | None) -> str:
    if user_id is not None:
        return f"user:{user_id}"
    if client_id is not None:
        return f"client:{client_id}"
    return "system" if context is None else "anonymous"


def _origin(context: RequestContext) -> dict[str, str | None]:
    return {
        "ip_address": _clip(context.ip_address, 45),
        "user_agent": _clip(context.user_agent, _LONGEST_TEXT),
        "request_id": _clip(context.request_id, 36),
    }


def _clip(text: str | None, longest: int) -> str | None:
    return None if text is None else _clean(text, longest)


def _clean(text: str, longest: int = _LONGEST_TEXT) -> str:
    """Text that both databases accept: no NUL, no lone surrogates, and no longer than its column."""
    return text[:longest].replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _checked(name: str, value: JSON, depth: int) -> JSON:
    if _names_a_secret(name):
        raise ValueError(f"'{name}' must not go into the audit trail")
    if depth == 0:
        raise ValueError("audit details are nested too deeply")
    if isinstance(value, str):
        return _clip(value, _LONGEST_TEXT)
    if isinstance(value, Mapping):
        return {_clean(key): _checked(key, inner, depth - 1) for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [_checked("", inner, depth - 1) for inner in value]
    return value


def _names_a_secret(name: str) -> bool:
    plain = name.lower().replace("-", "_")
    return plain in _SECRET_NAMES or plain.endswith(_SECRET_ENDINGS)
