"""What the connection pool does for PostgreSQL at the moment a connection is taken out of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from select import POLLIN, poll
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

PING_AFTER_SECONDS = 30
"""A connection that was idle for longer is asked whether it still works before it is used."""

_autocommit: ContextVar[bool] = ContextVar("idp_autocommit", default=False)


@contextmanager
def autocommit() -> Iterator[None]:
    """Connections taken out of the pool in this block commit every statement by itself.

    A lone SELECT then needs no BEGIN and no ROLLBACK, which are a round trip each. Under READ COMMITTED, PostgreSQL's
    default, every statement has a snapshot of its own anyway.
    """
    token = _autocommit.set(True)
    try:
        yield
    finally:
        _autocommit.reset(token)


def watch_pool(engine: Engine) -> None:
    """Have connections of an engine checked and set up when they are taken out."""
    event.listen(engine, "checkin", _note_end_of_use)
    event.listen(engine, "checkout", _prepare)


def _note_end_of_use(_connection: object, record: Any) -> None:
    record.info["idle_since"] = time.monotonic()


def _prepare(connection: Any, record: Any, _proxy: object) -> None:
    """Raises DisconnectionError if the connection died in the pool, which then takes another."""
    try:
        if "idle_since" in record.info and _may_be_dead(connection, record.info["idle_since"]):
            connection.cursor().execute("SELECT 1")
            connection.rollback()
        # Set directly, and only when it differs: SQLAlchemy's isolation levels cost psycopg2 two more round trips.
        if connection.autocommit != _autocommit.get():
            connection.autocommit = _autocommit.get()
    except Exception as error:
        raise DisconnectionError("the connection died while it was idle") from error


def _may_be_dead(connection: Any, idle_since: float) -> bool:
    """Asking the server each time would cost a round trip. Connections that it closed have something to read:
    the end of the stream, and before that the reason."""
    if time.monotonic() - idle_since > PING_AFTER_SECONDS:
        return True
    readable = poll()
    readable.register(connection.fileno(), POLLIN)
    return bool(readable.poll(0))
