"""Walking a chain from its beginning to its end, an event at a time."""

import hmac
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import RowMapping, Select, select

from idp.core.events import Event
from idp.engine.evidence.report import Problem, StreamReport
from idp.services.audit.chain import USER_PREFIX, Part, origin_part, seal_hash, subject_part
from idp.services.audit.erasure import NO_ORIGIN, NO_SUBJECT, PSEUDONYM_PREFIX
from idp.services.audit.sealing import events, seals
from idp.storage.db import reading

PAGE = 1000
UNREADABLE = (TypeError, ValueError, AttributeError, KeyError)
"""What comes of something in the database that this product has never written."""
SUBJECT, ORIGIN = "subject", "origin"

Report = Callable[[int | None, Problem, str], None]
BaseAt = Callable[[int], bytes | None]
Erased = dict[tuple[str, int], Mapping[str, Any]]
"""Events by part and place."""

_SEAL = tuple(column.label(f"seal_{column.name}") for column in seals.c)


class Walk:
    """What is known of a chain after so many of its events."""

    def __init__(self, stream: str, report: Report, *, begin_after: int, hash_: bytes, base_at: BaseAt) -> None:
        """`base_at`: the hash of the checkpoint at a place, if the chain was deleted up to there meanwhile."""
        self.summary = StreamReport(stream)
        self.last = begin_after
        self.hash: bytes = hash_
        self.erased: Erased = {}
        """Places whose salt is gone."""
        self.listed: dict[tuple[str, int], str] = {}
        """Places that an erasure tells of, and the pseudonym that it put there."""
        self._stream = stream
        self._report = report
        self._base_at = base_at

    def step(self, row: Mapping[str, Any]) -> None:
        """Go on to the next event that is there."""
        sequence = row["seal_sequence"]
        follows = self._bridge(sequence)
        if self.summary.first is None:
            self.summary.first = sequence
        self.summary.last = sequence
        self.summary.events += 1
        try:
            self._check(row, sequence, follows)
        except UNREADABLE:
            self._report(sequence, Problem.ALTERED, f"the event {row['seal_event_id']} cannot be read")
        self.last = sequence
        self.hash = row["seal_hash"]

    def _bridge(self, sequence: int) -> bool:
        """Whether the seal before this one is known."""
        if sequence == self.last + 1:
            return True
        base = self._base_at(sequence - 1)
        if base is not None:
            self.hash = base
            return True
        gap = f"{self.last + 1}" if sequence == self.last + 2 else f"{self.last + 1} to {sequence - 1}"
        begins = self.summary.first is None and self.last == 0
        reason = "no checkpoint tells of their deletion" if begins else "deleted, or never sealed"
        self._report(self.last + 1, Problem.MISSING, f"no seals {gap}: {reason}")
        return False

    def _check(self, row: Mapping[str, Any], sequence: int, follows: bool) -> None:
        if row["id"] is None:
            self._report(sequence, Problem.MISSING, f"the event {row['seal_event_id']} was deleted")
            return
        altered = []
        for part, make in ((SUBJECT, subject_part), (ORIGIN, origin_part)):
            salt, digest = row[f"seal_{part}_salt"], row[f"seal_{part}_digest"]
            if salt is None:
                self.erased[part, sequence] = row
            elif not _same(make(row, salt), digest):
                altered.append(part)
        expected = seal_hash(
            self.hash, self._stream, sequence, row, row["seal_subject_digest"], row["seal_origin_digest"]
        )
        if follows and not hmac.compare_digest(expected, row["seal_hash"]):
            altered.append("seal")
        if row["stream"] != self._stream or row["sealed_at"] is None:
            altered.append("place")
        if altered:
            self._report(sequence, Problem.ALTERED, f"{_names(altered)} of the event {row['id']}")
        elif row["event"] == Event.AUDIT_ERASED:
            self.note_erasure(row)

    def note_erasure(self, row: Mapping[str, Any]) -> None:
        """Remember which places an erasure tells of. It speaks of what was before it: of where the walk has been."""
        self.summary.erasures += 1
        details = row["details"]
        if details.get("part") not in (SUBJECT, ORIGIN) or not str(row["user_id"]).startswith(PSEUDONYM_PREFIX):
            return
        for first, last in details.get("places", ()):
            # What lies before the beginning was deleted since.
            for place in range(max(first, self.summary.first or 1), min(last, self.last) + 1):
                self.listed[details["part"], place] = row["user_id"]


def is_pseudonymous(part: str, row: Mapping[str, Any], pseudonym: str) -> bool:
    """Whether an event says of an erased person exactly what an erasure leaves of them."""
    if part == SUBJECT:
        return bool(row["user_id"] == pseudonym) and all(row[name] == value for name, value in NO_SUBJECT.items())
    by_user = row["actor"].startswith(USER_PREFIX)
    return not (by_user and row["actor"] != USER_PREFIX + pseudonym) and all(
        row[name] == value for name, value in NO_ORIGIN.items()
    )


def rows_of(stream: str) -> Iterator[Mapping[str, Any]]:
    """The seals of a stream with their events, in order. What cannot be read comes as what is known of it."""
    last = None
    while True:
        page = _page(stream, last, PAGE)
        yield from page
        if len(page) < PAGE:
            return
        last = page[-1]["seal_sequence"]


def _page(stream: str, after: int | None, size: int) -> list[Mapping[str, Any]]:
    # First which, then what: a database that has no statistics yet would put all seals and all events together.
    which = _seals(stream, after, size).subquery()
    query = (
        select(*which.c, *events.c)
        .outerjoin_from(which, events, events.c.id == which.c.seal_event_id)
        .order_by(which.c.seal_sequence)
    )
    try:
        with reading() as connection:
            return [{str(name): value for name, value in row.items()} for row in connection.execute(query).mappings()]
    except (ValueError, TypeError):
        # Something that is no date, or no JSON. One at a time it is found out which.
        return _one_by_one(stream, after, size)


def _seals(stream: str, after: int | None, size: int) -> Select[Any]:
    query = select(*_SEAL).where(seals.c.stream == stream).order_by(seals.c.sequence).limit(size)
    return query if after is None else query.where(seals.c.sequence > after)


def _one_by_one(stream: str, after: int | None, size: int) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    with reading() as connection:
        for seal in connection.execute(_seals(stream, after, size)).mappings().all():
            one = select(*events.c).where(events.c.id == seal["seal_event_id"])
            event: Mapping[str, Any] | None
            try:
                event = _as_dict(connection.execute(one).mappings().one_or_none())
            except (ValueError, TypeError):
                event = {"id": seal["seal_event_id"]}
            found.append({**seal, **(event or {"id": None})})
    return found


def _as_dict(row: RowMapping | None) -> dict[str, Any] | None:
    return None if row is None else {str(name): value for name, value in row.items()}


def _same(part: Part, digest: Any) -> bool:
    return hmac.compare_digest(part.digest, digest)


def _names(parts: list[str]) -> str:
    return "the " + " and the ".join(parts)
