"""The ephemeral store in the SQL database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Executable,
    LargeBinary,
    Table,
    Text,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from idp.core.clock import now
from idp.storage.db import reading, transaction
from idp.storage.fragments import ContainsBytes
from idp.storage.prepared import prepared
from idp.storage.tables.ephemeral import EphemeralEntry

PURGE_BATCH = 500

_TABLE = cast(Table, EphemeralEntry.__table__)
_c = _TABLE.c
_IS_THE_KEY = _c.key == bindparam("k")
_IS_EXPIRED = _c.expires_at <= bindparam("now")
_IS_LIVE = _c.expires_at > bindparam("now")

_GET = prepared(select(_c.value).where(_IS_THE_KEY, _IS_LIVE))
_TAKE = delete(_TABLE).where(_IS_THE_KEY).returning(_c.value, _c.expires_at)
_DELETE = delete(_TABLE).where(_IS_THE_KEY)
_COMPARE_AND_SET = (
    update(_TABLE)
    .where(_IS_THE_KEY, _c.value == bindparam("expected"), _IS_LIVE)
    .values(value=bindparam("v"), expires_at=bindparam("until"))
    .returning(_c.key)
)
# Rows that somebody is taking at this moment are left alone.
_PURGE = (
    delete(_TABLE)
    .where(_c.key.in_(select(_c.key).where(_IS_EXPIRED).limit(PURGE_BATCH).with_for_update(skip_locked=True)))
    .returning(_c.key)
)


@dataclass(frozen=True, slots=True)
class _Upserts:
    """The statements whose form depends on the database."""

    put: Executable
    put_if_absent: Executable
    increment: Executable


@cache
def _upserts(dialect: str) -> _Upserts:
    insert_into = postgresql_insert if dialect == "postgresql" else sqlite_insert
    row = insert_into(_TABLE).values(key=bindparam("k"), value=bindparam("v"), expires_at=bindparam("until"))
    replacement = {"value": row.excluded.value, "expires_at": row.excluded.expires_at}
    one_more = {
        "value": case((_IS_EXPIRED, row.excluded.value), else_=_plus_one(dialect)),
        "expires_at": case((_IS_EXPIRED, row.excluded.expires_at), else_=_c.expires_at),
    }
    return _Upserts(
        put=row.on_conflict_do_update(index_elements=[_c.key], set_=replacement),
        put_if_absent=row.on_conflict_do_update(index_elements=[_c.key], set_=replacement, where=_IS_EXPIRED).returning(
            _c.key
        ),
        increment=row.on_conflict_do_update(index_elements=[_c.key], set_=one_more).returning(_c.value),
    )


def _plus_one(dialect: str) -> ColumnElement[Any]:
    """The counter, which is stored as decimal digits in bytes, plus one."""
    one = literal(1, BigInteger)
    if dialect == "postgresql":
        counter = sql_cast(func.convert_from(_c.value, "UTF8"), BigInteger)
        return func.convert_to(sql_cast(counter + one, Text), "UTF8")
    counter = sql_cast(sql_cast(_c.value, Text), BigInteger)
    return sql_cast(sql_cast(counter + one, Text), LargeBinary)


class SqlStore:
    """An `EphemeralStore` in the table `ephemeral`.

    Each method is one statement in a `transaction()` of its own, or in the caller's, with which it is then
    committed or undone. All of them need a Flask application context; all but `get` and `ping` are errors
    inside `reading()`.
    """

    def put(self, key: str, value: bytes, ttl: int) -> None:
        """See `EphemeralStore.put`."""
        with transaction() as connection:
            connection.execute(_statements(connection).put, _row(key, value, ttl))

    def put_if_absent(self, key: str, value: bytes, ttl: int) -> bool:
        """See `EphemeralStore.put_if_absent`."""
        with transaction() as connection:
            stored = connection.execute(_statements(connection).put_if_absent, _row(key, value, ttl))
            return stored.first() is not None

    def get(self, key: str) -> bytes | None:
        """See `EphemeralStore.get`."""
        with reading() as connection:
            value: bytes | None = connection.execute(_GET, {"k": key, "now": now()}).scalar()
            return value

    def take(self, key: str) -> bytes | None:
        """See `EphemeralStore.take`."""
        with transaction() as connection:
            row = connection.execute(_TAKE, {"k": key}).first()
            return row.value if row is not None and row.expires_at > now() else None

    def compare_and_set(self, key: str, expected: bytes, value: bytes, ttl: int) -> bool:
        """See `EphemeralStore.compare_and_set`."""
        with transaction() as connection:
            replaced = connection.execute(_COMPARE_AND_SET, {**_row(key, value, ttl), "expected": expected})
            return replaced.first() is not None

    def delete(self, key: str) -> None:
        """See `EphemeralStore.delete`."""
        with transaction() as connection:
            connection.execute(_DELETE, {"k": key})

    def increment(self, key: str, ttl: int) -> int:
        """See `EphemeralStore.increment`."""
        with transaction() as connection:
            return int(connection.execute(_statements(connection).increment, _row(key, b"1", ttl)).scalar_one())

    def forget(self, fragments: Sequence[bytes]) -> int:
        """See `EphemeralStore.forget`."""
        found = [
            condition
            for fragment in fragments
            for condition in (_c.key.contains(fragment.decode(), autoescape=True), ContainsBytes(_c.value, fragment))
        ]
        if not found:
            return 0
        with transaction() as connection:
            return connection.execute(delete(_TABLE).where(or_(*found))).rowcount

    def purge(self) -> int:
        """See `EphemeralStore.purge`. Works in small transactions, so that nobody waits long for the lock."""
        purged = 0
        while True:
            with transaction() as connection:
                batch = len(connection.execute(_PURGE, {"now": now()}).all())
            purged += batch
            if batch < PURGE_BATCH:
                return purged

    def ping(self) -> None:
        """See `EphemeralStore.ping`."""
        with reading() as connection:
            connection.execute(select(1))


def _statements(connection: Connection) -> _Upserts:
    return _upserts(connection.dialect.name)


def _row(key: str, value: bytes, ttl: int) -> dict[str, Any]:
    instant = now()
    return {"k": key, "v": value, "until": instant + timedelta(seconds=ttl), "now": instant}
