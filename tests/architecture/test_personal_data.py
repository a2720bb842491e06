"""The map of personal data speaks of every table and column, and of each truthfully."""

from collections import Counter

import pytest
from sqlalchemy import Table

from idp.core.settings import Settings
from idp.engine.privacy.activities import ACTIVITIES
from idp.engine.privacy.map import OTHER_TABLES, PERSONAL
from idp.engine.privacy.vocabulary import Erasure, PersonalTable
from idp.storage import tables  # noqa: F401 -- fills Base.metadata
from idp.storage.db import Base

_WHERE = "say in idp/engine/privacy/map/ what it holds about people, how it is exported and how it is erased"

every_table = pytest.mark.parametrize("entry", PERSONAL, ids=lambda entry: entry.table.name)


def test_every_table_is_on_the_map_once() -> None:
    mapped = Counter(entry.table.name for entry in (*PERSONAL, *OTHER_TABLES))
    assert set(Base.metadata.tables) - set(mapped) == set(), f"a new table: {_WHERE}"
    assert set(mapped) - set(Base.metadata.tables) == set()
    assert [name for name, times in mapped.items() if times > 1] == []


@pytest.mark.parametrize("entry", [*PERSONAL, *OTHER_TABLES], ids=lambda entry: entry.table.name)
def test_every_column_is_on_the_map(entry: PersonalTable) -> None:
    there = {column.name for column in entry.table.columns}
    assert there - set(entry.columns) == set(), f"a new column: {_WHERE}"
    assert set(entry.columns) - there == set()


@every_table
def test_a_column_is_exported_or_withheld(entry: PersonalTable) -> None:
    assert set(entry.exported) & set(entry.withheld) == set()
    assert [name for name, why in entry.withheld.items() if not why] == []
    assert not set(entry.also) & entry.columns


@every_table
def test_no_secret_is_exported(entry: PersonalTable) -> None:
    secret = [name for name in entry.exported if "hash" in name or "sealed" in name or "salt" in name]
    assert secret == []


@every_table
def test_what_is_said_to_fall_with_the_account_does(entry: PersonalTable) -> None:
    if entry.erasure is Erasure.CASCADE:
        assert hangs_on_users(entry.table), "by a foreign key with ON DELETE CASCADE"
        columns = {column.name: column for column in entry.table.columns}
        assert not ("user_id" in columns and columns["user_id"].nullable), "rows without a user would stay"


def hangs_on_users(table: Table) -> bool:
    """True if its rows go with the user, perhaps by way of another table."""
    return any(
        key.ondelete == "CASCADE" and (key.column.table.name == "users" or hangs_on_users(key.column.table))
        for key in table.foreign_keys
    )


@every_table
def test_everything_is_explained(entry: PersonalTable) -> None:
    assert entry.activity in ACTIVITIES
    assert all(text.endswith(".") for text in (entry.what, entry.retention(Settings())))


def test_sections_have_names_of_their_own() -> None:
    sections = [entry.section for entry in PERSONAL]
    assert len(sections) == len(set(sections))
