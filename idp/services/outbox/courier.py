"""Delivering what waits in the outbox. Any number of couriers may be at work, in any number of processes."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import structlog

from idp.core.errors import IdpError, Unavailable
from idp.core.events import Event
from idp.services.audit import AuditTrail
from idp.services.outbox.outbox import Message, Outbox

log = structlog.get_logger("idp.outbox")

BATCH = 20
"""Messages that are under way at the same time: one recipient who does not answer holds up no other."""


class NotDelivered(IdpError):
    """The recipient could not be reached, or did not accept the message. It is tried again later.

    `is_refusal`: it answered, and would not have the message; such a message is given up earlier.
    """

    def __init__(self, message: str, *, is_refusal: bool = False) -> None:
        super().__init__(message)
        self.is_refusal = is_refusal


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
            except Unavailable:
                raise  # our own trouble, and no attempt
            except Exception as error:
                outcome = self._settle(message, error)
                counts[outcome] = counts.get(outcome, 0) + 1
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
        if isinstance(error, Dropped):
            self._outbox.dropped(message, str(error))
            return "dropped"
        if not isinstance(error, IdpError):
            # A fault of ours must not keep the other messages from being delivered, nor be forgotten.
            log.error("a message could not be sent", message=message.id, kind=message.kind, exc_info=error)
        is_refusal = isinstance(error, NotDelivered) and error.is_refusal
        reason = str(error) or type(error).__name__
        if not self._outbox.not_delivered(message, reason, is_refusal=is_refusal):
            return "postponed"
        self._audit.record(
            Event.MESSAGE_FAILED,
            actor="system",
            client_id=message.recipient,
            kind=message.kind,
            message=message.id,
            reason=reason[:200],
        )
        return "failed"
