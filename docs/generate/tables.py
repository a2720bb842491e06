"""reference/database-tables.md"""

from typing import Any

from sqlalchemy import Column

from docs.generate.docstrings import attribute_docstrings
from docs.generate.markdown import code, page, sentence, table
from idp.storage import tables  # noqa: F401 -- fills Base.metadata
from idp.storage.db import Base

_INTRODUCTION = """
What the database holds. The schema is made by the migrations in `migrations/`, which `idp db upgrade` applies. Times
are UTC (`timestamptz` on PostgreSQL). Nothing but idp should write here: workers keep clients and keys in memory and
notice changes by `configuration_versions`.
"""


def tables_page() -> str:
    """Every table with its columns."""
    mapped = {mapper.local_table.name: mapper.class_ for mapper in Base.registry.mappers}
    parts = []
    for item in sorted(Base.metadata.tables.values(), key=lambda one: one.name):
        cls = mapped[item.name]
        texts = attribute_docstrings(cls)
        rows = [
            (code(column.name), _type(column), _flags(column), texts.get(column.name, "")) for column in item.columns
        ]
        parts += [f"## {item.name}\n\n{_lead(cls)}", table(("column", "type", "", "meaning"), rows)]
    return page("Database tables", _INTRODUCTION, *parts)


def _lead(cls: type) -> str:
    text = " ".join((cls.__doc__ or "").split())
    return sentence(text)


def _type(column: Column[Any]) -> str:
    name = str(column.type).lower().replace("datetime", "time")
    return name.replace("varchar", "text").replace("blob", "bytes")


def _flags(column: Column[Any]) -> str:
    flags = []
    if column.primary_key:
        flags.append("key")
    flags += [f"→ {code(reference.target_fullname)}" for reference in column.foreign_keys]
    if column.unique:
        flags.append("unique")
    if column.index:
        flags.append("index")
    if column.nullable:
        flags.append("may be null")
    return ", ".join(flags)
