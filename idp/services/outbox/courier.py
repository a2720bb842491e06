"""Delivering what waits in the outbox. Any number of couriers may be at work, in any number of processes."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from idp.core.errors import IdpError
from idp.core.events import Event
from idp.services.audit import AuditTrail
from idp.services.outbox.outbox import Message, Outbox

BATCH = 20
"""Messages that are under way at the same time: one recipient who does not answer holds up no other."""


class NotDelivered(IdpError):
    """The recipient could not be reached, or did not accept the message. It is tried again later."""


class Dropped(IdpError):
    """Nobody wants the message any more."""


Handler: TypeAlias = Callable[[Message], Callable[[], None]]
"""Makes ready what is to be sent, in the caller's thread with its database, and returns the sending itself, which may
take its time in a thread without one. Raises Dropped; the sending raises NotDelivered."""


class Courier:
    """Takes messages out of the outbox and hands each to the handler of its kind."""

    def __init__(self, outbox: Outbox, audit: AuditTrail, handlers: Mapping[str, Handler]) -> None:
        self._outbox = outbox
        self._audit = audit
        self._handlers = dict(handlers)

    def deliver(self) -> dict[str, int]:
        """Try what is due, once; returns how many messages were delivered, postponed, failed and dropped."""
        counts: dict[str, int] = {}
        messages = self._outbox.claim(BATCH)
        if not messages:
            return counts
        ready: list[tuple[Message, Callable[[], None]]] = []
        for message in messages:
            try:
                ready.append((message, self._handlers[message.kind](message)))
            except Dropped as reason:
                self._outbox.dropped(message, str(reason))
                counts["dropped"] = counts.get("dropped", 0) + 1
        with ThreadPoolExecutor(max_workers=max(1, len(ready))) as threads:
            under_way = [(message, threads.submit(send)) for message, send in ready]
        for message, sent in under_way:
            outcome = self._settle(message, sent.exception())
            counts[outcome] = counts.get(outcome, 0) + 1
        return counts

    def _settle(self, message: Message, error: BaseException | None) -> str:
        if error is None:
            self._outbox.delivered(message)
            return "delivered"
        if not isinstance(error, NotDelivered):
            raise error
        if not self._outbox.not_delivered(message, str(error)):
            return "postponed"
        self._audit.record(
            Event.MESSAGE_FAILED,
            actor="system",
            client_id=message.recipient,
            kind=message.kind,
            message=message.id,
            reason=str(error)[:200],
        )
        return "failed"
