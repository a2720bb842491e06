"""Servers to attack: the shared one, one with real limits and real Argon2, and one as in production."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.helpers.backends import SQLITE, fresh_backend, is_available
from tests.helpers.needs import need
from tests.helpers.server import Server, running_server

#: What the test defaults soften, as the product ships it. Each test attacks from an address of its own, which the
#: server believes because the tests' proxy is trusted.
STRICT = {
    "IDP_THROTTLE__ADDRESS_FAILURES": "20",
    "IDP_THROTTLE__RESET_REQUESTS_PER_ADDRESS": "20",
    "IDP_PASSWORDS__ARGON2_MEMORY_KIB": "19456",
    "IDP_PASSWORDS__ARGON2_ITERATIONS": "2",
    "IDP_TRUSTED_PROXIES": "127.0.0.1/32",
}


@pytest.fixture
def server(request: pytest.FixtureRequest, _servers: Callable[[str], Server]) -> Server:
    """The shared server on SQLite; with `on_each_backend`, on every supported storage in turn."""
    name = str(getattr(request, "param", SQLITE))
    need(is_available(name), f"{name} is not running: python -m tests.helpers.services -- pytest …")
    return _servers(name)


@pytest.fixture(scope="session")
def _stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def strict_server(tmp_path_factory: pytest.TempPathFactory, _stack: contextlib.ExitStack) -> Server:
    """A server with the limits of a real deployment, behind a proxy that says where requests come from."""
    directory = tmp_path_factory.mktemp("strict")
    backend = _stack.enter_context(fresh_backend(SQLITE, directory))
    return _stack.enter_context(running_server(backend, directory, **STRICT))


@pytest.fixture(scope="session")
def production_server(tmp_path_factory: pytest.TempPathFactory, _stack: contextlib.ExitStack) -> Server:
    """A server in production mode that speaks TLS itself."""
    directory = tmp_path_factory.mktemp("production")
    backend = _stack.enter_context(fresh_backend(SQLITE, directory))
    return _stack.enter_context(running_server(backend, directory, tls=True, IDP_ENVIRONMENT="production"))
