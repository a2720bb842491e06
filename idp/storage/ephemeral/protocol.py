"""What the product needs from a store of short-lived values."""

from collections.abc import Sequence
from typing import Protocol

from idp.core.errors import Unavailable


class NoAnswer(Unavailable):
    """The store cannot be asked, and nothing was changed. `is_late`: it may be well, and only busy."""

    def __init__(self, message: str, *, is_late: bool = False) -> None:
        super().__init__(message)
        self.is_late = is_late


class OutcomeUnknown(NoAnswer):
    """The store fell silent after it was asked: the change may or may not have been made."""


class EphemeralStore(Protocol):
    """Short-lived values: Interactions, authorization codes, replay markers.

    Implemented on Redis and on the SQL database; `tests/conformance` runs one suite on each. Every method
    is atomic among all processes that share the store. `ttl` is in whole seconds, at least 1. An expired
    value is absent, whether or not it has been purged. Keys are ASCII, `kind:identifier`, up to 200
    characters. Every method raises `idp.core.errors.Unavailable` if the store cannot answer, and its subclass
    `OutcomeUnknown` if it fell silent in the middle of a change.

    The SQL database may be behind it, so a method that changes something is an error inside `reading()`.
    Inside `transaction()` such a change is undone with it in SQL, and not in Redis.
    """

    def put(self, key: str, value: bytes, ttl: int) -> None:
        """Store `value`, replacing what was there."""
        ...

    def put_if_absent(self, key: str, value: bytes, ttl: int) -> bool:
        """Store `value` unless the key is present; True if stored. The replay check of `jti` and the like."""
        ...

    def get(self, key: str) -> bytes | None:
        """The value, or None."""
        ...

    def take(self, key: str) -> bytes | None:
        """Remove and return the value: of any number of parallel callers, one gets it."""
        ...

    def compare_and_set(self, key: str, expected: bytes, value: bytes, ttl: int) -> bool:
        """Replace the value if it still equals `expected`; True if replaced."""
        ...

    def delete(self, key: str) -> None:
        """Remove the value if present."""
        ...

    def increment(self, key: str, ttl: int) -> int:
        """Add one to a counter and return it. The first starts the `ttl`; later ones do not extend it."""
        ...

    def forget(self, fragments: Sequence[bytes]) -> int:
        """Remove what has one of these byte strings in its key or value; returns how many values.

        Looks at everything there is: for rare occasions, such as erasing a person.
        """
        ...

    def purge(self) -> int:
        """Delete expired values; returns how many. Nothing to do where the store expires by itself."""
        ...

    def ping(self) -> None:
        """Raise Unavailable if the store does not answer."""
        ...
