"""Servers for the protocol: one on SQLite unless a test says that storage matters."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.helpers.backends import SQLITE, fresh_backend, is_available
from tests.helpers.browser import Browser, Person
from tests.helpers.needs import need
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server, running_server

#: Seconds: short enough to wait for, as short as the settings allow.
IMPATIENT = {
    "IDP_LIFETIMES__AUTHORIZATION_CODE": "5",
    "IDP_LIFETIMES__INTERACTION": "10",
    "IDP_LIFETIMES__REFRESH_TOKEN_RACE_GRACE": "1",
}

SpecialServers = Callable[..., Server]


@pytest.fixture
def server(request: pytest.FixtureRequest, _servers: Callable[[str], Server]) -> Server:
    """The shared server on SQLite; with `on_each_backend`, on every supported storage in turn."""
    return _servers(_chosen(request))


@pytest.fixture
def impatient_server(request: pytest.FixtureRequest, _special_servers: SpecialServers) -> Server:
    """A shared server whose codes, Interactions and refresh grace end within seconds (see IMPATIENT)."""
    return _special_servers("impatient", _chosen(request), **IMPATIENT)


@pytest.fixture
def careful_server(_special_servers: SpecialServers) -> Server:
    """A shared server without tokens in the front channel, as it is in production."""
    return _special_servers("careful", SQLITE, IDP_FEATURES__FRONT_CHANNEL_TOKENS="false")


@pytest.fixture
def watched_server(_special_servers: SpecialServers) -> Server:
    """A shared server whose session state applications can watch."""
    return _special_servers("watched", SQLITE, IDP_FEATURES__SESSION_MANAGEMENT="true")


@pytest.fixture
def two_workers(request: pytest.FixtureRequest, _special_servers: SpecialServers) -> Server:
    """A shared server of two processes."""
    return _special_servers("two_workers", _chosen(request), workers=2)


@pytest.fixture
def tokens(relying_party: RelyingParty, browser: Browser, person: Person) -> dict[str, Any]:
    """The browser is signed in, consent is remembered, and this is what the client holds."""
    return relying_party.tokens(browser, person)


@pytest.fixture(scope="session")
def _special_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpecialServers]:
    """Servers with settings of their own, each started when first asked for."""
    with contextlib.ExitStack() as stack:
        running: dict[tuple[str, str], Server] = {}

        def shared(kind: str, backend_name: str, **options: Any) -> Server:
            if (kind, backend_name) not in running:
                directory = tmp_path_factory.mktemp(kind)
                backend = stack.enter_context(fresh_backend(backend_name, directory))
                running[kind, backend_name] = stack.enter_context(running_server(backend, directory, **options))
            return running[kind, backend_name]

        yield shared


def _chosen(request: pytest.FixtureRequest) -> str:
    name = str(getattr(request, "param", SQLITE))
    need(is_available(name), f"{name} is not running: python -m tests.helpers.services -- pytest …")
    return name
