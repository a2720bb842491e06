"""Taking a person out of the trail and leaving what happened.

Their parts of each event are replaced, and the salts of these parts forgotten (see `chain`). Whoever forged an event
could call it an erasure; therefore an erasure is an event itself, which lists the places in the chain that it changed.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, literal_column, or_, select, update

from idp.core.randomness import new_token
from idp.services.audit.chain import USER_PREFIX
from idp.services.audit.sealing import events, seals
from idp.storage.tables.audit import ACTED_ON_ANOTHER

PSEUDONYM_PREFIX: Final = "erased-"
_RUNS_PER_EVENT = 500
"""Runs of places that one event of erasure lists."""

NO_SUBJECT: Final[dict[str, Any]] = {"session_id": None, "details": {}}
NO_ORIGIN: Final[dict[str, Any]] = {"ip_address": None, "user_agent": None, "request_id": None}

Runs = list[list[int]]
"""Places in a chain: the first and the last of each run."""


def new_pseudonym() -> str:
    """A name that says nothing but that it is one."""
    return PSEUDONYM_PREFIX + new_token(128)


def by_or_about(user_id: str) -> ColumnElement[bool]:
    """The events about a user, and those of what they did to others."""
    return or_(
        events.c.user_id == user_id,
        # In these very words, or the databases do not recognise their index.
        (events.c.actor == USER_PREFIX + user_id) & literal_column(f"({ACTED_ON_ANOTHER})"),
    )


class Erased:
    """What an erasure changed: how many events, and where in each stream."""

    def __init__(self, found: Sequence[Any], user_id: str) -> None:
        own = USER_PREFIX + user_id
        self.event_ids = [row.id for row in found]
        self.subjects = [row for row in found if row.user_id == user_id]
        self.origins = [row for row in found if row.actor == own or (row.user_id == user_id and _may_be(row.actor))]

    def lists(self) -> Iterator[dict[str, Any]]:
        """The details of the events that tell of it, each of a bearable length."""
        for part, rows in (("subject", self.subjects), ("origin", self.origins)):
            for stream in sorted({row.stream for row in rows}):
                runs = runs_of(row.sequence for row in rows if row.stream == stream and row.sequence is not None)
                for start in range(0, len(runs), _RUNS_PER_EVENT):
                    yield {"stream": stream, "part": part, "places": runs[start : start + _RUNS_PER_EVENT]}


def erase(connection: Connection, user_id: str, pseudonym: str) -> Erased:
    """Put the pseudonym in the person's place in every event, sealed or not; within the caller's transaction."""
    # The lock waits for a sealer, and lets none come between; only then is it known what is sealed.
    connection.execute(select(events.c.id).where(by_or_about(user_id)).order_by(events.c.id).with_for_update()).all()
    found = connection.execute(
        select(events.c.id, events.c.user_id, events.c.actor, events.c.stream, seals.c.sequence)
        .outerjoin_from(events, seals, seals.c.event_id == events.c.id)
        .where(by_or_about(user_id))
    ).all()
    erased = Erased(found, user_id)
    actor = USER_PREFIX + user_id
    for rows, salt, values in (
        (erased.origins, "origin_salt", NO_ORIGIN),
        (erased.subjects, "subject_salt", {"user_id": pseudonym, **NO_SUBJECT}),
    ):
        for ids in _portions([row.id for row in rows]):
            connection.execute(update(events).where(events.c.id.in_(ids)).values(values))
            connection.execute(update(seals).where(seals.c.event_id.in_(ids)).values({salt: None}))
    for ids in _portions([row.id for row in erased.origins if row.actor == actor]):
        connection.execute(update(events).where(events.c.id.in_(ids)).values(actor=USER_PREFIX + pseudonym))
    return erased


def _may_be(actor: str) -> bool:
    """Whether an event came from the person's own device, if it is about them and names no user as its actor.

    What an operator did to them came from elsewhere; what an application did may be one that runs in their browser.
    """
    return actor == "anonymous" or actor.startswith("client:")


def runs_of(places: Iterable[int]) -> Runs:
    """Numbers as runs without gaps, in order."""
    runs: Runs = []
    for place in sorted(places):
        if runs and runs[-1][1] == place - 1:
            runs[-1][1] = place
        else:
            runs.append([place, place])
    return runs


def _portions(ids: Sequence[str], size: int = 500) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
