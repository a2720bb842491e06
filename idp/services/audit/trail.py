"""Writing and reading audit events."""

from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, cast

from sqlalchemy import ColumnElement, Table, insert, or_, select

from idp.core.clock import now
from idp.core.events import Event
from idp.core.randomness import new_id
from idp.storage.batches import delete_in_batches
from idp.storage.db import in_transaction, reading, transaction
from idp.storage.group_commit import GroupCommit
from idp.storage.prepared import prepared
from idp.storage.tables import AuditEvent

JSON: TypeAlias = bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"] | None

_EXPORT_PAGE = 1000
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

_table = cast(Table, AuditEvent.__table__)
_INSERT = prepared(insert(_table))


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Where the current request comes from, as far as trusted proxies vouch for it."""

    ip_address: str | None
    user_agent: str | None
    request_id: str | None


request_context: ContextVar[RequestContext | None] = ContextVar("idp_request_context", default=None)
"""Set by the web hooks for each request; empty in the worker and on the command line."""

_NOWHERE = RequestContext(None, None, None)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One stored event."""

    id: str
    at: datetime
    event: str
    actor: str
    user_id: str | None
    client_id: str | None
    session_id: str | None
    ip_address: str | None
    user_agent: str | None
    request_id: str | None
    details: dict[str, Any]


class AuditTrail:
    """Appends to the trail and reads its end."""

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
        """The newest events first, at most `limit`; optionally of one kind, or about one user, client or request."""
        wanted = {"event": event, "user_id": user_id, "client_id": client_id, "request_id": request_id}
        query = (
            select(*_table.c)
            .where(*(_table.c[name] == value for name, value in wanted.items() if value is not None))
            .order_by(_table.c.at.desc(), _table.c.id.desc())
            .limit(limit)
        )
        with reading() as connection:
            return [AuditRecord(**row) for row in connection.execute(query).mappings()]

    def export(self, since: datetime | None = None) -> Iterator[AuditRecord]:
        """Every event from that instant on, the oldest first. Read page by page, so that nothing is held meanwhile.

        What is recorded during the export is part of it or not.
        """
        where: tuple[ColumnElement[bool], ...] = () if since is None else (_table.c.at >= since,)
        while True:
            query = select(*_table.c).where(*where).order_by(_table.c.at, _table.c.id).limit(_EXPORT_PAGE)
            with reading() as connection:
                page = [AuditRecord(**row) for row in connection.execute(query).mappings()]
            yield from page
            if len(page) < _EXPORT_PAGE:
                return
            last = page[-1]
            # By instant first, which has an index; the id decides among events of one instant.
            where = (_table.c.at >= last.at, or_(_table.c.at > last.at, _table.c.id > last.id))

    def purge(self, before: datetime) -> int:
        """Delete events older than that instant, in small transactions; returns how many."""
        return delete_in_batches(_table, _table.c.at < before)


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
