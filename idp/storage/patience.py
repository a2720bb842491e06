"""How long we wait for a database that does not answer.

PostgreSQL ends statements that take too long by itself (`statement_timeout`), and the operating system notices a host
that is gone. Neither helps against a server that is there and silent: stopped, swapping, or behind a firewall that
swallows packets. So the waiting for its answers is done here, with a limit.

On both databases, requests that queue up behind the first ones would add their waiting to theirs. So whenever somebody
has waited in vain, everybody is refused at once for RETRY_SECONDS.
"""

import select
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from psycopg2 import OperationalError, extensions  # type: ignore[import-untyped]

from idp.core.errors import Unavailable

CONNECT_SECONDS = 3.0
RETRY_SECONDS = 1.0

_unlimited: ContextVar[bool] = ContextVar("idp_unlimited_patience", default=False)


@contextmanager
def unlimited_patience() -> Iterator[None]:
    """Wait for as long as it takes in this block: for migrations."""
    token = _unlimited.set(True)
    try:
        yield
    finally:
        _unlimited.reset(token)


class Patience:
    """Waits for psycopg2 connections, up to `seconds` for an answer.

    Raises OperationalError after that; psycopg2 then closes the connection.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._retry_at = 0.0

    def __call__(self, connection: Any) -> None:
        """The callback that psycopg2 calls for every answer it waits for."""
        begun = time.monotonic()
        is_connecting = connection.status == extensions.STATUS_SETUP
        if begun < self._retry_at and (is_connecting or connection.status == extensions.STATUS_READY):
            raise OperationalError("the server was silent a moment ago")
        seconds = CONNECT_SECONDS if is_connecting else self._seconds
        while (state := connection.poll()) != extensions.POLL_OK:
            poller = select.poll()
            poller.register(connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
            left = begun + seconds - time.monotonic()
            if not poller.poll(None if _unlimited.get() else max(0, left * 1000)):
                self._retry_at = time.monotonic() + RETRY_SECONDS
                raise OperationalError(f"the server has been silent for {seconds:.0f} s")


class WriterQueue:
    """Lets the threads of this process ask for SQLite's write lock one after another, within `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._retry_at = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """This thread's turn. Raises Unavailable if it does not come, or if another process keeps the lock."""
        if not self._lock.acquire(timeout=self._seconds):
            raise Unavailable("the write lock of the database cannot be had")
        try:
            if time.monotonic() < self._retry_at:
                raise Unavailable("the write lock of the database could not be had a moment ago")
            yield
        except sqlite3.OperationalError:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            raise
        finally:
            self._lock.release()
