"""Messages that wait to be delivered, each written in the transaction that decided it: both happen, or neither."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Row, Table, bindparam, case, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from idp.core.clock import now
from idp.core.errors import NotFound
from idp.core.randomness import new_id
from idp.storage.batches import delete_in_batches
from idp.storage.db import reading, transaction
from idp.storage.tables import OutboxMessage

BACKOFF: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 7200, 21600))
"""Waits after the first, second, … attempt that failed. After the last of them the message is given up."""
MOST_REFUSALS: Final = 3
"""Attempts with a recipient that answers and will not have the message. More than one: keys and clocks come right."""
LEASE: Final = timedelta(seconds=60)
"""How long a courier may take for one message before another one tries, unless its kind takes longer."""
MOST_FOR_ONE: Final = 4
"""Messages that are claimed at once for the same recipient: who is slow or silent leaves room for the others."""
STATES: Final = ("waiting", "delivered", "failed", "dropped")
LONGEST_ERROR: Final = 500
NO_ACCOUNT: Final = "(no account)"
"""Stands for the recipient of a delivered mail that concerned nobody known."""
_CONSIDERED: Final = 500
"""The oldest messages that are due, among which the recipients take turns. A bound for the work of one claim."""

_table = cast(Table, OutboxMessage.__table__)
_c = _table.c


@dataclass(frozen=True, slots=True)
class Message:
    """A message as of one moment."""

    id: str
    kind: str
    recipient: str
    user_id: str | None
    payload: dict[str, Any]
    sealed_payload: bytes | None
    state: str
    attempts: int
    last_error: str | None
    created_at: datetime
    next_attempt_at: datetime | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages of a kind that have not arrived."""

    kind: str
    failed: int
    waiting: int
    oldest_at: datetime | None
    """When the first of those was written that wait."""


