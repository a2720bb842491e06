"""Copies of one's data for download: made in the background, by whatever worker has the time, and kept for a while.

A copy is made in parts, each stored in one transaction together with how far it has come, so that a worker that dies
loses at most the part it was at. The parts are sealed: a stolen database is not a stolen set of dossiers.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import Row, Table, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from idp.core.clock import now
from idp.core.crypto import Sealer
from idp.core.errors import IdpError, NotFound
from idp.core.events import Event
from idp.core.randomness import is_identifier, new_id
from idp.core.settings import Settings
from idp.engine.privacy.document import Document, Position
from idp.engine.privacy.person import find_person
from idp.engine.privacy.vocabulary import Person
from idp.identity.locks import lock_user
from idp.services.audit import AuditTrail
from idp.services.limits.throttle import Throttle
from idp.storage.batches import delete_in_batches
from idp.storage.db import reading, transaction
from idp.storage.tables import DataExport, DataExportPart

LEASE: Final = timedelta(seconds=60)
"""For so long a worker that has fallen silent keeps others from going on."""
PART_BYTES: Final = 256 * 1024
"""A part is stored once it has so many."""
AT_ONCE_SECONDS: Final = 2.0
"""For so long whoever asks for a copy waits for it; what is not made by then, the worker makes."""

_exports, _parts = cast(Table, DataExport.__table__), cast(Table, DataExportPart.__table__)
_c = _exports.c


class TooSoon(IdpError):
    """There was a copy lately. `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("a copy was asked for a short time ago")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Export:
    """A copy as of one moment."""

    id: str
    user_id: str
    state: str
    size: int
    requested_at: datetime
    ready_at: datetime | None
    expires_at: datetime

    @property
    def is_ready(self) -> bool:
        """True if it can be downloaded."""
        return self.state == "ready"


class Exports:
    """Makes copies, keeps them, and hands them out."""

    def __init__(
        self,
        settings: Settings,
        sealer: Sealer,
        audit: AuditTrail,
        throttle: Throttle,
        document: Document,
        tell_ready: Callable[[str], None],
    ) -> None:
        """`tell_ready` writes to a user, in the open transaction, that their copy is there."""
        self._settings = settings
        self._sealer = sealer
        self._audit = audit
        self._throttle = throttle
        self._document = document
        self._tell_ready = tell_ready

    def whole(self, user_id: str, *, actor: str = "operator") -> Iterator[bytes]:
        """A copy for somebody else, at once and not kept. Raises NotFound."""
        person = find_person(user_id)
        if person is None:
            raise NotFound("there is no such user")
        self._audit.record(Event.DATA_EXPORT_REQUESTED, actor=actor, user_id=user_id)
        return self._document.whole(person, now())

    def request(self, user_id: str) -> Export:
        """Begin a copy for the person who asks; one that is being made already serves as well.

        It replaces the one before. Raises TooSoon, or NotFound if there is no such user.
        """
        at = now()
        key, interval = f"export:{user_id}", self._settings.privacy.export_interval
        with transaction() as connection:
            if lock_user(connection, user_id) is None:
                raise NotFound("there is no such user")
            under_way = self.latest(user_id)
            if under_way is not None and not under_way.is_ready:
                return under_way
            if interval and self._throttle.limited(key, 1, interval):
                raise TooSoon(self._throttle.reopens_in(key))
            connection.execute(delete(_exports).where(_c.user_id == user_id))
            export_id = new_id()
            connection.execute(
                insert(_exports).values(
                    id=export_id,
                    user_id=user_id,
                    state="making",
                    position={"number": 0, **Position().stored()},
                    size=0,
                    requested_at=at,
                    expires_at=at + self._lifetime,
                )
            )
            self._audit.record(Event.DATA_EXPORT_REQUESTED, user_id=user_id)
            return _export(connection.execute(select(*_COLUMNS).where(_c.id == export_id)).one())

    def latest(self, user_id: str) -> Export | None:
        """The person's copy, if there is one that has not expired."""
        query = (
            select(*_COLUMNS)
            .where(_c.user_id == user_id, _c.expires_at > now())
            .order_by(_c.requested_at.desc())
            .limit(1)
        )
        with reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else _export(row)

    def make(self, export_id: str, is_over: Callable[[], bool], *, tell: bool = True) -> bool:
        """Go on with a copy until it is ready or `is_over`; True if it is ready. With `tell` the person gets mail then.

        Nothing happens if another worker has it.
        """
        progress = self._claim(export_id)
        while progress is not None and not is_over():
            progress = self._make_part(progress, tell=tell)
            if progress is not None and progress.position.is_end:
                return True
        if progress is not None:
            self._give_back(export_id)
        return False

    def make_at_once(self, export_id: str) -> bool:
        """The same for somebody who waits for the answer. What is small is ready then."""
        deadline = time.monotonic() + AT_ONCE_SECONDS
        return self.make(export_id, lambda: time.monotonic() >= deadline, tell=False)

    def make_all(self, is_over: Callable[[], bool]) -> int:
        """Go on with whatever copies are waiting; returns how many are ready now."""
        query = select(_c.id).where(_c.state == "making", _is_free(now())).order_by(_c.requested_at)
        with reading() as connection:
            waiting = connection.execute(query).scalars().all()
        return sum(self.make(export_id, is_over) for export_id in waiting)

    def find(self, export_id: str, user_id: str) -> Export | None:
        """A copy that this person can download now."""
        if not is_identifier(export_id):
            return None
        wanted = (_c.id == export_id, _c.user_id == user_id, _c.state == "ready", _c.expires_at > now())
        with reading() as connection:
            row = connection.execute(select(*_COLUMNS).where(*wanted)).first()
        return None if row is None else _export(row)

    def downloaded(self, export: Export, session_id: str) -> None:
        """Note in the audit trail that the person took the copy."""
        self._audit.record(Event.DATA_EXPORT_DOWNLOADED, user_id=export.user_id, session_id=session_id)

    def read(self, export: Export, start: int, stop: int) -> Iterator[bytes]:
        """The bytes of a copy from `start` up to `stop`. Raises SealError if a part was tampered with."""
        p = _parts.c
        query = (
            select(p.id, p.starts_at, p.sealed_content)
            .where(p.export_id == export.id, p.starts_at < stop, p.starts_at + p.length > start)
            .order_by(p.number)
        )
        while start < stop:
            with reading() as connection:
                row = connection.execute(query.where(p.starts_at + p.length > start).limit(1)).first()
            if row is None:
                return
            content = self._sealer.open(row.sealed_content, _place(row.id))
            yield content[start - row.starts_at : stop - row.starts_at]
            start = row.starts_at + len(content)

    def purge(self, at: datetime) -> int:
        """Delete the copies that have expired; returns how many."""
        return delete_in_batches(_exports, _c.expires_at <= at, batch=20)

    @property
    def _lifetime(self) -> timedelta:
        return timedelta(seconds=self._settings.privacy.export_lifetime)

    @staticmethod
    def _claim(export_id: str) -> "_Progress | None":
        """The copy, for this worker alone; None if it is ready, gone, or another's."""
        at = now()
        statement = (
            update(_exports)
            .where(_c.id == export_id, _c.state == "making", _is_free(at))
            .values(leased_until=at + LEASE)
            .returning(_c.id, _c.user_id, _c.requested_at, _c.size, _c.position)
        )
        with transaction() as connection:
            row = connection.execute(statement).first()
        if row is None:
            return None
        return _Progress(
            row.id, row.user_id, row.requested_at, row.position["number"], row.size, Position.of(row.position)
        )

    def _make_part(self, progress: "_Progress", *, tell: bool) -> "_Progress | None":
        """Make and store the next part; None if the copy is gone, or another worker was faster."""
        person = find_person(progress.user_id)
        if person is None:
            return None
        text, position = self._next_part(person, progress)
        reached = replace(progress, number=progress.number + 1, size=progress.size + len(text), position=position)
        part_id, at = new_id(), now()
        part = {
            "id": part_id,
            "export_id": progress.export_id,
            "number": progress.number,
            "starts_at": progress.size,
            "length": len(text),
            "sealed_content": self._sealer.seal(text, _place(part_id)),
        }
        values: dict[str, Any] = {"position": reached.stored(), "size": reached.size, "leased_until": at + LEASE}
        if position.is_end:
            values.update(state="ready", ready_at=at, expires_at=at + self._lifetime, leased_until=None)
        try:
            with transaction() as connection:
                # Of two workers, one of which was silent for longer than its lease, one has the number.
                connection.execute(insert(_parts).values(**part))
                connection.execute(update(_exports).where(_c.id == progress.export_id).values(**values))
                if position.is_end and tell:
                    self._tell_ready(progress.user_id)
        except IntegrityError:
            return None
        return reached

    def _next_part(self, person: Person, progress: "_Progress") -> tuple[bytes, Position]:
        pieces = [] if progress.number else [self._document.opening(person, progress.requested_at)]
        position, size = progress.position, 0
        while not position.is_end and size < PART_BYTES:
            text, position = self._document.piece(person, position)
            pieces.append(text)
            size += len(text)
        return b"".join(pieces), position

    @staticmethod
    def _give_back(export_id: str) -> None:
        with transaction() as connection:
            connection.execute(update(_exports).where(_c.id == export_id).values(leased_until=None))


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far a copy has come that this worker is making."""

    export_id: str
    user_id: str
    requested_at: datetime
    number: int
    size: int
    position: Position

    def stored(self) -> dict[str, Any]:
        return {"number": self.number, **self.position.stored()}


_COLUMNS: Final = tuple(_c[name] for name in Export.__slots__)


def _export(row: Row[Any]) -> Export:
    return Export(**row._mapping)


def _is_free(at: datetime) -> Any:
    return or_(_c.leased_until.is_(None), _c.leased_until <= at)


def _place(part_id: str) -> str:
    return f"{_parts.name}/sealed_content/{part_id}"
