"""What must happen from time to time: expired records leave, signing keys move on. One process does it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from idp.core.clock import now
from idp.core.errors import Unavailable
from idp.core.randomness import new_id
from idp.engine.evidence import UntrustedStatement
from idp.services.audit import BrokenChain
from idp.web.provider import Provider

LEASE = "lease:maintenance"


class Lease:
    """The right to do maintenance, held by one process; it lapses by itself if the process dies."""

    def __init__(self, provider: Provider, seconds: int) -> None:
        self._store = provider.durable
        self._seconds = seconds
        self._holder = new_id().encode()

    def hold(self) -> bool:
        """Take or renew the lease; False if another process holds it."""
        return self._store.compare_and_set(
            LEASE, self._holder, self._holder, self._seconds
        ) or self._store.put_if_absent(LEASE, self._holder, self._seconds)

    def release(self) -> None:
        """Let another process have it at once."""
        if self._store.get(LEASE) == self._holder:
            self._store.delete(LEASE)


@contextmanager
def leased(provider: Provider, seconds: int) -> Iterator[Lease]:
    """A lease that is given back at the end, if the database still answers."""
    lease = Lease(provider, seconds)
    try:
        yield lease
    finally:
        with suppress(Unavailable):  # it lapses by itself
            lease.release()


def maintain(provider: Provider) -> dict[str, str]:
    """Do every task once; returns what each did, or why it could not. A task that fails stops no other."""
    at = now()
    tasks: dict[str, Callable[[], object]] = {
        "keys": lambda: provider.rotation.maintain(at),
        "audit heads": lambda: len(provider.evidence.sign_heads(at)),
        **provider.retention.tasks(at),
    }
    done: dict[str, str] = {}
    for name, task in tasks.items():
        try:
            result = task()
        except (Unavailable, BrokenChain, UntrustedStatement) as error:
            done[name] = f"not done: {error}"
            continue
        if result:
            done[name] = "moved on" if result is True else str(result)
    return done
