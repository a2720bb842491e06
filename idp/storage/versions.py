"""Versions of configuration that workers cache, so that a change in one is noticed by all."""

import threading
import time
from typing import cast

from sqlalchemy import Connection, Table, bindparam, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from idp.core.errors import Unavailable
from idp.storage.db import in_transaction, reading
from idp.storage.tables.versions import ConfigurationVersion

_TABLE = cast(Table, ConfigurationVersion.__table__)
_READ = select(_TABLE.c.version).where(_TABLE.c.name == bindparam("watched"))


def bump(connection: Connection, name: str) -> None:
    """Say that the configuration called `name` changes with this transaction."""
    insert_into = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    row = insert_into(_TABLE).values(name=name, version=1)
    one_more = {"version": _TABLE.c.version + 1}
    connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=one_more))


class VersionWatch:
    """Tells a cache when to load again.

    Ask `changed()` before loading, never after: a change that happens in between is then loaded once too
    often instead of not at all. If loading fails, call `forget()`.
    """

    def __init__(self, name: str, interval: float = 2.0) -> None:
        """`interval`: seconds for which an answer is good."""
        self._name = name
        self._interval = interval
        self._lock = threading.Lock()
        self._next_read = 0.0
        self._seen: int | None = None

    def changed(self) -> bool:
        """True once for each change, and the first time. Needs an application context.

        Reads the database at most once per interval. While the database is down, while another thread is
        reading, and inside `transaction()`, where an uncommitted version might be seen, nothing counts as
        changed: a database that hangs holds up one caller and not all of them.
        """
        if time.monotonic() < self._next_read or in_transaction():
            return False
        if not self._lock.acquire(blocking=False):
            return False
        try:
            return self._read() if time.monotonic() >= self._next_read else False
        finally:
            self._lock.release()

    def _read(self) -> bool:
        try:
            with reading() as connection:
                version = connection.execute(_READ, {"watched": self._name}).scalar() or 0
        except Unavailable:
            return False
        finally:
            # Counted from the answer: a read that took longer than the interval is not repeated at once.
            self._next_read = time.monotonic() + self._interval
        seen, self._seen = self._seen, version
        return version != seen

    def forget(self) -> None:
        """Have the next `changed()` say True."""
        with self._lock:
            self._next_read = 0.0
            self._seen = None
