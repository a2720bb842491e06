"""The database: SQLAlchemy Core on Flask-SQLAlchemy's engine, on SQLite or PostgreSQL.

Two context managers are the whole transaction discipline. `reading()` is for questions and lets go of its
connection at the end; `transaction()` holds the write lock from its beginning and commits at its end. Nothing slow
(Argon2, the network) happens inside `transaction()`.
"""

import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import orjson
from flask_sqlalchemy import SQLAlchemy
from psycopg2 import extensions  # type: ignore[import-untyped]
from sqlalchemy import Connection, DateTime, Dialect, Engine, MetaData, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import JSON, TypeDecorator

from idp.core.errors import ConfigurationError, Unavailable
from idp.core.settings import Settings
from idp.storage.patience import Patience, WriterQueue
from idp.storage.pool import autocommit, watch_pool
from idp.storage.prepared import ON_ENGINE, prepare_on

LOCK_TIMEOUT_SECONDS = 5
STATEMENT_TIMEOUT_SECONDS = 6
SILENCE_SECONDS = STATEMENT_TIMEOUT_SECONDS + 1
"""When PostgreSQL has not even said that the statement timed out."""
_BEHIND = frozenset({"42P01", "42703"})
"""PostgreSQL's codes for a table or column that is not there (yet)."""

_log = logging.getLogger(__name__)

_writing: ContextVar[bool] = ContextVar("idp_writing", default=False)
_open: ContextVar[Connection | None] = ContextVar("idp_connection", default=None)


class UtcDateTime(TypeDecorator[datetime]):
    """An instant in UTC: `timestamptz` on PostgreSQL, ISO text on SQLite, always timezone-aware in Python."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC; a naive datetime is a bug."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime has no place in the database")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Load as aware UTC on both databases."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Declarative base of every table."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        list[str]: JSON,
    }


db = SQLAlchemy(metadata=Base.metadata)


def engine_options(settings: Settings) -> dict[str, Any]:
    """The `create_engine` options for the configured database. Makes an SQLite file's directory."""
    # An error carries its statement into the log, and must not carry the values: they are people's data (KY1).
    return {"hide_parameters": True, **_connection_options(settings)}


def _connection_options(settings: Settings) -> dict[str, Any]:
    url = settings.database_url
    if url.startswith("sqlite"):
        path = url.partition(":///")[2]
        if path and path != ":memory:":
            _make_file(Path(path).absolute())
        return {
            "connect_args": {"timeout": LOCK_TIMEOUT_SECONDS, "check_same_thread": False},
            "json_serializer": _to_json,
        }
    return {
        "json_serializer": _to_json,
        "pool_size": settings.database_pool_size,
        "max_overflow": 5,
        "pool_timeout": LOCK_TIMEOUT_SECONDS,
        "pool_recycle": 1800,
        "execution_options": {ON_ENGINE: settings.database_prepared_statements},
        "connect_args": {
            "application_name": "idp",
            "options": (
                f"-c lock_timeout={LOCK_TIMEOUT_SECONDS}s -c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s "
                "-c idle_in_transaction_session_timeout=30s -c timezone=UTC"
            ),
        },
    }


