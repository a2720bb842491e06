"""Whether the audit trail is what it was. Reads everything, changes nothing, and goes on after what it finds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import exists, func, or_, select

from idp.core.clock import now
from idp.core.events import Event
from idp.engine.evidence.heads import (
    CHECKPOINT,
    HEAD,
    Head,
    Statement,
    UntrustedStatement,
    heads,
    key_problem,
    known_keys,
    read_statement,
    stored,
)
from idp.engine.evidence.report import Finding, Problem, Report
from idp.engine.evidence.walk import ORIGIN, PAGE, SUBJECT, UNREADABLE, Walk, is_pseudonymous, rows_of
from idp.services.audit.chain import GENESIS
from idp.services.audit.sealing import events, seals, streams
from idp.storage.db import reading

MOST_FINDINGS: Final = 100
"""So many are told in full; the others are counted."""
_PART_SALTS: Final = {SUBJECT: seals.c.subject_salt, ORIGIN: seals.c.origin_salt}
_PORTION: Final = 500


class Verification:
    """One verification of all streams."""

    def __init__(self, kept_elsewhere: Sequence[str] = ()) -> None:
        """`kept_elsewhere`: signed heads that were exported."""
        self._report = Report()
        self._exported = kept_elsewhere
        self._keys = known_keys()

    def run(self) -> Report:
        """Verify. Raises Unavailable."""
        exported = self._exported_statements()
        for stream in sorted({*_known_streams(), *(statement.stream for statement in exported)}):
            self._verify_stream(stream, [one for one in exported if one.stream == stream])
        self._count_unsealed()
        return self._report

    def _find(self, stream: str, sequence: int | None, problem: Problem, detail: str) -> None:
        self._report.problems += 1
        if len(self._report.findings) < MOST_FINDINGS:
            self._report.findings.append(Finding(stream, sequence, problem, detail))

    def _exported_statements(self) -> list[Statement]:
        found = []
        for number, jws in enumerate(self._exported, 1):
            try:
                statement = read_statement(jws)
            except UntrustedStatement as error:
                self._find("", None, Problem.STATEMENT, f"exported head {number}: {error}")
                continue
            problem = key_problem(statement, self._keys)
            if problem:
                self._find(statement.stream, statement.sequence, Problem.STATEMENT, f"exported head: {problem}")
            found.append(statement)
        return found

    def _statements(self, stream: str, purpose: str) -> list[Statement]:
        """Those of this installation that are to be believed."""
        found = []
        for head in stored(stream, purpose):
            try:
                statement = _believed(head, self._keys)
            except UntrustedStatement as error:
                self._find(stream, head.sequence, Problem.STATEMENT, f"the signed {purpose}: {error}")
                continue
            found.append(statement)
        return found

    def _verify_stream(self, stream: str, exported: list[Statement]) -> None:
        # In this order: what is read first cannot be ahead of what is read later.
        said = [*self._statements(stream, HEAD), *exported]
        end = _end_of(stream)
        base = self._statements(stream, CHECKPOINT)[-1:]
        begin_after, hash_ = (base[0].sequence, bytes.fromhex(base[0].hash)) if base else (0, GENESIS)
        expected = {(one.sequence, one.hash) for one in said}
        places = {sequence for sequence, _ in expected}
        # What a checkpoint says of its place is known without the event.
        met = {begin_after: hash_.hex()} if base else {}

        def report(sequence: int | None, problem: Problem, detail: str) -> None:
            self._find(stream, sequence, problem, detail)

        walk = Walk(
            stream, report, begin_after=begin_after, hash_=hash_, base_at=lambda place: self._base_at(stream, place)
        )
        for row in rows_of(stream):
            sequence = row["seal_sequence"]
            if sequence <= begin_after:
                report(sequence, Problem.FORKED, "was deleted, as a checkpoint says, and is there")
                continue
            walk.step(row)
            if sequence in places or (end and sequence == end.sequence):
                met[sequence] = walk.hash.hex()
        walk.summary.checkpoint = begin_after or None
        self._report.streams.append(walk.summary)
        self._compare_end(walk, end, met)
        for head in sorted(said, key=lambda one: one.sequence):
            self._compare_head(walk, head, met)
        self._compare_erasures(walk)

    def _base_at(self, stream: str, place: int) -> bytes | None:
        """Events whose time has come are deleted while the walk is on."""
        for head in stored(stream, CHECKPOINT):
            if head.sequence == place:
                try:
                    return bytes.fromhex(_believed(head, self._keys).hash)
                except UntrustedStatement:
                    return None
        return None

    def _compare_end(self, walk: Walk, end: Any, met: Mapping[int, str]) -> None:
        stream = walk.summary.stream
        if end is None:
            if walk.summary.events:
                self._find(stream, None, Problem.TRUNCATED, "nothing says where the chain ends")
            return
        if end.sequence > walk.last:
            detail = f"the chain ends at {walk.last}, and had come to {end.sequence}"
            self._find(stream, walk.last + 1, Problem.TRUNCATED, detail)
        elif end.sequence in met and met[end.sequence] != end.hash.hex():
            self._find(stream, end.sequence, Problem.FORKED, "the end of the stream has another hash")
        latest = _end_of(stream)
        if latest is None or latest.sequence < walk.last:
            self._find(stream, walk.last, Problem.FORKED, "there are seals behind the end of the stream")

    def _compare_head(self, walk: Walk, head: Statement, met: Mapping[int, str]) -> None:
        stream, sequence = walk.summary.stream, head.sequence
        if sequence > walk.last:
            detail = f"a head of {head.signed_at:%Y-%m-%dT%H:%M:%SZ} says that the chain had come to {sequence}"
            self._find(stream, walk.last + 1, Problem.TRUNCATED, detail)
        elif sequence in met and met[sequence] != head.hash:
            detail = f"a head of {head.signed_at:%Y-%m-%dT%H:%M:%SZ} has another hash: the chain was made anew"
            self._find(stream, sequence, Problem.FORKED, detail)
        elif sequence in met:
            walk.summary.heads += 1

    def _compare_erasures(self, walk: Walk) -> None:
        stream = walk.summary.stream
        try:
            for row in _later_erasures(stream, walk.last):
                walk.note_erasure(row)
        except UNREADABLE:
            self._find(stream, None, Problem.INSERTED, "an erasure that is not sealed cannot be read")
        walk.summary.erased = len({place for _, place in walk.erased})
        for (part, place), row in sorted(walk.erased.items(), key=lambda item: item[0][1]):
            pseudonym = walk.listed.get((part, place))
            if pseudonym is None:
                self._find(stream, place, Problem.ERASURE_FORGED, f"the {part} was removed, and no erasure tells of it")
            elif not is_pseudonymous(part, row, pseudonym):
                self._find(stream, place, Problem.ERASURE_FORGED, f"the {part} is not what its erasure left")
        for part, salt in _PART_SALTS.items():
            listed = [place for of, place in walk.listed if of == part and (part, place) not in walk.erased]
            for place in _with_salt(stream, salt, listed):
                self._find(stream, place, Problem.ERASURE_UNDONE, f"the {part} is there again")

    def _count_unsealed(self) -> None:
        waiting = select(func.count(), func.min(events.c.at)).where(events.c.sealed_at.is_(None))
        with reading() as connection:
            count, oldest = connection.execute(waiting).one()
        self._report.unsealed = count
        if oldest is not None:
            self._report.oldest_unsealed_seconds = max(0, round((now() - oldest).total_seconds()))
        for stream, event_id in _pretending():
            self._find(stream, None, Problem.INSERTED, f"the event {event_id} has no place in the chain")


def _believed(head: Head, ours: Mapping[str, datetime | None]) -> Statement:
    """Raises UntrustedStatement."""
    statement = read_statement(head.statement)
    if (statement.stream, statement.purpose, statement.sequence) != (head.stream, head.purpose, head.sequence):
        raise UntrustedStatement("it speaks of another place")
    problem = key_problem(statement, ours)
    if problem:
        raise UntrustedStatement(problem)
    return statement


def _known_streams() -> Iterable[str]:
    found: set[str] = set()
    for table in (seals, streams, heads):
        # From one to the next by the primary key: a trail of years is not to be read through for its few names.
        name: str | None = ""
        while name is not None:
            with reading() as connection:
                name = connection.execute(select(func.min(table.c.stream)).where(table.c.stream > name)).scalar()
            if name is not None:
                found.add(name)
    return found


def _pretending() -> Iterator[tuple[str, str]]:
    """Stream and id of the events that are marked as sealed and have no seal; a page at a time."""
    after = ""
    while True:
        page = select(events.c.id, events.c.stream, events.c.sealed_at).where(events.c.id > after)
        some = page.order_by(events.c.id).limit(PAGE).subquery()
        query = select(some.c.stream, some.c.id).where(
            some.c.sealed_at.is_not(None), ~exists().where(seals.c.event_id == some.c.id)
        )
        with reading() as connection:
            last, count = connection.execute(select(func.max(some.c.id), func.count())).one()
            found = connection.execute(query.order_by(some.c.id)).all()
        yield from ((stream, event_id) for stream, event_id in found)
        if count < PAGE:
            return
        after = last


def _end_of(stream: str) -> Any:
    query = select(streams.c.sequence, streams.c.hash).where(streams.c.stream == stream)
    with reading() as connection:
        return connection.execute(query).one_or_none()


def _later_erasures(stream: str, after: int) -> Sequence[Any]:
    """Erasures whose seals are still to come, or came since."""
    query = (
        select(*events.c)
        .outerjoin_from(events, seals, seals.c.event_id == events.c.id)
        .where(
            events.c.event == Event.AUDIT_ERASED,
            events.c.stream == stream,
            or_(seals.c.sequence.is_(None), seals.c.sequence > after),
        )
    )
    with reading() as connection:
        return connection.execute(query).mappings().all()


def _with_salt(stream: str, salt: Any, places: list[int]) -> list[int]:
    found: list[int] = []
    for start in range(0, len(places), _PORTION):
        portion = places[start : start + _PORTION]
        query = select(seals.c.sequence).where(
            seals.c.stream == stream, seals.c.sequence.in_(portion), salt.is_not(None)
        )
        with reading() as connection:
            found += connection.execute(query.order_by(seals.c.sequence)).scalars()
    return found
