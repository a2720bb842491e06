"""Redis while it answers, the SQL database while it does not."""

import threading
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final, Literal, TypeVar

import structlog

from idp.core.errors import ConfigurationError, Unavailable
from idp.storage.ephemeral.protocol import EphemeralStore, NoAnswer, OutcomeUnknown

RETRY_AFTER_SECONDS = 2.0
DOUBT_SECONDS = 5.0
"""How long a primary that does not answer in time counts as busy, and not as gone."""
LOOK_SECONDS = 0.5
"""How long somebody may wait to hear from another thread whether the primary is back."""
AFTERMATH_SECONDS = 3600
MAX_VOID_KEYS = 50_000

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")


class _Down(Enum):
    """The answer of a primary that gave none."""

    DOWN = "down"


DOWN: Final = _Down.DOWN


class FallbackStore:
    """An `EphemeralStore` that survives the loss of its primary.

    A value lives in one store or the other, never in both: it goes to the secondary only if the primary
    certainly did not take it. If the primary falls silent in the middle of a change, nobody can know
    whether it was made; that one call raises OutcomeUnknown, and those after it use the secondary.

    What the primary does not have is looked up in the secondary, always, because another process may have
    lost its way to the primary while this one had not. What was in a primary that cannot be reached is
    absent; but while the primary is only late nobody can know, and Unavailable is raised. What is changed in
    the meantime is removed from the primary before it is used again, so that nothing old comes back.

    `put_if_absent` is decided in the secondary even while the primary is well: a replay must not be accepted
    because the primary forgot. Do not `put` a key that is also used with `put_if_absent`.
    """

    def __init__(
        self,
        primary: EphemeralStore,
        secondary: EphemeralStore,
        retry_after: float = RETRY_AFTER_SECONDS,
        doubt: float = DOUBT_SECONDS,
    ) -> None:
        """`retry_after`: seconds for which a primary that failed is left alone; `doubt`: for which it may be late."""
        self._primary = primary
        self._secondary = secondary
        self._breaker = _Breaker(primary, retry_after, doubt)

    @property
    def is_degraded(self) -> bool:
        """True while the primary is not used."""
        return self._breaker.is_open

    def put(self, key: str, value: bytes, ttl: int) -> None:
        """See `EphemeralStore.put`."""
        if self._breaker.was_open_lately:
            self._secondary.delete(key)
        if self._ask(lambda store: store.put(key, value, ttl)) is DOWN:
            self._breaker.void(key)
            self._secondary.put(key, value, ttl)

    def put_if_absent(self, key: str, value: bytes, ttl: int) -> bool:
        """See `EphemeralStore.put_if_absent`."""
        if self._ask(lambda store: store.get(key), repeatable=True) not in (None, DOWN):
            return False
        return self._secondary.put_if_absent(key, value, ttl)

    def get(self, key: str) -> bytes | None:
        """See `EphemeralStore.get`."""
        value = self._ask(lambda store: store.get(key), repeatable=True)
        if value is not None and value is not DOWN:
            return value
        found = self._secondary.get(key)
        if found is not None or value is None:
            return found
        if self._breaker.recovers_now():
            # Another process may be using the primary again already: look there before saying no.
            value = self._ask(lambda store: store.get(key), repeatable=True)
        if value is DOWN and self._breaker.is_in_doubt:
            raise Unavailable("the value may be in a store that is late")
        return None if value is DOWN else value

    def take(self, key: str) -> bytes | None:
        """See `EphemeralStore.take`."""
        value = self._ask(lambda store: store.take(key))
        if value is DOWN:
            self._breaker.void(key)
        return self._secondary.take(key) if value is None or value is DOWN else value

    def compare_and_set(self, key: str, expected: bytes, value: bytes, ttl: int) -> bool:
        """See `EphemeralStore.compare_and_set`.

        Raises Unavailable if the value is out of reach: whoever replaces one has just read it, and to say that it was
        changed meanwhile would be a guess.
        """
        replaced = self._ask(lambda store: store.compare_and_set(key, expected, value, ttl))
        if replaced is True:
            return True
        if self._secondary.compare_and_set(key, expected, value, ttl):
            if replaced is DOWN:
                self._breaker.void(key)
            return True
        if replaced is DOWN and self._secondary.get(key) is None:
            raise Unavailable("the value to replace cannot be reached")
        return False

    def delete(self, key: str) -> None:
        """See `EphemeralStore.delete`."""
        # `take` tells whether the value was there, which spares the secondary most of the time.
        removed = self._ask(lambda store: store.take(key), repeatable=True)
        if removed is DOWN:
            self._breaker.void(key)
        if removed is None or removed is DOWN:
            self._secondary.delete(key)

    def increment(self, key: str, ttl: int) -> int:
        """See `EphemeralStore.increment`. What was counted in the primary is not counted while it is away."""
        count = self._ask(lambda store: store.increment(key, ttl), repeatable=True)
        if count is DOWN:
            return self._secondary.increment(key, ttl)
        if not self._breaker.was_open_lately:
            return count
        return count + int(self._secondary.get(key) or 0)

    def forget(self, fragments: Sequence[bytes]) -> int:
        """See `EphemeralStore.forget`. What is in a primary that is away expires there."""
        removed = self._ask(lambda store: store.forget(fragments), repeatable=True)
        return self._secondary.forget(fragments) + (0 if removed is DOWN else removed)

    def purge(self) -> int:
        """See `EphemeralStore.purge`."""
        return self._secondary.purge()

    def ping(self) -> None:
        """Raise Unavailable if the secondary does not answer: without the primary we can work."""
        self._secondary.ping()

    def _ask(self, question: Callable[[EphemeralStore], _T], *, repeatable: bool = False) -> _T | Literal[_Down.DOWN]:
        """What the primary answers, or DOWN if it certainly changed nothing.

        `repeatable` says that it does no harm if the primary did change something.
        """
        if not self._breaker.allows():
            return DOWN
        try:
            return question(self._primary)
        except OutcomeUnknown as error:
            self._breaker.open(error)
            if repeatable:
                return DOWN
            raise
        except Unavailable as error:
            self._breaker.open(error)
            return DOWN


