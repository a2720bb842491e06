"""Alembic's entry point. It is run by `idp.storage.migrate`, which brings a locked connection."""

from typing import Any, Literal

from alembic import context

from idp.storage import tables  # noqa: F401 -- fills Base.metadata
from idp.storage.db import Base, UtcDateTime

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Migrations are run by 'idp db upgrade', not by Alembic's own command.")


def render_item(kind: str, item: Any, _autogenerate: Any) -> str | Literal[False]:
    """Migrations are frozen history: they name database types, not classes of ours that may change."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_type=True,
    render_item=render_item,
    # SQLite can roll back DDL; Alembic does not assume it.
    transactional_ddl=True,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
