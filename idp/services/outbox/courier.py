"""Delivering what waits in the outbox. Any number of couriers may be at work, in any number of processes."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

import structlog

from idp.core.errors import IdpError, Unavailable
from idp.core.events import Event
from idp.services.audit import AuditTrail
from idp.services.outbox.outbox import LEASE, Message, Outbox
from idp.storage.db import transaction

log = structlog.get_logger("idp.outbox")

MOST_AT_ONCE = 32
"""Messages of a kind that are under way at the same time, few of them to the same recipient."""
LOOK_SECONDS = 1.0
"""Between two looks for what has become due while others are under way."""


class NotDelivered(IdpError):
    """The recipient could not be reached, or did not accept the message. It is tried again later.

    `is_refusal`: it answered, and would not have the message; such a message is given up earlier.
    """

    def __init__(self, message: str, *, is_refusal: bool = False) -> None:
        super().__init__(message)
        self.is_refusal = is_refusal


class Dropped(IdpError):
    """Nobody wants the message any more."""


Send: TypeAlias = Callable[[], None]
"""Raises NotDelivered."""
Handler: TypeAlias = Callable[[Message], Send]
"""Makes ready what is to be sent, in the caller's thread with its database, and returns the sending itself, which may
take its time in a thread without one. Raises Dropped or NotDelivered, and Unavailable if the database is away."""


@dataclass(frozen=True, slots=True)
class Channel:
    """How messages of one kind travel."""

    prepare: Handler
    to_clients: bool = False
    """The recipient is a client, and not a person's address."""
    forgets: bool = False
    """What was said is not kept once it has arrived: mail carries codes and links."""
    at_once: int = MOST_AT_ONCE
    """A lane for each kind: while one channel is slow, the others are not."""
    lease: timedelta = LEASE
    """Longer than the sending can take, or the message would be sent a second time meanwhile."""


class Courier:
    """Takes messages out of the outbox and hands each to the channel of its kind. For one thread at a time."""

    def __init__(self, outbox: Outbox, audit: AuditTrail, channels: Mapping[str, Channel]) -> None:
        self._outbox = outbox
        self._audit = audit
        self._channels = dict(channels)
        self._failing: set[str] = set()  # the recipients whose last message did not arrive
        self._unwritten: list[tuple[Message, BaseException | None]] = []  # what the database was away for

    def deliver(self, is_over: Callable[[], bool] = lambda: False) -> dict[str, int]:
        """Try what is due until nothing is, or `is_over`; returns how many were delivered, postponed, failed, dropped.

        Raises Unavailable if the database is away. What was sent meanwhile is not sent again: this courier remembers,
        and writes it down the next time.
        """
        counts: Counter[str] = Counter()
        under_way: dict[Future[None], Message] = {}
        with ThreadPoolExecutor(sum(channel.at_once for channel in self._channels.values())) as threads:
            try:
                while True:
                    self._write_down(counts)
                    claimed = [] if is_over() else self._claim(under_way.values())
                    if not claimed and not under_way:
                        return dict(counts)
                    for message, send in self._ready(claimed, counts):
                        under_way[threads.submit(send)] = message
                    self._take_in(under_way, 0 if claimed else LOOK_SECONDS, FIRST_COMPLETED)
            finally:
                self._take_in(under_way, None, ALL_COMPLETED)

    def _take_in(self, under_way: dict[Future[None], Message], seconds: float | None, until: str) -> None:
        """Wait for what is under way, and remember what became of it."""
        done, _ = wait(under_way, seconds, until)
        self._unwritten += [(under_way.pop(sent), sent.exception()) for sent in done]

    def _write_down(self, counts: Counter[str]) -> None:
        while self._unwritten:
            message, error = self._unwritten[0]
            outcome = self._settle(message, error)
            del self._unwritten[0]
            counts[outcome] += 1
            if self._channels[message.kind].to_clients:
                (self._failing.discard if outcome == "delivered" else self._failing.add)(message.recipient)

    def _claim(self, under_way: Collection[Message]) -> list[Message]:
        """What there is room for in each lane. Kinds that this release does not know wait for one that does."""
        return [
            message
            for kind, channel in self._channels.items()
            for message in self._claim_of(kind, channel, [other for other in under_way if other.kind == kind])
        ]

    def _claim_of(self, kind: str, channel: Channel, under_way: Collection[Message]) -> list[Message]:
        """Nothing more for who has not answered yet.

        Whoever did not take the last message comes after the others, and half of the room at most is theirs.
        """
        busy = {message.recipient for message in under_way}
        room = channel.at_once - len(under_way)
        claimed = self._outbox.claim(kind, room, busy | self._failing, channel.lease)
        if not self._failing:
            return claimed
        theirs = sum(message.recipient in self._failing for message in under_way)
        spare = min(room - len(claimed), max(channel.at_once // 2, 1) - theirs)
        also_busy = busy | {message.recipient for message in claimed}
        return claimed + self._outbox.claim(kind, spare, also_busy, channel.lease)

    def _ready(self, claimed: Sequence[Message], counts: Counter[str]) -> Iterator[tuple[Message, Send]]:
        """What is to be sent; what cannot be made ready is settled and counted at once. Raises Unavailable."""
        for number, message in enumerate(claimed):
            try:
                send = self._channels[message.kind].prepare(message)
            except Unavailable:
                # Our own trouble, and no attempt. If not even that can be written, the attempt counts.
                with suppress(Unavailable):
                    self._outbox.give_back(claimed[number:])
                raise
            except Exception as error:
                counts[self._settle(message, error)] += 1
            else:
                yield message, send

    def _settle(self, message: Message, error: BaseException | None) -> str:
        channel = self._channels[message.kind]
        if error is None:
            self._outbox.delivered(message, forget=channel.forgets)
            return "delivered"
        if isinstance(error, Dropped):
            self._outbox.dropped(message, str(error), forget=channel.forgets)
            return "dropped"
        if not isinstance(error, IdpError):
            # A fault of ours must not keep the other messages from being delivered, nor be forgotten.
            log.error("a message could not be sent", message=message.id, kind=message.kind, exc_info=error)
        is_refusal = isinstance(error, NotDelivered) and error.is_refusal
        reason = str(error) or type(error).__name__
        with transaction():
            if not self._outbox.not_delivered(message, reason, is_refusal=is_refusal):
                return "postponed"
            self._audit.record(
                Event.MESSAGE_FAILED,
                actor="system",
                user_id=message.user_id,
                client_id=message.recipient if channel.to_clients else None,
                kind=message.kind,
                message=message.id,
                reason=reason[:200],
            )
        return "failed"