def _make_file(path: Path) -> None:
    """Make an empty database for its owner's eyes alone, and say so: a mistyped path would look like lost data.

    One directory is made if need be, not a whole path. Raises ConfigurationError.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise ConfigurationError(f"the database file {path} cannot be made: {error.strerror}") from error
    _log.warning("made a new database: %s", path)


def _to_json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value)  # an integer of more than 64 bits


def database_url(settings: Settings) -> str:
    """The SQLAlchemy URL; a relative SQLite path is relative to the working directory, not to Flask."""
    url = settings.database_url
    if url.startswith("sqlite:///") and not url.startswith(("sqlite:////", "sqlite:///:memory:")):
        return "sqlite:///" + str(Path(url.removeprefix("sqlite:///")).absolute())
    for plain in ("postgres://", "postgresql://"):
        if url.startswith(plain):
            # SQLAlchemy 2.1 would take psycopg 3 for these.
            return "postgresql+psycopg2://" + url.removeprefix(plain)
    return url


#: Prepared engines. SQLite has one writer and has the others wait asleep, for longer and longer each time: the threads
#: of this process queue here instead.
_writers_queue: WeakKeyDictionary[Engine, WriterQueue | None] = WeakKeyDictionary()


def prepare_engine(engine: Engine) -> None:
    """Make an engine safe for several worker processes, and ready for `reading()` and `transaction()`.

    Call it before the engine's first connection. Calling it again changes nothing.
    """
    if engine in _writers_queue:
        return
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _connect)
        event.listen(engine, "begin", _begin)
        _writers_queue[engine] = WriterQueue(LOCK_TIMEOUT_SECONDS)
        return
    if engine.dialect.driver == "psycopg2" and not isinstance(extensions.get_wait_callback(), Patience):
        extensions.set_wait_callback(Patience(SILENCE_SECONDS))
    watch_pool(engine)
    prepare_on(engine)
    _writers_queue[engine] = None


def _connect(connection: sqlite3.Connection, _record: object) -> None:
    # The driver must not open transactions behind our back: we say BEGIN ourselves.
    connection.isolation_level = None
    cursor = connection.cursor()
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] not in ("wal", "memory"):
        _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")  # an acknowledged write survives power loss
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA secure_delete=ON")  # who was erased is not left in free pages; some builds have it off
    cursor.execute("PRAGMA cache_size=-16000")
    cursor.close()


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """Switch the file, once in its life. SQLite does not queue for the lock this needs, so we do."""
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin(connection: Connection) -> None:
    # A deferred transaction that reads, then writes, fails at once with SQLITE_BUSY if another process
    # wrote in between; IMMEDIATE waits its turn (LOCK_TIMEOUT_SECONDS) before reading.
    statement = "BEGIN IMMEDIATE" if _writing.get() else "BEGIN"
    driver = connection.connection.driver_connection
    if driver is not None:
        driver.execute(statement)


@contextmanager
def write_lock_on_begin() -> Iterator[None]:
    """Let SQLite transactions that begin in this block take the write lock at once."""
    token = _writing.set(True)
    try:
        yield
    finally:
        _writing.reset(token)


@contextmanager
def transaction() -> Iterator[Connection]:
    """A write transaction: all or nothing, committed at the end of the block.

    Inside another `transaction()` it joins it. Inside `reading()` it is an error: what was read may be
    stale. Raises Unavailable if the database is down or the write lock cannot be had.
    """
    connection = _open.get()
    if connection is not None:
        if not in_transaction():
            raise RuntimeError("transaction() inside reading(): finish reading first")
        yield connection
        return
    with _unavailable_if_down():
        engine = db.engine
        with write_lock_on_begin(), _turn(_writers_queue[engine]), engine.begin() as connection:
            token = _open.set(connection)
            try:
                yield connection
            finally:
                _open.reset(token)


@contextmanager
def _turn(queue: WriterQueue | None) -> Iterator[None]:
    if queue is None:
        yield
        return
    with queue.turn():
        yield


def in_transaction() -> bool:
    """True inside `transaction()`."""
    return _writing.get()


def holds_connection() -> bool:
    """True inside `transaction()` or `reading()`."""
    return _open.get() is not None


@contextmanager
def reading() -> Iterator[Connection]:
    """A connection for questions, let go at the end of the block; joins an open block if there is one.

    On PostgreSQL each statement sees what is committed by then. Raises Unavailable if the database is down.
    """
    connection = _open.get()
    if connection is not None:
        yield connection
        return
    with _unavailable_if_down(), _connect_for_reading() as connection:
        token = _open.set(connection)
        try:
            yield connection
        finally:
            _open.reset(token)


def _connect_for_reading() -> Connection:
    with autocommit():
        return db.engine.connect()


@contextmanager
def _unavailable_if_down() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError, sqlite3.OperationalError) as error:
        raise Unavailable("the database is not available") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable("the database is not available") from error
        if getattr(error.orig, "pgcode", None) in _BEHIND:
            raise Unavailable("the database is not up to date: run 'idp db upgrade'") from error
        raise
