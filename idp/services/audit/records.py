"""Reading the trail: by person, client, kind, request and time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, or_, select

from idp.core.events import Event
from idp.services.audit.erasure import by_or_about
from idp.services.audit.sealing import events, seals
from idp.storage.db import reading

_PAGE: Final = 1000
RECORD_COLUMNS: Final = tuple(column for column in events.c if column.name not in ("stream", "sealed_at"))
_SEAL: Final = tuple(column for column in seals.c if column.name not in ("stream", "event_id"))


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


@dataclass(frozen=True, slots=True)
class Seal:
    """An event's place in the chain, and what it takes to check it."""

    sequence: int
    subject_salt: bytes | None
    subject_digest: bytes
    origin_salt: bytes | None
    origin_digest: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """An event with its seal; None if it waits for it."""

    record: AuditRecord
    stream: str
    seal: Seal | None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events are wanted. What is None does not narrow."""

    event: Event | None = None
    user_id: str | None = None
    """By this user or about them."""
    client_id: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    """From this instant on."""
    until: datetime | None = None
    """Before this instant."""

    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        """What holds for the events that are wanted."""
        found: list[ColumnElement[bool]] = [
            events.c[name] == value
            for name, value in (("event", self.event), ("client_id", self.client_id), ("request_id", self.request_id))
            if value is not None
        ]
        if self.user_id is not None:
            found.append(by_or_about(self.user_id))
        if self.since is not None:
            found.append(events.c.at >= self.since)
        if self.until is not None:
            found.append(events.c.at < self.until)
        return tuple(found)


def newest(limit: int, wanted: AuditFilter) -> list[AuditRecord]:
    """The newest events first."""
    query = (
        select(*RECORD_COLUMNS)
        .where(*wanted.conditions())
        .order_by(events.c.at.desc(), events.c.id.desc())
        .limit(limit)
    )
    with reading() as connection:
        return [AuditRecord(**row) for row in connection.execute(query).mappings()]


def oldest(wanted: AuditFilter) -> Iterator[SealedRecord]:
    """The oldest events first, page by page."""
    every = wanted.conditions()
    where: tuple[ColumnElement[bool], ...] = ()
    while True:
        some = select(*RECORD_COLUMNS, events.c.stream).where(*every, *where)
        which = some.order_by(events.c.at, events.c.id).limit(_PAGE).subquery()
        query = select(*which.c, *_SEAL).outerjoin_from(which, seals, seals.c.event_id == which.c.id)
        query = query.order_by(which.c.at, which.c.id)
        with reading() as connection:
            page = [_sealed_record(row) for row in connection.execute(query).all()]
        yield from page
        if len(page) < _PAGE:
            return
        last = page[-1].record
        # By instant first, which has an index; the id decides among events of one instant.
        where = (events.c.at >= last.at, or_(events.c.at > last.at, events.c.id > last.id))


def _sealed_record(row: Any) -> SealedRecord:
    values = tuple(row)
    record, stream, seal = values[: len(RECORD_COLUMNS)], values[len(RECORD_COLUMNS)], values[len(RECORD_COLUMNS) + 1 :]
    return SealedRecord(AuditRecord(*record), stream, None if seal[0] is None else Seal(*seal))
