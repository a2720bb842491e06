"""Statements that PostgreSQL plans once per connection instead of every time.

Finding a row by its key takes PostgreSQL less time than parsing and planning the question. psycopg2 cannot prepare
statements by itself, so `prepared()` statements are named with PREPARE on their first use on a connection and run by
EXECUTE from then on. On SQLite, whose driver keeps a cache of its own, they are statements like any other.

A pooler that hands the same session of the server to several clients (PgBouncer in transaction mode) forgets the names:
`IDP_DATABASE_PREPARED_STATEMENTS=false` is for those.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, TypeVar

from sqlalchemy import Engine, Executable, event

ON_ENGINE: Final = "idp_prepares"
"""Execution option of an engine: whether its statements are prepared at all."""
_OPTION = "idp_prepared"
_PLACEHOLDER = re.compile(r"%\((?P<name>\w+)\)s|%%")

_Statement = TypeVar("_Statement", bound=Executable)


def prepared(statement: _Statement) -> _Statement:
    """Mark a statement that is built once and run often, always with the same parameters' names."""
    return statement.execution_options(**{_OPTION: True})


def prepare_on(engine: Engine) -> None:
    """Have the marked statements prepared on the connections of a PostgreSQL engine."""
    event.listen(engine, "do_execute", _execute)


@dataclass(frozen=True, slots=True)
class _Named:
    """A statement under its name, in the two forms in which it is sent."""

    prepare: str
    execute: str


# By SQL text. SQLAlchemy's own cache of compiled statements holds as many.
_named: dict[str, _Named] = {}


def _execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
    """SQLAlchemy's `do_execute` event: True says that the statement was run here."""
    options = context.execution_options
    if not (options.get(_OPTION) and options.get(ON_ENGINE)):
        return None
    named = _named.get(statement)
    if named is None:
        named = _named[statement] = _name(statement)
    known = context.root_connection.info.setdefault(_OPTION, set())
    if named.execute not in known:
        # It outlives a rollback, and ends with the connection, whose `info` ends then too.
        cursor.execute(named.prepare)
        known.add(named.execute)
    cursor.execute(named.execute, parameters)
    return True


def _name(statement: str) -> _Named:
    names: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return "%"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    text = _PLACEHOLDER.sub(numbered, statement)
    # By its whole text: two versions of the product may share a pooler's connections for a while.
    name = "idp_" + sha256(statement.encode()).hexdigest()[:24]
    values = f" ({', '.join(f'%({name})s' for name in names)})" if names else ""
    return _Named(prepare=f"PREPARE {name} AS {text}", execute=f"EXECUTE {name}{values}")
