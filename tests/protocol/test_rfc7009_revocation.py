"""RFC 7009: token revocation."""

import httpx
import pytest

from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import error_of, on_each_backend, success_of, tampered


@pytest.fixture
def tokens(relying_party: RelyingParty, browser: Browser, person: Person) -> dict[str, str]:
    """What a signed-in person's client holds."""
    return relying_party.tokens(browser, person, "openid email offline_access")


def assert_done(response: httpx.Response) -> None:
    """§2.2: 200, and the body does not matter; ours is empty."""
    assert (response.status_code, response.content) == (200, b"")


@on_each_backend
@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token", "nonsense"])
def test_revoking_a_refresh_token_ends_its_family(
    relying_party: RelyingParty, tokens: dict[str, str], hint: str | None
) -> None:
    assert relying_party.is_active(tokens["access_token"])
    assert_done(relying_party.revoke(tokens["refresh_token"], token_type_hint=hint))
    assert error_of(relying_party.refresh(tokens["refresh_token"])) == "invalid_grant"
    assert not relying_party.is_active(tokens["refresh_token"])
    assert not relying_party.is_active(tokens["access_token"])
    assert relying_party.userinfo(tokens["access_token"]).status_code == 401
    assert_done(relying_party.revoke(tokens["refresh_token"]))


@on_each_backend
@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token", "nonsense"])
def test_revoking_an_access_token_ends_it_alone(
    relying_party: RelyingParty, tokens: dict[str, str], hint: str | None
) -> None:
    assert_done(relying_party.revoke(tokens["access_token"], token_type_hint=hint))
    assert not relying_party.is_active(tokens["access_token"])
    assert relying_party.userinfo(tokens["access_token"]).status_code == 401
    renewed = relying_party.refreshed(tokens["refresh_token"])
    assert relying_party.is_active(renewed["access_token"])


@on_each_backend
def test_a_spent_refresh_token_still_ends_its_family(relying_party: RelyingParty, tokens: dict[str, str]) -> None:
    renewed = relying_party.refreshed(tokens["refresh_token"])
    assert_done(relying_party.revoke(tokens["refresh_token"]))
    assert error_of(relying_party.refresh(renewed["refresh_token"])) == "invalid_grant"


@on_each_backend
@pytest.mark.parametrize("which", ["refresh_token", "access_token"])
def test_another_clients_token_stays(
    server: Server, relying_party: RelyingParty, tokens: dict[str, str], which: str
) -> None:
    assert_done(server.create_client().revoke(tokens[which]))
    assert relying_party.is_active(tokens["access_token"])
    success_of(relying_party.refresh(tokens["refresh_token"]))


@pytest.mark.parametrize("token", ["unknown", "A" * 70, "a.b.c", "é", "\x00", "x" * 9000])
def test_an_unknown_token_is_as_good_as_revoked(relying_party: RelyingParty, token: str) -> None:
    assert_done(relying_party.revoke(token))


def test_an_id_token_or_a_forged_token_revokes_nothing(relying_party: RelyingParty, tokens: dict[str, str]) -> None:
    for token in (tokens["id_token"], tampered(tokens["access_token"])):
        assert_done(relying_party.revoke(token))
    assert relying_party.is_active(tokens["access_token"])


@on_each_backend
@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
def test_a_services_token_can_be_revoked(server: Server, token_format: str) -> None:
    scope = f"stock:{token_format}"
    audience = server.create_api({scope: "Count"}, token_format=token_format)
    party = server.create_client(grant_types=["client_credentials"], redirect_uris=[], scope=scope)
    token = success_of(party.client_credentials(scope, resource=audience))["access_token"]
    other = success_of(party.client_credentials(scope, resource=audience))["access_token"]
    assert party.is_active(token)
    assert_done(party.revoke(token))
    assert not party.is_active(token)
    assert party.is_active(other)


def test_a_public_client_names_itself(server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client(token_endpoint_auth_method="none")
    tokens = party.tokens(browser, person, "openid offline_access")
    assert error_of(party.post("revocation_endpoint", {"token": "x"}, authenticate=False), 401) == "invalid_client"
    assert_done(party.revoke(tokens["refresh_token"]))
    assert error_of(party.refresh(tokens["refresh_token"])) == "invalid_grant"


def test_client_authentication_comes_first(relying_party: RelyingParty, tokens: dict[str, str]) -> None:
    secret, relying_party.client_secret = relying_party.client_secret, "wrong"
    assert error_of(relying_party.revoke(tokens["refresh_token"]), 401) == "invalid_client"
    relying_party.client_secret = secret
    assert relying_party.is_active(tokens["access_token"])


def test_malformed_requests(relying_party: RelyingParty) -> None:
    endpoint = relying_party.metadata["revocation_endpoint"]
    assert error_of(relying_party.post("revocation_endpoint", {})) == "invalid_request"
    assert error_of(relying_party.http.post(endpoint, json={"token": "x"})) == "invalid_request"
    assert error_of(relying_party.http.get(endpoint, params={"token": "x"}), 405) == "invalid_request"


def test_pages_of_another_origin_may_revoke_without_cookies(
    relying_party: RelyingParty, tokens: dict[str, str]
) -> None:
    """§2.3"""
    headers = {"Origin": "https://spa.example", "Access-Control-Request-Method": "POST"}
    preflight = relying_party.http.request("OPTIONS", relying_party.metadata["revocation_endpoint"], headers=headers)
    assert preflight.status_code == 204
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"].lower()
    for response in (preflight, relying_party.revoke(tokens["access_token"]), relying_party.revoke("")):
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert "Set-Cookie" not in response.headers
