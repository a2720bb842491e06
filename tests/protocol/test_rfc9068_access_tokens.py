"""RFC 9068: JWT access tokens, and opaque ones for APIs that prefer to ask."""

import secrets
import time
from typing import Any

import jwt
import pytest

from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import ORDERS_API, Server
from tests.protocol.expectations import on_each_backend, success_of, unverified

ALWAYS = {"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope"}


@pytest.fixture
def client(server: Server) -> RelyingParty:
    """A client that may read orders for people."""
    return server.create_client(scope="openid email offline_access orders:read orders:write")


def issue(party: RelyingParty, browser: Browser, person: Person, scope: str = "orders:read") -> dict[str, Any]:
    """The claims of an access token for the orders API, verified as the API would."""
    tokens = party.tokens(browser, person, scope)
    return party.verify_access_token(tokens["access_token"], ORDERS_API)


def test_a_persons_token(client: RelyingParty, browser: Browser, person: Person) -> None:
    before = int(time.time())
    claims = issue(client, browser, person)
    assert set(claims) == ALWAYS | {"auth_time", "acr", "amr"}
    assert claims["iss"] == client.issuer
    assert claims["sub"] == person.id
    assert claims["aud"] == ORDERS_API
    assert claims["client_id"] == client.client_id
    assert claims["scope"] == "orders:read"
    assert claims["exp"] - claims["iat"] == 300
    assert before - 60 <= claims["auth_time"] <= claims["iat"] <= time.time()
    assert claims["acr"] == "urn:idp:acr:password"
    assert claims["amr"] == ["pwd"]


def test_the_header(client: RelyingParty, browser: Browser, person: Person) -> None:
    token = client.tokens(browser, person, "orders:read")["access_token"]
    header = jwt.get_unverified_header(token)
    assert header.keys() == {"alg", "typ", "kid"}
    assert header["typ"] == "at+jwt"
    assert header["alg"] == "RS256"


def test_every_token_has_its_own_id(client: RelyingParty, browser: Browser, person: Person) -> None:
    tokens = client.tokens(browser, person, "orders:read offline_access")
    ids = {unverified(tokens["access_token"])["jti"]}
    for _ in range(3):
        tokens = client.refreshed(tokens["refresh_token"])
        ids.add(unverified(tokens["access_token"])["jti"])
    assert len(ids) == 4


def test_auth_time_stays_through_refresh(client: RelyingParty, browser: Browser, person: Person) -> None:
    tokens = client.tokens(browser, person, "orders:read offline_access")
    first = unverified(tokens["access_token"])
    time.sleep(1.1)
    second = unverified(client.refreshed(tokens["refresh_token"])["access_token"])
    assert second["auth_time"] == first["auth_time"]
    assert second["iat"] > first["iat"]


def test_roles(server: Server, client: RelyingParty, browser: Browser) -> None:
    role = f"clerk-{secrets.token_hex(4)}"
    with server.administrator.provider() as provider:
        provider.roles.create(role, "Handles orders")
    person = server.create_user(roles=[role])
    assert issue(client, browser, person)["roles"] == [role]


def test_a_second_factor_shows(server: Server, client: RelyingParty, browser: Browser) -> None:
    claims = issue(client, browser, server.create_user(totp=True))
    assert claims["amr"] == ["pwd", "otp", "mfa"]
    assert claims["acr"] == "urn:idp:acr:mfa"


def test_nothing_personal_travels_in_it(client: RelyingParty, browser: Browser, person: Person) -> None:
    tokens = client.tokens(browser, person, "openid email orders:read")
    assert person.email not in str(unverified(tokens["access_token"]))


def test_two_audiences_are_a_list(client: RelyingParty, browser: Browser, person: Person) -> None:
    claims = issue(client, browser, person, "openid orders:read")
    assert claims["aud"] == [ORDERS_API, client.issuer]


@pytest.mark.parametrize("alg", ["PS256", "ES256", "EdDSA"])
def test_an_api_chooses_its_algorithm_and_lifetime(server: Server, browser: Browser, person: Person, alg: str) -> None:
    scope = f"box:{secrets.token_hex(4)}"
    audience = server.create_api({scope: "Open it"}, signing_alg=alg, token_lifetime=60)
    party = server.create_client(scope=scope)
    tokens = party.tokens(browser, person, scope)
    claims = party.verify_access_token(tokens["access_token"], audience)
    assert jwt.get_unverified_header(tokens["access_token"])["alg"] == alg
    assert claims["exp"] - claims["iat"] == tokens["expires_in"] == 60
    assert party.is_active(tokens["access_token"])


@on_each_backend
def test_an_opaque_token_says_nothing_and_works_the_same(server: Server, browser: Browser, person: Person) -> None:
    scope = f"vault:{secrets.token_hex(4)}"
    audience = server.create_api({scope: "Open it"}, token_format="opaque", token_lifetime=60)
    party = server.create_client(scope=f"openid email {scope}")
    tokens = party.tokens(browser, person, f"openid {scope}")
    token = tokens["access_token"]
    assert "." not in token
    assert len(token) >= 43, "256 bits"
    assert tokens["expires_in"] == 60
    told = success_of(party.introspect(token))
    assert set(told) == ALWAYS | {"active", "token_type", "auth_time", "acr", "amr"}
    assert told["aud"] == [audience, party.issuer]
    assert told["exp"] - told["iat"] == 60
    assert success_of(party.userinfo(token)) == {"sub": person.id}


def test_an_id_token_is_refused_where_an_access_token_is_wanted(
    client: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = client.tokens(browser, person)
    assert jwt.get_unverified_header(tokens["id_token"])["typ"] != "at+jwt"
    assert client.userinfo(tokens["id_token"]).status_code == 401
    assert not client.is_active(tokens["id_token"])
