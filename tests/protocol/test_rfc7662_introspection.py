"""RFC 7662: token introspection, which tells everything or nothing."""

import time

import httpx
import pytest

from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import PrivateKey, RelyingParty
from tests.helpers.server import ORDERS_API, Server
from tests.protocol.expectations import error_of, on_each_backend, signed_by, success_of, tampered, unverified
from tests.protocol.happenings import Happening, deactivate, end_the_session, withdraw_consent

SCOPE = "openid email orders:read"


@pytest.fixture
def client(server: Server) -> RelyingParty:
    """A client that may read orders for people."""
    return server.create_client(scope=SCOPE + " offline_access")


@pytest.fixture
def tokens(client: RelyingParty, browser: Browser, person: Person) -> dict[str, str]:
    """What a signed-in person's client holds."""
    return client.tokens(browser, person, SCOPE)


def assert_inactive(response: httpx.Response) -> None:
    """§2.2: not a word more."""
    assert success_of(response) == {"active": False}


@on_each_backend
def test_an_access_token_is_described_as_it_is(client: RelyingParty, tokens: dict[str, str]) -> None:
    told = success_of(client.introspect(tokens["access_token"]))
    claims = unverified(tokens["access_token"])
    assert told["active"] is True
    assert told["token_type"] == "Bearer"
    for name in ("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "auth_time", "acr", "amr"):
        assert told[name] == claims[name], name
    assert not told.keys() - claims.keys() - {"active", "token_type"}


@on_each_backend
def test_a_refresh_token_is_described_to_its_client(
    server: Server, client: RelyingParty, tokens: dict[str, str], person: Person
) -> None:
    told = success_of(client.introspect(tokens["refresh_token"]))
    assert (told["active"], told["client_id"], told["sub"], told["scope"]) == (True, client.client_id, person.id, SCOPE)
    assert told["exp"] > time.time() + 86400
    assert_inactive(server.create_client().introspect(tokens["refresh_token"]))


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense"])
def test_a_hint_never_changes_the_answer(client: RelyingParty, tokens: dict[str, str], hint: str) -> None:
    for name in ("access_token", "refresh_token"):
        assert success_of(client.introspect(tokens[name], token_type_hint=hint))["active"] is True


# Who may ask (§2.1)


def test_the_caller_has_to_authenticate(server: Server, client: RelyingParty, tokens: dict[str, str]) -> None:
    token = tokens["access_token"]
    anonymous = client.post("introspection_endpoint", {"token": token}, authenticate=False)
    assert error_of(anonymous, 401) == "invalid_client"
    named = client.post("introspection_endpoint", {"token": token, "client_id": client.client_id}, authenticate=False)
    assert error_of(named, 401) == "invalid_client"
    client.client_secret = "wrong"
    assert error_of(client.introspect(token), 401) == "invalid_client"
    public = server.create_client(token_endpoint_auth_method="none")
    assert error_of(public.introspect(token), 401) == "invalid_client"
    bearer = {"Authorization": f"Bearer {token}"}
    sent = client.http.post(client.metadata["introspection_endpoint"], data={"token": token}, headers=bearer)
    assert error_of(sent, 401) == "invalid_client"


@pytest.mark.parametrize("auth_method", ["client_secret_post", "client_secret_jwt", "private_key_jwt"])
def test_every_method_of_authentication_works(server: Server, auth_method: str) -> None:
    options = {"private_key": PrivateKey.generate()} if auth_method == "private_key_jwt" else {}
    party = server.create_client(**{"token_endpoint_auth_method": auth_method, **options})
    assert_inactive(party.introspect("unknown"))


@on_each_backend
def test_a_client_that_is_no_audience_learns_nothing(
    server: Server, client: RelyingParty, tokens: dict[str, str]
) -> None:
    assert client.is_active(tokens["access_token"])
    assert_inactive(server.create_client(scope=SCOPE).introspect(tokens["access_token"]))


@on_each_backend
@pytest.mark.parametrize("token_format", ["jwt", "opaque"])
def test_an_api_may_ask_about_the_tokens_it_receives(
    server: Server, browser: Browser, person: Person, token_format: str
) -> None:
    api, other_api = server.create_client(), server.create_client()
    scope = f"shelf:{token_format}:{api.client_id}"
    audience = server.create_api({scope: "Dust"}, token_format=token_format, introspection_clients=[api.client_id])
    client = server.create_client(scope=scope)
    token = client.tokens(browser, person, scope)["access_token"]
    assert (token.count(".") == 2) is (token_format == "jwt")
    told = success_of(api.introspect(token))
    assert (told["active"], told["aud"], told["sub"], told["scope"]) == (True, audience, person.id, scope)
    assert_inactive(other_api.introspect(token))
    assert client.is_active(token)


# What is not active (§2.2)


@pytest.mark.parametrize("token", ["unknown", "x" * 9000, "a.b.c", "é", "\x00", "A" * 70])
def test_an_unknown_token(client: RelyingParty, token: str) -> None:
    assert_inactive(client.introspect(token))


def test_an_id_token_and_a_forged_token(client: RelyingParty, tokens: dict[str, str]) -> None:
    for token in (tokens["id_token"], tampered(tokens["access_token"])):
        assert_inactive(client.introspect(token))


@pytest.mark.parametrize(
    "change", [{"exp": int(time.time()) - 1}, {"iss": "https://another.example"}, {"client_id": "nobody"}]
)
def test_a_token_that_is_ours_and_no_longer_true(
    server: Server, client: RelyingParty, tokens: dict[str, str], change: dict[str, object]
) -> None:
    claims = unverified(tokens["access_token"])
    assert client.is_active(signed_by(server, claims, "at+jwt"))
    assert_inactive(client.introspect(signed_by(server, claims | change, "at+jwt")))


@on_each_backend
@pytest.mark.parametrize("happening", [deactivate, end_the_session, withdraw_consent])
def test_a_token_dies_with_what_it_rests_on(
    server: Server,
    client: RelyingParty,
    tokens: dict[str, str],
    person: Person,
    happening: Happening,
) -> None:
    assert client.is_active(tokens["access_token"])
    happening(server, person)
    assert_inactive(client.introspect(tokens["access_token"]))
    assert_inactive(client.introspect(tokens["refresh_token"]))


def test_a_spent_refresh_token(client: RelyingParty, tokens: dict[str, str]) -> None:
    client.refreshed(tokens["refresh_token"])
    assert_inactive(client.introspect(tokens["refresh_token"]))


def test_malformed_requests(client: RelyingParty) -> None:
    endpoint = client.metadata["introspection_endpoint"]
    assert error_of(client.post("introspection_endpoint", {})) == "invalid_request"
    assert error_of(client.http.post(endpoint, json={"token": "x"})) == "invalid_request"
    assert error_of(client.http.get(endpoint, params={"token": "x"}), 405) == "invalid_request"


def test_no_page_of_another_origin_may_ask(client: RelyingParty) -> None:
    response = client.introspect("unknown")
    assert "Access-Control-Allow-Origin" not in response.headers


def test_both_audiences_of_a_token_for_two(client: RelyingParty, tokens: dict[str, str]) -> None:
    assert success_of(client.introspect(tokens["access_token"]))["aud"] == [ORDERS_API, client.issuer]
