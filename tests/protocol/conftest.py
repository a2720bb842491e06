"""Servers for the protocol: one on SQLite unless a test says that storage matters."""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.helpers.backends import SQLITE, fresh_backend, is_available
from tests.helpers.browser import Browser, Person
from tests.helpers.certificates import Certificate, loopback_certificate
from tests.helpers.client_site import ClientSite, client_site
from tests.helpers.needs import need
from tests.helpers.registrant import GUARDED, OPEN, Registrant
from tests.helpers.relying_party import PrivateKey, RelyingParty
from tests.helpers.server import Server, running_server

#: Seconds: short enough to wait for, as short as the settings allow.
IMPATIENT = {
    "IDP_LIFETIMES__AUTHORIZATION_CODE": "5",
    "IDP_LIFETIMES__INTERACTION": "10",
    "IDP_LIFETIMES__REFRESH_TOKEN_RACE_GRACE": "1",
}

SOFTWARE_ISSUER = "https://federation.example"
"""Whose software statements count at the guarded server."""

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
def lenient_server(_special_servers: SpecialServers) -> Server:
    """A shared server that fetches request objects, and takes unsigned ones."""
    return _special_servers(
        "lenient", SQLITE, IDP_FEATURES__REQUEST_URI="true", IDP_FEATURES__UNSIGNED_REQUEST_OBJECTS="true"
    )


@pytest.fixture
def two_workers(request: pytest.FixtureRequest, _special_servers: SpecialServers) -> Server:
    """A shared server of two processes."""
    return _special_servers("two_workers", _chosen(request), workers=2)


@pytest.fixture
def special_servers(_special_servers: SpecialServers) -> SpecialServers:
    """Servers for the settings of a single test."""
    return _special_servers


@pytest.fixture
def open_server(request: pytest.FixtureRequest, _special_servers: SpecialServers, authority: Certificate) -> Server:
    """A shared server at which everybody may register clients, and which trusts the site's certificate."""
    trust = {"IDP_FETCH__CA_BUNDLE": str(authority.certificate)}
    return _special_servers("open", _chosen(request), **OPEN, **trust)


@pytest.fixture
def guarded_server(
    request: pytest.FixtureRequest,
    _special_servers: SpecialServers,
    software_issuer: PrivateKey,
    tmp_path_factory: pytest.TempPathFactory,
) -> Server:
    """A shared server of two processes at which clients register by initial access tokens and software statements."""
    trusted = tmp_path_factory.mktemp("trusted") / "issuers.json"
    trusted.write_text(json.dumps([{"issuer": SOFTWARE_ISSUER, "jwks": {"keys": [software_issuer.jwk]}}]))
    more = {
        "IDP_REGISTRATION__TRUSTED_SOFTWARE_ISSUERS": str(trusted),
        "IDP_REGISTRATION__GRANT_TYPES": "authorization_code refresh_token client_credentials",
    }
    return _special_servers("guarded", _chosen(request), workers=2, **GUARDED, **more)


@pytest.fixture
def registrant(open_server: Server) -> Registrant:
    """An application that has not registered yet."""
    return Registrant(open_server)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """The certificate of the site."""
    return loopback_certificate(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def software_issuer() -> PrivateKey:
    """The key of SOFTWARE_ISSUER."""
    return PrivateKey.generate("ES256")


@pytest.fixture
def site(authority: Certificate) -> Iterator[ClientSite]:
    """The application's own site, over TLS."""
    with client_site(authority) as running:
        yield running


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