class _Breaker:
    """Keeps callers away from a primary that failed, and brings it back in a clean state."""

    def __init__(self, primary: EphemeralStore, retry_after: float, doubt: float) -> None:
        self._primary = primary
        self._retry_after = retry_after
        self._doubt = doubt
        self._lock = threading.Lock()
        self._probe = threading.Lock()
        self._looks = 0
        self._void: dict[str, None] = {}
        self._next_try = 0.0
        self._aftermath_ends = 0.0
        self._doubt_ends = 0.0
        self.is_open = False

    @property
    def is_in_doubt(self) -> bool:
        """True while the primary is late, and not for so long that it must be gone."""
        return self.is_open and time.monotonic() < self._doubt_ends

    @property
    def was_open_lately(self) -> bool:
        """True if the secondary may hold values that were put there instead of into the primary."""
        return time.monotonic() < self._aftermath_ends

    def allows(self) -> bool:
        """True if the primary is to be asked. Now and then one caller finds out whether it is back."""
        if not self.is_open:
            return True
        return time.monotonic() >= self._next_try and self.recovers_now(patience=0)

    def recovers_now(self, patience: float = LOOK_SECONDS) -> bool:
        """Find out at once whether the primary is back. One caller looks; others wait for what it finds, in seconds."""
        if not self.is_open:
            return True
        looks = self._looks
        if not self._probe.acquire(timeout=patience):
            return False
        try:
            if self._looks == looks and self.is_open:
                self._recover()
                self._looks += 1
            return not self.is_open
        finally:
            self._probe.release()

    def open(self, reason: Exception) -> None:
        """Leave the primary alone for a while."""
        with self._lock:
            instant = time.monotonic()
            self._next_try = instant + self._retry_after
            self._aftermath_ends = instant + AFTERMATH_SECONDS
            was_open, self.is_open = self.is_open, True
            if not _is_late(reason):
                self._doubt_ends = 0.0
            elif not was_open:
                self._doubt_ends = instant + self._doubt
        if not was_open:
            _log.warning("ephemeral store degraded to SQL", reason=str(reason))

    def void(self, key: str) -> None:
        """Have the primary forget the key before it is used again."""
        with self._lock:
            if self.is_open:
                self._void[key] = None
                if len(self._void) > MAX_VOID_KEYS:
                    # The oldest one: its value in the primary is the likeliest to have expired.
                    del self._void[next(iter(self._void))]
                return
        # It came back between our question and now.
        try:
            self._primary.delete(key)
        except Unavailable as error:
            self.open(error)
            self.void(key)

    def _recover(self) -> None:
        try:
            self._primary.ping()
            while not self._close_if_clean():
                for key in list(self._void):
                    self._primary.delete(key)
                    with self._lock:
                        self._void.pop(key, None)
        except (Unavailable, ConfigurationError) as error:
            _log.warning("ephemeral store stays degraded", reason=str(error))
            with self._lock:
                self._next_try = time.monotonic() + self._retry_after
                if not _is_late(error):
                    self._doubt_ends = 0.0
            return
        _log.info("ephemeral store uses its primary again")

    def _close_if_clean(self) -> bool:
        with self._lock:
            if self._void:
                return False
            self.is_open = False
            self._aftermath_ends = time.monotonic() + AFTERMATH_SECONDS
            return True


def _is_late(error: Exception) -> bool:
    return isinstance(error, NoAnswer) and error.is_late