class Outbox:
    """Storage of messages, and the right to deliver them."""

    def put(self, kind: str, recipients: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Write one message for each (recipient, payload) in the open transaction."""
        if not recipients:
            return
        at = now()
        common = {"kind": kind, "state": "waiting", "attempts": 0, "created_at": at, "next_attempt_at": at}
        with transaction() as connection:
            connection.execute(
                insert(_table),
                [{**common, "id": new_id(), "recipient": who, "payload": payload} for who, payload in recipients],
            )

    def put_sealed(
        self, kind: str, recipient: str, sealed: bytes, *, message_id: str, user_id: str | None = None
    ) -> bool:
        """Write one message that has an identifier already, in the open transaction. False if it is there already."""
        at = now()
        with transaction() as connection:
            written = connection.execute(
                _PUT_ONCE[connection.dialect.name].values(
                    id=message_id,
                    kind=kind,
                    recipient=recipient,
                    user_id=user_id,
                    payload={},
                    sealed_payload=sealed,
                    state="waiting",
                    attempts=0,
                    created_at=at,
                    next_attempt_at=at,
                )
            )
        return bool(written.rowcount)

    def adopt(self, recipient: str, user_id: str) -> None:
        """Whatever was written to this recipient, and was nobody's yet, is this user's from now on."""
        nobodys = (_c.recipient == recipient, _c.user_id.is_(None))
        with transaction() as connection:
            connection.execute(update(_table).where(*nobodys).values(user_id=user_id))

    def claim(self, kind: str, limit: int, busy: Collection[str] = (), lease: timedelta = LEASE) -> list[Message]:
        """Take up to `limit` messages that are due, few for each recipient and none for those who are `busy`.

        For the length of the `lease` nobody else gets them. Counts the attempt. Asks first and claims then, so that an
        empty outbox costs no write.
        """
        if limit <= 0:
            return []
        at = now()
        values = {"wanted_kind": kind, "now": at, "busy": [*busy]}
        with reading() as connection:
            if connection.execute(_ANY_DUE, values).first() is None:
                return []
        with transaction() as connection:
            claimed = connection.execute(_CLAIM, {**values, "most": limit, "until": at + lease})
            return sorted((_message(row) for row in claimed), key=lambda message: message.created_at)

    def give_back(self, messages: Sequence[Message]) -> None:
        """Undo the claim of messages that nobody tried to deliver: they are due, and the attempt does not count."""
        claimed = (_c.id.in_([message.id for message in messages]), _c.state == "waiting")
        with transaction() as connection:
            connection.execute(update(_table).where(*claimed).values(next_attempt_at=now(), attempts=_c.attempts - 1))

    def delivered(self, message: Message, *, forget: bool = False) -> None:
        """It arrived. With `forget` what it said is not kept."""
        self._settle(message, "delivered", None, **_forgetting(forget))

    def dropped(self, message: Message, reason: str, *, forget: bool = False) -> None:
        """Nobody wants it any more. With `forget` what it said is not kept."""
        self._settle(message, "dropped", reason, **_forgetting(forget))

    def not_delivered(self, message: Message, error: str, *, is_refusal: bool = False) -> bool:
        """It did not arrive: try again later, or give it up. True if it is given up.

        Whose lease has ended meanwhile has no say any more: another courier has it under way.
        """
        held = _c.attempts == message.attempts
        if message.attempts > len(BACKOFF) or (is_refusal and message.attempts >= MOST_REFUSALS):
            return self._settle(message, "failed", error, held)
        values = {"next_attempt_at": now() + BACKOFF[message.attempts - 1], "last_error": _legible(error)}
        with transaction() as connection:
            connection.execute(update(_table).where(_c.id == message.id, _c.state == "waiting", held).values(**values))
        return False

    def retry(self, message_id: str) -> None:
        """Try a message that was given up again from the start. Raises NotFound."""
        if not self._retry(_c.id == message_id):
            raise NotFound("there is no such message that was given up")

    def retry_all(self, kind: str) -> int:
        """Try all messages of a kind that were given up again from the start; returns how many."""
        return self._retry(_c.kind == kind)

    @staticmethod
    def _retry(condition: ColumnElement[bool]) -> int:
        values = {"state": "waiting", "attempts": 0, "next_attempt_at": now(), "settled_at": None}
        with transaction() as connection:
            failed = (condition, _c.state == "failed")
            return connection.execute(update(_table).where(*failed).values(**values)).rowcount

    def get(self, message_id: str) -> Message | None:
        """The message of that identifier."""
        with reading() as connection:
            row = connection.execute(select(*(_c[name] for name in _COLUMNS)).where(_c.id == message_id)).first()
        return None if row is None else _message(row)

    def backlogs(self) -> list[Backlog]:
        """What has not arrived, by kind."""
        query = (
            select(
                _c.kind,
                func.count().filter(_c.state == "failed").label("failed"),
                func.count().filter(_c.state == "waiting").label("waiting"),
                func.min(_c.created_at).filter(_c.state == "waiting").label("oldest_at"),
            )
            .where(_c.state.in_(("failed", "waiting")))
            .group_by(_c.kind)
            .order_by(_c.kind)
        )
        with reading() as connection:
            return [Backlog(**row._mapping) for row in connection.execute(query)]

    def list(
        self, limit: int, state: str | None = None, recipient: str | None = None, kind: str | None = None
    ) -> list[Message]:
        """The newest messages first, optionally of one state, one kind or for one recipient."""
        wanted = {"state": state, "recipient": recipient, "kind": kind}
        query = (
            select(*(_c[name] for name in _COLUMNS))
            .where(*(_c[name] == value for name, value in wanted.items() if value is not None))
            .order_by(_c.created_at.desc(), _c.id.desc())
            .limit(limit)
        )
        with reading() as connection:
            return [_message(row) for row in connection.execute(query)]

    def purge(self, before: datetime) -> int:
        """Delete messages that were settled before that instant, in small transactions; returns how many."""
        return delete_in_batches(_table, _c.settled_at < before)

    @staticmethod
    def _settle(message: Message, state: str, error: str | None, *held: ColumnElement[bool], **others: Any) -> bool:
        """Write what became of it; False if that is known already."""
        values = {
            "state": state,
            "last_error": None if error is None else _legible(error),
            "next_attempt_at": None,
            "settled_at": now(),
            **others,
        }
        with transaction() as connection:
            waiting = (_c.id == message.id, _c.state == "waiting", *held)
            return bool(connection.execute(update(_table).where(*waiting).values(**values)).rowcount)


def _legible(error: str) -> str:
    """In one line, and without characters that no database or terminal takes: others have had a say in it (WB3)."""
    return "".join(character if character.isprintable() else " " for character in error)[:LONGEST_ERROR]


def _forgetting(forget: bool) -> dict[str, Any]:
    """What was said goes; with it the address of whoever has no account, of whom nothing is to stay."""
    if not forget:
        return {}
    recipient = case((_c.user_id.is_(None), NO_ACCOUNT), else_=_c.recipient)
    return {"payload": {}, "sealed_payload": None, "recipient": recipient}


_PUT_ONCE: Final = {
    "postgresql": postgresql.insert(_table).on_conflict_do_nothing(index_elements=[_c.id]),
    "sqlite": sqlite.insert(_table).on_conflict_do_nothing(index_elements=[_c.id]),
}
_COLUMNS: Final = tuple(Message.__slots__)
_DUE: Final = _c.next_attempt_at <= bindparam("now")
_WANTED: Final = (_c.kind == bindparam("wanted_kind"), _DUE, _c.recipient.not_in(bindparam("busy", expanding=True)))
_ANY_DUE: Final = select(_c.id).where(*_WANTED).limit(1)
_OLDEST: Final = (
    select(_c.id, _c.recipient, _c.next_attempt_at)
    .where(*_WANTED)
    .order_by(_c.next_attempt_at)
    .limit(_CONSIDERED)
    .subquery()
)
_TURNS: Final = select(
    _OLDEST.c.id,
    func.row_number().over(partition_by=_OLDEST.c.recipient, order_by=_OLDEST.c.next_attempt_at).label("turn"),
).subquery()
# Messages that another courier is claiming at this moment are left to it, and those that it has claimed meanwhile.
_CHOSEN: Final = (
    select(_c.id)
    .join(_TURNS, _TURNS.c.id == _c.id)
    .where(_DUE, _TURNS.c.turn <= MOST_FOR_ONE)
    .order_by(_TURNS.c.turn, _c.next_attempt_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True, of=_table)
    .cte("chosen")
)
_CLAIM: Final = (
    update(_table)
    .where(_c.id.in_(select(_CHOSEN.c.id)))
    .values(next_attempt_at=bindparam("until"), attempts=_c.attempts + 1)
    .returning(*(_c[name] for name in _COLUMNS))
)


def _message(row: Row[Any]) -> Message:
    return Message(**row._mapping)
