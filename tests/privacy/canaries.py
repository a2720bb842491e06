"""A person of whom every column says something unmistakable, and the search for it afterwards."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import redis
from sqlalchemy import JSON, Boolean, Column, DateTime, Integer, LargeBinary, Table, insert, inspect, select
from sqlalchemy.schema import MetaData
from sqlalchemy.types import TypeDecorator

from idp.engine.privacy.map import PERSONAL
from idp.engine.privacy.vocabulary import Erasure
from idp.storage.db import Base, db, reading, transaction
from idp.storage.tables import AuditEvent, AvatarRow, EphemeralEntry, OutboxMessage, ThrottleRow

USER = "5f0c8a52-6b6e-4a57-9d0e-2f0a3b1c9d77"
#: Values that rows of this product have in these columns, and others cannot.
_BIRTH = datetime(1999, 1, 1, tzinfo=UTC)
_SMALLEST = 917_000_001


@dataclass
class Planted:
    """What was written, by table and column."""

    values: dict[tuple[str, str], Any] = field(default_factory=dict)
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    """Texts by which a value is recognised wherever it turns up."""

    def tokens_that_stay(self) -> set[str]:
        """Those of columns that the map says are kept, and of which other rows speak as well."""
        return {
            self.tokens[entry.table.name, name]
            for entry in PERSONAL
            for name in entry.kept
            if self._has(entry.table.name, name)
        }

    def _has(self, table: str, column: str) -> bool:
        return (table, column) in self.tokens


def plant(client_id: str, role_id: str) -> Planted:
    """Write a row about USER into every table that holds people, past all services."""
    planted, numbers = Planted(), count(1)
    given = {"client_id": client_id, "role_id": role_id}
    with transaction() as connection:
        for table in Base.metadata.sorted_tables:
            if any(entry.table is table for entry in PERSONAL):
                row = dict(_row(table, planted, numbers, given))
                connection.execute(insert(table).values(row))
    return planted


def _row(table: Table, planted: Planted, numbers: "count[int]", given: dict[str, str]) -> Iterator[tuple[str, Any]]:
    for column in table.columns:
        place = (table.name, column.name)
        fixed = _fixed(table, column, planted, given)
        value, token = (fixed, None) if fixed is not None else _canary(column, next(numbers))
        planted.values[place] = value
        if token is not None:
            planted.tokens[place] = token
        yield column.name, value


def _fixed(table: Table, column: Column[Any], planted: Planted, given: dict[str, str]) -> Any:
    """What makes the row this person's, or points at another row."""
    for key in column.foreign_keys:
        parent = (key.column.table.name, key.column.name)
        return planted.values[parent] if parent in planted.values else given[column.name]
    if (table.name, column.name) == ("users", "id") or column.name == "user_id":
        return USER
    if table is AuditEvent.__table__ and column.name == "actor":
        return f"user:{USER}"
    if table is ThrottleRow.__table__ and column.name == "key":
        return f"account:{USER}:zq-device"
    if table is EphemeralEntry.__table__ and column.name == "value":
        return f'{{"user_id": "{USER}"}}'.encode()
    if table is AvatarRow.__table__ and column.name == "name":
        return "5c" * 32
    if table is OutboxMessage.__table__ and column.name == "state":
        return "delivered"
    if column.name == "stream":
        return "main"
    if column.name in ("sealed_at", "erased_at", "leased_until") or (table.name, column.name) == (
        "users",
        "erase_after",
    ):
        return _BIRTH if column.name == "leased_until" else None
    return None


def _canary(column: Column[Any], number: int) -> tuple[Any, str | None]:
    token = f"zq{number:03}zq"
    kind = column.type.impl if isinstance(column.type, TypeDecorator) else column.type
    if column.name in ("sealed_at", "erased_at", "erase_after"):
        return None, None
    if isinstance(kind, Boolean):
        return True, None
    if isinstance(kind, Integer):
        return _SMALLEST + number, str(_SMALLEST + number)
    if isinstance(kind, DateTime):
        at = _BIRTH + timedelta(seconds=number)
        return at, at.isoformat()[:19]
    if isinstance(kind, JSON):
        return [token] if column.type.python_type is list else {token: token}, token
    if isinstance(kind, LargeBinary):
        return token.encode(), token
    return token, token


def everything_stored(redis_url: str | None) -> str:
    """The whole database as text, whatever tables there are, and all of Redis."""
    parts: list[str] = []
    with reading() as connection:
        for name in inspect(db.engine).get_table_names():
            table = Table(name, MetaData(), autoload_with=connection)
            for row in connection.execute(select(table)).mappings():
                parts += [f"{name}.{column} = {_text(value)}" for column, value in row.items()]
    if redis_url is not None:
        with redis.Redis.from_url(redis_url) as client:
            for key in client.scan_iter():
                kind = client.type(key)
                parts.append(f"redis {key!r} = {client.get(key) if kind == b'string' else kind!r}")
    return "\n".join(parts)


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)


def pseudonymised_by_us() -> set[str]:
    """Tables that keep rows under a pseudonym."""
    return {entry.table.name for entry in PERSONAL if entry.erasure is Erasure.PSEUDONYMISED}
