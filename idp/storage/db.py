"""The database: SQLAlchemy through Flask-SQLAlchemy, on SQLite or PostgreSQL.

Two context managers are the whole transaction discipline. `reading()` takes a snapshot and lets it go;
`transaction()` holds the write lock from its first statement and commits at its end. Nothing slow
(Argon2, the network) happens inside `transaction()`.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, DateTime, Dialect, Engine, MetaData, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import JSON, TypeDecorator

from idp.core.errors import Unavailable
from idp.core.settings import Settings

LOCK_TIMEOUT_SECONDS = 5
STATEMENT_TIMEOUT_SECONDS = 8

_writing: ContextVar[bool] = ContextVar("idp_writing", default=False)


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


db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})


def engine_options(settings: Settings) -> dict[str, Any]:
    """The `create_engine` options for the configured database. Makes an SQLite file's directory."""
    url = settings.database_url
    if url.startswith("sqlite"):
        path = url.partition(":///")[2]
        if path and path != ":memory:":
            Path(path).absolute().parent.mkdir(parents=True, exist_ok=True)
        return {"connect_args": {"timeout": LOCK_TIMEOUT_SECONDS, "check_same_thread": False}}
    return {
        "pool_size": settings.database_pool_size,
        "max_overflow": 5,
        "pool_timeout": LOCK_TIMEOUT_SECONDS,
        "pool_pre_ping": True,
        "pool_recycle": 1800,
        "connect_args": {
            "connect_timeout": 3,
            "application_name": "idp",
            "options": (
                f"-c lock_timeout={LOCK_TIMEOUT_SECONDS}s -c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s "
                "-c idle_in_transaction_session_timeout=30s -c timezone=UTC"
            ),
        },
    }


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


def prepare_engine(engine: Engine) -> None:
    """Install the SQLite settings that make several worker processes safe; nothing to do on PostgreSQL.

    Call it before the engine's first connection. Calling it again changes nothing.
    """
    if engine.dialect.name == "sqlite" and not event.contains(engine, "begin", _begin):
        event.listen(engine, "connect", _connect)
        event.listen(engine, "begin", _begin)


def _connect(connection: sqlite3.Connection, _record: object) -> None:
    # The driver must not open transactions behind our back: we say BEGIN ourselves.
    connection.isolation_level = None
    cursor = connection.cursor()
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] not in ("wal", "memory"):
        _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")  # an acknowledged write survives power loss
    cursor.execute("PRAGMA foreign_keys=ON")
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
    connection.exec_driver_sql("BEGIN IMMEDIATE" if _writing.get() else "BEGIN")


@contextmanager
def write_lock_on_begin() -> Iterator[None]:
    """Let SQLite transactions that begin in this block take the write lock at once."""
    token = _writing.set(True)
    try:
        yield
    finally:
        _writing.reset(token)


@contextmanager
def transaction() -> Iterator[Session]:
    """A write transaction: all or nothing, committed at the end of the block.

    Inside another `transaction()` it joins it. Inside `reading()` it is an error: the snapshot would be
    stale. Raises Unavailable if the database is down or the write lock cannot be had.
    """
    session = db.session()
    if in_transaction():
        yield session
        return
    if session.in_transaction():
        raise RuntimeError("transaction() inside reading(): finish reading first")
    with _unavailable_if_down(), write_lock_on_begin():
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise


def in_transaction() -> bool:
    """True inside `transaction()`."""
    return _writing.get()


@contextmanager
def reading() -> Iterator[Session]:
    """A read-only transaction, let go at the end of the block; joins an open transaction if there is one.

    Raises Unavailable if the database is down.
    """
    session = db.session()
    # Letting go would also undo a transaction() that has not asked the database anything yet: join it.
    if in_transaction() or session.in_transaction():
        yield session
        return
    with _unavailable_if_down():
        try:
            yield session
        finally:
            _let_go(session)


def _let_go(session: Session) -> None:
    """Give the connection back to the pool. If it broke after the last answer, that answer is still good."""
    try:
        session.rollback()
    except DBAPIError:
        session.invalidate()


@contextmanager
def _unavailable_if_down() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        raise Unavailable("the database is not available") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable("the database is not available") from error
        raise
