"""How much one visitor may leave unfinished in the ephemeral store before anybody has proven who they are.

Beginning a sign-in costs a stranger one request and us a record that lives for a while. A visitor may have begun
`limit` of them more than were finished, in windows of a fixed length; a sign-in that succeeds is given back.
"""

from idp.core.clock import now, timestamp
from idp.core.errors import TooMany
from idp.services.limits.addresses import address_group
from idp.storage.ephemeral import EphemeralStore


class Pending:
    """Counts what was begun and not finished. Each change is one atomic step of the store, shared by all processes.

    A window begins at a fixed time, so that what was begun and what was finished in it are forgotten together.
    """

    def __init__(self, store: EphemeralStore, limit: int, window: int) -> None:
        """`limit`: unfinished ones in a window that are let be; `window` is in seconds."""
        self._store = store
        self._limit = limit
        self._window = window

    def begin(self, kind: str, visitor: str | None) -> str | None:
        """Count one more of a kind; the ticket to give to `finished`. Raises TooMany.

        None if the visitor is not known by anything: strangers who cannot be told apart would lock one another out.
        """
        if visitor is None:
            return None
        window, elapsed = divmod(timestamp(now()), self._window)
        ticket = f"pending:{kind}:{visitor}:{window}"
        # Only a visitor who has begun many costs a second look.
        if self._store.increment(ticket, self._window) > self._limit and self._unfinished(ticket) > self._limit:
            self.finished(ticket)
            is_first = self._store.increment(f"{ticket}:refused", self._window) == 1
            raise TooMany(self._window - elapsed, is_first=is_first)
        return ticket

    def finished(self, ticket: str) -> None:
        """Give back what `begin` counted, exactly once."""
        self._store.increment(_finished_key(ticket), self._window)

    def _unfinished(self, ticket: str) -> int:
        # In this order: what ends between the two questions counts as open, and never less than there is.
        finished = int(self._store.get(_finished_key(ticket)) or 0)
        return int(self._store.get(ticket) or 0) - finished


def visitor_at(address: str | None) -> str | None:
    """The visitor that a network address stands for; None where there is none."""
    return f"address:{address_group(address)}" if address else None


def _finished_key(ticket: str) -> str:
    return f"{ticket}:finished"
