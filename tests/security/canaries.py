"""Secrets that can be recognised, and every place where they must not be (KY1)."""

import json
import re
from typing import Any

import redis
from sqlalchemy import select

from idp.storage.db import Base, reading
from tests.helpers.server import Server

_LONG = 12
"""From this length on a part of a secret tells it; a shorter one is a code, and has to stand alone."""


class Canaries:
    """Every secret that passes by, to be looked for where it must not be."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def keep(self, **values: str | None) -> None:
        """Remember secrets by what they are."""
        self.values.update({name: value for name, value in values.items() if value})

    def found_in(self, text: str, *, codes: bool = True) -> list[str]:
        """Which of them a text gives away, wholly or by a good part."""
        return [name for name, value in self.values.items() if _is_in(value, text, codes)]


def _is_in(value: str, text: str, codes: bool) -> bool:
    if len(value) < _LONG:
        return codes and re.search(rf"(?<![\w.]){re.escape(value)}(?!\w)", text) is not None
    return value in text or value[-24:] in text


def audit_of(server: Server) -> str:
    """The whole trail, as it is exported."""
    return server.run("audit", "export").stdout


def database_of(server: Server) -> str:
    """Every row of every table. Dates are left out: their fractions of seconds look like codes."""
    rows: list[str] = []
    with server.administrator.provider(), reading() as connection:
        for table in Base.metadata.sorted_tables:
            for row in connection.execute(select(table)).mappings():
                told = {name: value for name, value in row.items() if isinstance(value, str | bytes | list | dict)}
                rows.append(f"{table.name}: {json.dumps(told, default=_text, ensure_ascii=False)}")
    return "\n".join(rows)


def files_of(server: Server) -> str:
    """The bytes of an SQLite database, also of what was deleted in it."""
    return b"".join(path.read_bytes() for path in server.directory.glob("idp.db*")).decode("latin-1")


def redis_of(server: Server) -> str:
    """Every key and value of the ephemeral store, where that is Redis."""
    url = server.backend.redis_url
    if url is None:
        return ""
    with redis.Redis.from_url(url) as store:
        return "\n".join(f"{_text(key)}: {_value(store, key)}" for key in store.scan_iter())


def _value(store: Any, key: bytes) -> str:
    return _text(store.get(key)) if store.type(key) == b"string" else str(store.type(key))


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
