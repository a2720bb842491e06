"""Giving committed events their place in the chain.

Not when they are recorded: the end of a chain is one row, and every sign-in would wait for every other. Whoever seals
takes that row, so that sealers queue instead, and an event waits a moment for its seal.
"""

import time
from collections.abc import Iterable
from typing import Any, Final, cast

from sqlalchemy import Connection, Table, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError

from idp.core.clock import now
from idp.core.errors import IdpError
from idp.services.audit.chain import GENESIS, origin_part, seal_hash, subject_part
from idp.storage.db import db, reading, transaction
from idp.storage.tables import AuditEvent, AuditSeal, AuditStream

BATCH: Final = 250
"""Events per transaction."""
PAUSE_SECONDS: Final = 0.02
"""Between two of them, for those who wait for SQLite's write lock."""

events: Final = cast(Table, AuditEvent.__table__)
seals: Final = cast(Table, AuditSeal.__table__)
streams: Final = cast(Table, AuditStream.__table__)

_IS_UNSEALED = events.c.sealed_at.is_(None)


class BrokenChain(IdpError):
    """The end of a chain is not where the database says: nothing more can be sealed until somebody has looked."""


def seal_all(batch: int = BATCH) -> int:
    """Seal what is committed, each stream in its own order; returns how many events were sealed.

    Any number of processes may do this at once: only one at a time gets at a stream, and the others leave it to it.
    Raises BrokenChain if the database holds what no sealer has left there; Unavailable.
    """
    with reading() as connection:
        waiting = connection.execute(select(events.c.stream).where(_IS_UNSEALED).distinct()).scalars().all()
    return sum(_seal_stream(stream, batch) for stream in sorted(waiting))


def _seal_stream(stream: str, batch: int) -> int:
    total = 0
    while True:
        try:
            with transaction() as connection:
                sealed = _seal_batch(connection, stream, batch)
        except IntegrityError as error:
            raise BrokenChain(
                f"the stream '{stream}' goes on behind its end, or an event has lost the mark of its seal: "
                "run 'idp audit verify'"
            ) from error
        except (TypeError, ValueError, AttributeError) as error:
            # Nothing that this product has written: no date, no JSON, no bytes.
            raise BrokenChain(f"an event of the stream '{stream}' cannot be read, or its end cannot") from error
        total += sealed
        if sealed < batch:
            return total
        if db.engine.dialect.name == "sqlite":
            time.sleep(PAUSE_SECONDS)


def _seal_batch(connection: Connection, stream: str, batch: int) -> int:
    end = _take_end(connection, stream)
    if end is None:
        return 0
    # Locked, so that nobody is erased from an event while it is sealed; what is being erased now is for later.
    query = (
        select(*events.c)
        .where(events.c.stream == stream, _IS_UNSEALED)
        .order_by(events.c.at, events.c.id)
        .limit(batch)
        .with_for_update(skip_locked=True, of=events)
    )
    found = connection.execute(query).mappings().all()
    if not found:
        return 0
    made = _seals(stream, end.sequence, end.hash, found)
    connection.execute(insert(seals), made)
    connection.execute(update(events).where(events.c.id.in_([row["id"] for row in found])).values(sealed_at=now()))
    moved = connection.execute(
        update(streams)
        .where(streams.c.stream == stream, streams.c.sequence == end.sequence, streams.c.hash == end.hash)
        .values(sequence=made[-1]["sequence"], hash=made[-1]["hash"])
    )
    if moved.rowcount != 1:
        raise BrokenChain(f"the end of the stream '{stream}' moved while it was held")
    return len(found)


def _take_end(connection: Connection, stream: str) -> Any:
    """The end of a stream, held until the transaction is over; None if another sealer holds it."""
    insert_into = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    begin = insert_into(streams).values(stream=stream, sequence=0, hash=GENESIS)
    query = select(streams.c.sequence, streams.c.hash).where(streams.c.stream == stream)
    if connection.execute(query).one_or_none() is None:
        connection.execute(begin.on_conflict_do_nothing())
    return connection.execute(query.with_for_update(skip_locked=True)).one_or_none()


def _seals(stream: str, sequence: int, previous: bytes, found: Iterable[Any]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for event in found:
        sequence += 1
        subject, origin = subject_part(event), origin_part(event)
        previous = seal_hash(previous, stream, sequence, event, subject.digest, origin.digest)
        made.append(
            {
                "stream": stream,
                "sequence": sequence,
                "event_id": event["id"],
                "subject_salt": subject.salt,
                "subject_digest": subject.digest,
                "origin_salt": origin.salt,
                "origin_digest": origin.digest,
                "hash": previous,
            }
        )
    return made
