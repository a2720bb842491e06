"""Frozen records in process memory, loaded on demand, forgotten when their version changes."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from idp.storage.db import holds_connection
from idp.storage.versions import VersionWatch

T = TypeVar("T")


class RecordCache(Generic[T]):
    """A thread-safe least-recently-used cache of `size` records and, apart from them, `misses` unknown keys.

    Unknown keys have their own, smaller limit: whoever asks for made-up keys neither grows our memory nor
    pushes real records out. A record is kept only if it was read in a transaction begun after the last
    invalidation, so a slow reader cannot bring back what another thread has just made stale.
    """

    def __init__(self, watch: VersionWatch, size: int, misses: int = 1024) -> None:
        self._watch = watch
        self._size = size
        self._max_misses = misses
        self._records: OrderedDict[str, T] = OrderedDict()
        self._misses: OrderedDict[str, None] = OrderedDict()
        self._generation = 0
        self._lock = Lock()

    def get(self, key: str, load: Callable[[str], T | None]) -> T | None:
        """The record of `key`, from memory or else from `load`."""
        if self._watch.changed():
            self.clear()
        with self._lock:
            record = self._records.get(key)
            if record is not None:
                self._records.move_to_end(key)
                return record
            if key in self._misses:
                return None
            generation = self._generation
        # Inside an open transaction we would read its snapshot or its uncommitted changes: use, do not keep.
        is_fresh = not holds_connection()
        record = load(key)
        if is_fresh:
            self._keep(key, record, generation)
        return record

    def _keep(self, key: str, record: T | None, generation: int) -> None:
        with self._lock:
            if generation != self._generation:
                return
            if record is None:
                self._misses[key] = None
                if len(self._misses) > self._max_misses:
                    self._misses.popitem(last=False)
                return
            self._records[key] = record
            if len(self._records) > self._size:
                self._records.popitem(last=False)

    def clear(self) -> None:
        """Forget everything, and what is being loaded at this moment too."""
        with self._lock:
            self._generation += 1
            self._records.clear()
            self._misses.clear()

    def __len__(self) -> int:
        return len(self._records) + len(self._misses)
