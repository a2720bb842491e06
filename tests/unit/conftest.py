"""A database with tables and an application context, for tests of services without a server."""

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.helpers.backends import Backend, fresh_backend
from tests.helpers.database import DIALECTS, application_context, database_with_tables, empty_tables
from tests.helpers.identity import House, open_house


@pytest.fixture(scope="module", params=DIALECTS)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database with tables, on each dialect that is available; one for the whole module."""
    with database_with_tables(request.param, tmp_path_factory.mktemp("database")) as url:
        yield url


@pytest.fixture
def app(url: str) -> Iterator[Flask]:
    """An application context on it; every test finds the tables empty."""
    with application_context(url) as app:
        yield app
        empty_tables()


@pytest.fixture(scope="module")
def database(backend_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A database on each supported storage in turn; one for the whole module."""
    with fresh_backend(backend_name, tmp_path_factory.mktemp("database")) as fresh:
        yield fresh


@pytest.fixture
def house(database: Backend) -> Iterator[House]:
    """The services of the identity floor, on a database that every test finds empty."""
    with open_house(database) as house:
        yield house
