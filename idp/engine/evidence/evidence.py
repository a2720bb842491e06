"""Keeping the proof: heads are signed from time to time, and what is deleted leaves a checkpoint."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Connection, delete, func, select
from sqlalchemy.exc import IntegrityError

from idp.core.clock import now
from idp.core.settings import Settings
from idp.engine.evidence.heads import CHECKPOINT, HEAD, Head, latest, read_statement, sign, store, stored
from idp.engine.evidence.report import Report
from idp.engine.evidence.verification import Verification
from idp.services.audit.sealing import BrokenChain, events, seals, streams
from idp.services.keys.keyset import Keyset
from idp.storage.batches import BATCH, PAUSE_SECONDS
from idp.storage.db import reading, transaction

log = structlog.get_logger("idp.audit")

_ALGORITHM: Final = "RS256"
"""Always configured, and verified by everything there is."""


class Evidence:
    """What proves the audit trail, and whether it does."""

    def __init__(self, settings: Settings, keyset: Keyset) -> None:
        self._settings = settings
        self._keyset = keyset

    def sign_heads(self, at: datetime, *, is_due: bool = True) -> list[Head]:
        """Sign the end of each chain that has grown; with `is_due`, not before the time set for it.

        Each is logged as well: a log that is kept elsewhere then knows what the database cannot deny later. Nothing is
        signed that contradicts the chain, or what was signed before: raises BrokenChain then; and Unavailable.
        """
        with reading() as connection:
            ends = connection.execute(select(streams.c.stream, streams.c.sequence, streams.c.hash)).all()
        earliest = at - timedelta(seconds=self._settings.audit.sign_every)
        made = []
        for end in ends:
            last = latest(end.stream)
            has_grown = end.sequence > (last.sequence if last else 0)
            if not has_grown or (is_due and last is not None and last.signed_at > earliest):
                continue
            _require_agreement(end.stream, end.sequence, end.hash)
            if last is not None:
                said = read_statement(last.statement)
                _require_agreement(end.stream, said.sequence, bytes.fromhex(said.hash))
            made += self._keep(self._sign(end.stream, HEAD, end.sequence, end.hash, at))
        return made

    @staticmethod
    def _keep(head: Head) -> list[Head]:
        try:
            with transaction() as connection:
                store(connection, head)
        except IntegrityError:
            return []  # another process has signed the same
        log.info("audit head signed", stream=head.stream, sequence=head.sequence, statement=head.statement)
        return [head]

    def _sign(self, stream: str, purpose: str, sequence: int, hash_: bytes, at: datetime) -> Head:
        signer = self._keyset.signer(_ALGORITHM)
        keys: list[dict[str, Any]] = self._keyset.jwks_document()["keys"]
        public_jwk = next(key for key in keys if key["kid"] == signer.kid)
        return sign(
            signer, public_jwk, self._settings.issuer, stream=stream, purpose=purpose, sequence=sequence, hash_=hash_,
            at=at,
        )  # fmt: skip

    @staticmethod
    def signed_heads(since: datetime | None = None) -> list[Head]:
        """The signed heads that are kept, in the order of their chains."""
        return stored(purpose=HEAD, since=since)

    def purge(self, before: datetime) -> int:
        """Delete the beginning of each chain, up to the first event that is not older than that instant.

        In small transactions, each of which leaves a signed checkpoint in the place of what it deletes. What is not
        sealed yet stays until it is. Returns how many events were deleted. Raises Unavailable.
        """
        with reading() as connection:
            names = connection.execute(select(streams.c.stream).order_by(streams.c.stream)).scalars().all()
        return sum(self._purge_stream(stream, before) for stream in names)

    def _purge_stream(self, stream: str, before: datetime) -> int:
        total = 0
        while True:
            old = _beginning(stream, before)
            if old:
                last = old[-1]
                checkpoint = self._sign(stream, CHECKPOINT, last.sequence, last.hash, now())
                with transaction() as connection:
                    if not _still_begins_with(connection, stream, old[0].sequence):
                        return total
                    store(connection, checkpoint)
                    connection.execute(delete(events).where(events.c.id.in_([row.event_id for row in old])))
                    gone = delete(seals).where(seals.c.stream == stream, seals.c.sequence <= last.sequence)
                    total += connection.execute(gone).rowcount
            if len(old) < BATCH:
                return total
            time.sleep(PAUSE_SECONDS)

    @staticmethod
    def verify(kept_elsewhere: Sequence[str] = ()) -> Report:
        """Verify all chains, and that they are what these exported heads say. Raises Unavailable."""
        return Verification(kept_elsewhere).run()


def _require_agreement(stream: str, sequence: int, hash_: bytes) -> None:
    """See that a chain has this hash at this place, unless its beginning was deleted up to there."""
    here = select(seals.c.hash).where(seals.c.stream == stream, seals.c.sequence == sequence)
    first = select(func.min(seals.c.sequence)).where(seals.c.stream == stream)
    with reading() as connection:
        found, begin = connection.execute(here).scalar(), connection.execute(first).scalar()
    is_gone = found is None and (begin is None or sequence < begin)
    if not is_gone and found != hash_:
        raise BrokenChain(f"the stream '{stream}' is not what it was at {sequence}: run 'idp audit verify'")


def _beginning(stream: str, before: datetime) -> Sequence[Any]:
    """The first seals of a stream whose events are all older than that instant."""
    some = select(seals.c.sequence, seals.c.event_id, seals.c.hash).where(seals.c.stream == stream)
    which = some.order_by(seals.c.sequence).limit(BATCH).subquery()
    query = select(*which.c, events.c.at).outerjoin_from(which, events, events.c.id == which.c.event_id)
    query = query.order_by(which.c.sequence)
    with reading() as connection:
        rows = connection.execute(query).all()
    count = 0
    for number, row in enumerate(rows, 1):
        if row.at is None:
            continue  # somebody deleted the event: nobody knows its age, but the next one's
        if row.at >= before:
            break
        count = number
    return rows[:count]


def _still_begins_with(connection: Connection, stream: str, sequence: int) -> bool:
    """Hold the stream, and see that nobody else has deleted its beginning meanwhile."""
    connection.execute(select(streams.c.stream).where(streams.c.stream == stream).with_for_update()).all()
    first = select(func.min(seals.c.sequence)).where(seals.c.stream == stream)
    return bool(connection.execute(first).scalar() == sequence)
