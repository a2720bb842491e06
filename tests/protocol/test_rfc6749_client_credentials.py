"""RFC 6749 §4.4: a service acts for itself."""

import pytest

from docs.generate.__main__ import DOCS
from tests.helpers.browser import Browser
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import ORDERS_API, ORDERS_SCOPES, Server
from tests.protocol.expectations import error_of, on_each_backend, refused, success_of


@pytest.fixture
def service(server: Server) -> RelyingParty:
    """A service that may read and write orders."""
    return server.create_client(
        grant_types=["client_credentials"], redirect_uris=[], scope="openid orders:read orders:write"
    )


@on_each_backend
def test_the_token_is_the_clients_own(service: RelyingParty) -> None:
    body = success_of(service.client_credentials("orders:read"))
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}, "no refresh token, no ID token"
    claims = service.verify_access_token(body["access_token"], ORDERS_API)
    assert claims["sub"] == claims["client_id"] == service.client_id
    assert claims["scope"] == body["scope"] == "orders:read"
    assert claims["exp"] - claims["iat"] == body["expires_in"]
    assert not claims.keys() & {"auth_time", "acr", "amr", "roles"}, "nobody signed in"
    assert service.is_active(body["access_token"])


def test_without_a_scope_all_that_is_registered_is_granted(service: RelyingParty) -> None:
    assert success_of(service.client_credentials())["scope"].split() == sorted(ORDERS_SCOPES)


@pytest.mark.parametrize("scope", ["orders:delete", "orders:read orders:delete", "openid", "orders:read openid", '"'])
def test_a_scope_beyond_the_registered_ones(service: RelyingParty, scope: str) -> None:
    assert error_of(service.client_credentials(scope)) == "invalid_scope"


def test_a_client_that_registered_no_scope_gets_none(server: Server) -> None:
    party = server.create_client(grant_types=["client_credentials"], redirect_uris=[])
    assert error_of(party.client_credentials("orders:read")) == "invalid_scope"


def test_a_client_without_the_grant(relying_party: RelyingParty) -> None:
    assert error_of(relying_party.client_credentials()) == "unauthorized_client"


def test_a_public_client_may_not(server: Server) -> None:
    party = server.create_client(token_endpoint_auth_method="none")
    assert error_of(party.client_credentials()) == "unauthorized_client"


@on_each_backend
def test_a_disabled_client_gets_nothing_more(server: Server, service: RelyingParty) -> None:
    token = success_of(service.client_credentials())["access_token"]
    api = server.create_client()
    with server.administrator.provider() as provider:
        provider.clients.set_enabled(service.client_id, False)
    server.create_api({"other": "Something else"})  # waits until the server has noticed
    assert error_of(service.client_credentials(), 401) == "invalid_client"
    assert not api.is_active(token)
    assert service.userinfo(token).status_code == 401


def test_no_person_stands_behind_the_token(service: RelyingParty) -> None:
    token = success_of(service.client_credentials())["access_token"]
    assert error_of(service.userinfo(token), 403) == "insufficient_scope"


@pytest.mark.parametrize("scope", ["orders:read\norders:write", "\r\n", "orders:read\torders:write", 'a"b', "é"])
def test_only_spaces_part_scopes(service: RelyingParty, scope: str) -> None:
    """§3.3"""
    assert error_of(service.client_credentials(scope)) == "invalid_scope"


def test_what_no_scope_means_is_documented(
    service: RelyingParty, relying_party: RelyingParty, browser: Browser
) -> None:
    """§3.3"""
    page = " ".join((DOCS / "explanation" / "tokens.md").read_text().split())
    assert "A sign-in without `scope` is refused with `invalid_scope`" in page
    assert refused(relying_party, browser, None) == "invalid_scope"
    assert "with client credentials it means all that is registered" in page
    assert success_of(service.client_credentials())["scope"].split() == sorted(ORDERS_SCOPES)
