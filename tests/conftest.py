"""Fixtures for everybody: storage backends, running servers, browsers.

A server starts once per test worker and backend, and is shared: use users and clients of your own. A test
that changes settings, stops things or breaks them takes `start_server` and gets one for itself.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.backends import BACKENDS, Backend, fresh_backend, is_available
from tests.helpers.browser import Browser, Person
from tests.helpers.needs import need
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server, running_server, shared_servers

StartServer = Callable[..., Server]


@pytest.fixture(scope="session", params=BACKENDS)
def backend_name(request: pytest.FixtureRequest) -> str:
    """Each supported storage set-up in turn: `sqlite`, `postgres+redis`."""
    name: str = request.param
    need(is_available(name), f"{name} is not running: python -m tests.helpers.services -- pytest …")
    return name


@pytest.fixture
def backend(backend_name: str, tmp_path: Path) -> Iterator[Backend]:
    """An empty backend for this one test."""
    with fresh_backend(backend_name, tmp_path) as fresh:
        yield fresh


@pytest.fixture(scope="session")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """The shared server of each backend, started when first asked for."""
    with shared_servers(lambda: tmp_path_factory.mktemp("server")) as server_on:
        yield server_on


@pytest.fixture
def server(backend_name: str, _servers: Callable[[str], Server]) -> Server:
    """The shared server on each backend in turn."""
    return _servers(backend_name)


@pytest.fixture
def sqlite_server(_servers: Callable[[str], Server]) -> Server:
    """The shared server on SQLite, for what does not depend on storage (interop, browsers)."""
    return _servers("sqlite")


@pytest.fixture
def start_server(backend: Backend, tmp_path: Path) -> Iterator[StartServer]:
    """Start a server of one's own: `start_server(IDP_LIFETIMES__ACCESS_TOKEN="30", workers=2)`."""
    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> Server:
            return stack.enter_context(running_server(backend, tmp_path, **options))

        yield start


@pytest.fixture
def browser(server: Server) -> Browser:
    """A browser with an empty cookie jar, at the shared server."""
    return server.browser()


@pytest.fixture
def person(server: Server) -> Person:
    """A new user of the shared server."""
    return server.create_user()


@pytest.fixture
def relying_party(server: Server) -> RelyingParty:
    """A new confidential client of the shared server."""
    return server.create_client()
