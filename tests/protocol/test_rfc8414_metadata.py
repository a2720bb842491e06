"""RFC 8414: authorization server metadata, also for an issuer with a path (§3.1)."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server, running_server

ISSUER = "https://id.example.com/auth/main"
HOST = {"Host": "id.example.com"}


def test_both_documents_are_the_same(relying_party: RelyingParty) -> None:
    response = relying_party.http.get(relying_party.issuer + "/.well-known/oauth-authorization-server")
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["ETag"]
    assert response.json() == relying_party.metadata


def test_addresses_are_plain(relying_party: RelyingParty) -> None:
    """RFC 6749 §3.1, §3.2: no endpoint has a fragment; nor has any a query, or a user."""
    addresses = [value for value in relying_party.metadata.values() if str(value).startswith("http")]
    assert len(addresses) > 7
    assert not [address for address in addresses if set("#?@") & set(address)]


def test_no_endpoint_is_missing(relying_party: RelyingParty) -> None:
    """§2, §2.1 of RFC 7009, §2 of RFC 7662"""
    kinds = ("authorization", "token", "revocation", "introspection")
    assert {f"{kind}_endpoint" for kind in kinds} | {"issuer", "jwks_uri"} <= relying_party.metadata.keys()


@pytest.fixture(scope="module")
def server_with_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server behind a proxy that keeps the path of its issuer."""
    directory: Path = tmp_path_factory.mktemp("path")
    with (
        fresh_backend(SQLITE, directory) as backend,
        running_server(backend, directory, IDP_ISSUER=ISSUER) as server,
    ):
        yield server


def get(server: Server, path: str) -> httpx.Response:
    """What the proxy would fetch."""
    return httpx.get(f"http://127.0.0.1:{server.port}{path}", headers=HOST)


@pytest.mark.parametrize("document", ["openid-configuration", "oauth-authorization-server"])
@pytest.mark.parametrize("form", ["/.well-known/{}/auth/main", "/auth/main/.well-known/{}"])
def test_a_path_in_the_issuer_is_inserted_and_appended(server_with_path: Server, document: str, form: str) -> None:
    response = get(server_with_path, form.format(document))
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.json()["issuer"] == ISSUER


def test_endpoints_are_under_the_path(server_with_path: Server) -> None:
    document = get(server_with_path, "/auth/main/.well-known/openid-configuration").json()
    for name, url in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert url.startswith(ISSUER + "/"), name
            path = url.removeprefix("https://id.example.com")
            assert get(server_with_path, path).status_code in (200, 303, 400, 401, 405), name


def test_nothing_answers_outside_the_path_but_health(server_with_path: Server) -> None:
    for path in ("/.well-known/openid-configuration", "/oauth2/jwks", "/oauth2/authorize"):
        assert get(server_with_path, path).status_code == 404, path
    for path in ("/healthz", "/readyz"):
        # A probe names the pod's address, not the issuer's host.
        probe = httpx.get(f"http://127.0.0.1:{server_with_path.port}{path}", headers={"Host": "10.0.0.7:8000"})
        assert probe.status_code == 200


def test_https_issuers_set_safe_cookies_and_transport_security(server_with_path: Server) -> None:
    response = get(server_with_path, "/auth/main/signin/")
    assert "max-age=" in response.headers["Strict-Transport-Security"]
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-")
    for attribute in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert attribute in cookie
