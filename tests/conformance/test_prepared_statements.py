"""Statements that PostgreSQL keeps the plan of: same answers, on every connection, whatever became of the last one."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import bindparam, select, text

from idp.core.errors import Unavailable
from idp.storage.db import db, reading, transaction
from idp.storage.prepared import prepared
from idp.storage.tables import Role
from tests.conformance.stores import create_schema
from tests.conformance.test_database import add_role
from tests.helpers.backends import fresh_postgres_database
from tests.helpers.database import application_context, skip_without_postgres

_NAMES = prepared(select(Role.__table__.c.name).where(Role.__table__.c.name == bindparam("wanted")))
_PERCENT = prepared(select(Role.__table__.c.name).where(Role.__table__.c.name.like(bindparam("wanted") + "%")))
_TWICE = prepared(
    select(Role.__table__.c.id).where(
        (Role.__table__.c.name == bindparam("wanted")) | (Role.__table__.c.description == bindparam("wanted"))
    )
)


@pytest.fixture
def url() -> Iterator[str]:
    """A database with tables."""
    skip_without_postgres()
    with fresh_postgres_database() as url:
        create_schema(url)
        yield url


@pytest.fixture
def app(url: str) -> Iterator[Flask]:
    """An application context on it."""
    with application_context(url) as app:
        yield app


def names(wanted: str) -> list[str]:
    with reading() as connection:
        return list(connection.execute(_NAMES, {"wanted": wanted}).scalars())


def lose_the_connection() -> None:
    """Between two statements."""
    with reading() as connection:
        names("auditor")
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.close()
        names("auditor")


def plans() -> int:
    """How many statements the pool's connection has prepared. The tests use one connection at a time."""
    with reading() as connection:
        return int(connection.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one())


def test_a_statement_is_prepared_once(app: Flask) -> None:
    add_role("auditor")
    assert plans() == 0
    assert [names("auditor"), names("nobody"), names("auditor")] == [["auditor"], [], ["auditor"]]
    assert plans() == 1


@pytest.mark.parametrize("wanted", ["auditor", "O'Hara", '"; DROP TABLE roles; --', "100 %s %(wanted)s", "\\", "$1"])
def test_values_stay_values(app: Flask, wanted: str) -> None:
    add_role(wanted)
    with reading() as connection:
        assert names(wanted) == [wanted]
        beginning = wanted[:1].replace("\\", "\\\\")  # which LIKE takes for an escape
        assert connection.execute(_PERCENT, {"wanted": beginning}).scalars().all() == [wanted]
        assert len(connection.execute(_TWICE, {"wanted": wanted}).all()) == 1


def test_it_outlives_a_rollback(app: Flask) -> None:
    with transaction() as connection:
        names("auditor")
        connection.rollback()
    add_role("auditor")
    assert names("auditor") == ["auditor"]


def test_a_new_connection_prepares_anew(app: Flask) -> None:
    add_role("auditor")
    names("auditor")
    db.engine.dispose()
    assert plans() == 0
    assert names("auditor") == ["auditor"]


def test_a_connection_that_died_is_reported_as_the_database_being_down(app: Flask) -> None:
    add_role("auditor")
    with pytest.raises(Unavailable):
        lose_the_connection()
    assert names("auditor") == ["auditor"]


def test_nothing_is_prepared_if_the_settings_say_so(url: str) -> None:
    with application_context(url, prepares=False):
        add_role("auditor")
        assert names("auditor") == ["auditor"]
        assert plans() == 0
