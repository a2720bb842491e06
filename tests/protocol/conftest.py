"""Servers for the protocol: one on SQLite unless a test says that storage matters."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.helpers.backends import SQLITE, fresh_backend, is_available
from tests.helpers.needs import need
from tests.helpers.server import Server, running_server

#: Seconds: short enough to wait for, as short as the settings allow.
IMPATIENT = {
    "IDP_LIFETIMES__AUTHORIZATION_CODE": "5",
    "IDP_LIFETIMES__INTERACTION": "10",
    "IDP_LIFETIMES__REFRESH_TOKEN_RACE_GRACE": "1",
}


def _chosen(request: pytest.FixtureRequest) -> str:
    name = str(getattr(request, "param", SQLITE))
    need(is_available(name), f"{name} is not running: python -m tests.helpers.services -- pytest …")
    return name


@pytest.fixture
def server(request: pytest.FixtureRequest, _servers: Callable[[str], Server]) -> Server:
    """The shared server on SQLite; with `on_each_backend`, on every supported storage in turn."""
    return _servers(_chosen(request))


@pytest.fixture(scope="session")
def _impatient_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    with contextlib.ExitStack() as stack:
        running: dict[str, Server] = {}

        def shared(name: str) -> Server:
            if name not in running:
                directory = tmp_path_factory.mktemp("impatient")
                backend = stack.enter_context(fresh_backend(name, directory))
                running[name] = stack.enter_context(running_server(backend, directory, **IMPATIENT))
            return running[name]

        yield shared


@pytest.fixture
def impatient_server(request: pytest.FixtureRequest, _impatient_servers: Callable[[str], Server]) -> Server:
    """A shared server whose codes, Interactions and refresh grace end within seconds (see IMPATIENT)."""
    return _impatient_servers(_chosen(request))
