"""The two storage set-ups that the product supports, each as often as a test wants a fresh one."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis
import sqlalchemy
from sqlalchemy.engine import make_url

from tests.helpers.services import POSTGRES_URL, REDIS_URL

SQLITE = "sqlite"
POSTGRES_REDIS = "postgres+redis"
BACKENDS = (SQLITE, POSTGRES_REDIS)

_COUNTER = "idp-tests:databases"


@dataclass(frozen=True, slots=True)
class Backend:
    """Where one server keeps its data; `redis_url` None means the SQL ephemeral store."""

    name: str
    database_url: str
    redis_url: str | None

    @property
    def environment(self) -> dict[str, str]:
        """The settings that select this backend."""
        chosen = {"IDP_DATABASE_URL": self.database_url}
        if self.redis_url is not None:
            chosen["IDP_REDIS_URL"] = self.redis_url
        return chosen


def is_available(name: str) -> bool:
    """False for PostgreSQL and Redis unless `tests.helpers.services` (or someone else) provides them."""
    return name == SQLITE or bool(os.environ.get(POSTGRES_URL) and os.environ.get(REDIS_URL))


@contextlib.contextmanager
def fresh_backend(name: str, directory: Path) -> Iterator[Backend]:
    """An empty database (and Redis database) that vanishes at the end of the block."""
    if name == SQLITE:
        yield Backend(name, f"sqlite:///{directory.resolve() / 'idp.db'}", None)
        return
    with fresh_postgres_database() as database_url, fresh_redis_database() as redis_url:
        yield Backend(name, database_url, redis_url)


@contextlib.contextmanager
def fresh_postgres_database() -> Iterator[str]:
    """The URL of an empty PostgreSQL database, dropped at the end of the block."""
    server_url = os.environ[POSTGRES_URL]
    name = f"idp_test_{secrets.token_hex(6)}"
    _administer(server_url, f'CREATE DATABASE "{name}"')
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        _administer(server_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _administer(server_url: str, statement: str) -> None:
    engine = sqlalchemy.create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


@contextlib.contextmanager
def fresh_redis_database() -> Iterator[str]:
    """The URL of an empty numbered Redis database, flushed at the end of the block.

    Numbers are handed out by a counter in database 0, so parallel test workers never share one.
    """
    server_url = os.environ[REDIS_URL]
    with redis.Redis.from_url(server_url) as counter:
        size = int(counter.config_get("databases")["databases"])
        number = 1 + (int(counter.incr(_COUNTER)) - 1) % (size - 1)
    url = server_url.rpartition("/")[0] + f"/{number}"
    with redis.Redis.from_url(url) as database:
        database.flushdb()
        try:
            yield url
        finally:
            database.flushdb()
