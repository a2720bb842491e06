"""RFC 8707: which APIs a token is for."""

import secrets
from typing import Any

import pytest

from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import PrivateKey, RelyingParty
from tests.helpers.server import ORDERS_API, Server
from tests.protocol.expectations import error_at_callback, error_of, refused, success_of, unverified

SCOPE = "openid email offline_access orders:read orders:write depot:read depot:write"


@pytest.fixture(scope="session")
def _apis() -> dict[str, str]:
    return {}


@pytest.fixture
def stock_api(server: Server, _apis: dict[str, str]) -> str:
    """A second API, once a server."""
    if server.issuer not in _apis:
        _apis[server.issuer] = server.create_api({"depot:read": "See the stock", "depot:write": "Count the stock"})
    return _apis[server.issuer]


@pytest.fixture
def client(server: Server, stock_api: str) -> RelyingParty:
    """A client that may use both APIs for people."""
    return server.create_client(scope=SCOPE)


def audience_of(token: str) -> list[str]:
    """The `aud` of an access token, as a list."""
    value = unverified(token)["aud"]
    return [value] if isinstance(value, str) else value


def with_resources(party: RelyingParty, scope: str, resources: list[str], **params: Any) -> Any:
    """An authorization request for several resources, and its URL."""
    request = party.authorization_request(scope, **params)
    return request, request.url + "".join(f"&resource={resource}" for resource in resources)


def granted(party: RelyingParty, browser: Browser, person: Person, scope: str, *resources: str) -> dict[str, Any]:
    """Tokens of a sign-in that named these resources."""
    request, url = with_resources(party, scope, list(resources))
    callback = browser.callback(url, person)
    party.check_callback(request, callback)
    return success_of(party.exchange(request, callback))


# In the authorization request (§2.1)


@pytest.mark.parametrize(
    ("scope", "resources", "audience"),
    [
        ("orders:read", [], [ORDERS_API]),
        ("orders:read", [ORDERS_API], [ORDERS_API]),
        ("orders:read", [ORDERS_API + "/"], [ORDERS_API]),
        ("orders:read", [ORDERS_API, ORDERS_API], [ORDERS_API]),
        ("openid email", [], ["ISSUER"]),
        ("openid orders:read", [], [ORDERS_API, "ISSUER"]),
        ("openid orders:read", [ORDERS_API], [ORDERS_API, "ISSUER"]),
        ("orders:read depot:read", [ORDERS_API, "STOCK"], [ORDERS_API, "STOCK"]),
    ],
)
def test_the_audience(
    client: RelyingParty,
    browser: Browser,
    person: Person,
    stock_api: str,
    scope: str,
    resources: list[str],
    audience: list[str],
) -> None:
    names = {"ISSUER": client.issuer, "STOCK": stock_api}
    tokens = granted(client, browser, person, scope, *[names.get(value, value) for value in resources])
    assert sorted(audience_of(tokens["access_token"])) == sorted(names.get(value, value) for value in audience)
    assert tokens["scope"] == unverified(tokens["access_token"])["scope"]


def test_a_list_of_resources_may_be_inside(server: Server, browser: Browser, person: Person, stock_api: str) -> None:
    """§2.1: in a request object several are a list, and one is a string."""
    key = PrivateKey.generate()
    party = server.create_client(scope=SCOPE, private_key=key)
    for inside, audience in (([ORDERS_API, stock_api], [ORDERS_API, stock_api]), (ORDERS_API, [ORDERS_API])):
        token = key.sign(
            {
                "iss": party.client_id,
                "aud": party.issuer,
                "client_id": party.client_id,
                "scope": "orders:read",
                "resource": inside,
            }
        )
        request, callback = party.sign_in(browser, person, "openid", request=token)
        tokens = success_of(party.exchange(request, callback))
        assert sorted(audience_of(tokens["access_token"])) == sorted(audience)


@pytest.mark.parametrize(
    "resource", ["https://unknown.example", ORDERS_API + "#fragment", ORDERS_API + "/v1", "orders", "//", "x" * 3000]
)
def test_an_unknown_resource(client: RelyingParty, browser: Browser, resource: str) -> None:
    assert refused(client, browser, "openid orders:read", resource=resource) == "invalid_target"


def test_scopes_of_two_apis_need_their_resources_named(client: RelyingParty, browser: Browser) -> None:
    """RFC 9068 §3: otherwise each API could use at the other what it was sent."""
    assert refused(client, browser, "openid orders:read depot:read") == "invalid_scope"


def test_one_unknown_resource_among_known_ones(client: RelyingParty, browser: Browser) -> None:
    request, url = with_resources(client, "orders:read", [ORDERS_API, "https://unknown.example"])
    assert error_at_callback(client, request, browser.callback(url)) == "invalid_target"


def test_too_many_resources(client: RelyingParty, browser: Browser) -> None:
    request, url = with_resources(client, "orders:read", [ORDERS_API] * 11)
    assert error_at_callback(client, request, browser.callback(url)) == "invalid_request"


def test_a_resource_that_is_not_the_clients(server: Server, browser: Browser, stock_api: str) -> None:
    party = server.create_client(scope=SCOPE, resources=[ORDERS_API])
    assert refused(party, browser, "openid", resource=stock_api) == "invalid_target"
    assert refused(party, browser, "openid depot:read") == "invalid_target", "also if only the scope means it"


def test_a_scope_that_two_apis_know_needs_a_resource(server: Server, browser: Browser, person: Person) -> None:
    scope = f"shared:{secrets.token_hex(4)}"
    server.administrator.create_api({scope: "One"})
    second = server.create_api({scope: "Two"})
    party = server.create_client(scope=f"openid {scope}")
    assert refused(party, browser, f"openid {scope}") == "invalid_target"
    tokens = granted(party, browser, person, scope, second)
    assert audience_of(tokens["access_token"]) == [second]


def test_consent_is_for_the_resource_as_well(client: RelyingParty, browser: Browser, person: Person) -> None:
    granted(client, browser, person, "email")
    assert refused(client, browser, "email", prompt="none", resource=ORDERS_API) == "consent_required"
    tokens = granted(client, browser, person, "email", ORDERS_API)
    assert audience_of(tokens["access_token"]) == [ORDERS_API]
    # The person's address is not this API's to know; a scope that would be empty is left out (RFC 6749 §3.3).
    assert "scope" not in tokens
    assert "scope" not in unverified(tokens["access_token"])
    request = client.authorization_request("email", prompt="none", resource=ORDERS_API)
    client.check_callback(request, browser.callback(request.url))


# In the token request (§2.2)


def test_each_api_gets_a_token_of_its_own(
    client: RelyingParty, browser: Browser, person: Person, stock_api: str
) -> None:
    request, url = with_resources(client, SCOPE, [ORDERS_API, stock_api])
    callback = browser.callback(url, person)
    first = success_of(client.exchange(request, callback, resource=ORDERS_API))
    assert audience_of(first["access_token"]) == [ORDERS_API]
    assert set(first["scope"].split()) == {"orders:read", "orders:write"}, "no scope leaks to another API"
    second = client.refreshed(first["refresh_token"], resource=stock_api)
    assert audience_of(second["access_token"]) == [stock_api]
    assert set(second["scope"].split()) == {"depot:read", "depot:write"}
    both = client.refreshed(second["refresh_token"])
    assert set(audience_of(both["access_token"])) == {ORDERS_API, stock_api, client.issuer}


def test_a_resource_beyond_the_authorized_ones(
    client: RelyingParty, browser: Browser, person: Person, stock_api: str
) -> None:
    tokens = granted(client, browser, person, "openid offline_access orders:read", ORDERS_API)
    for resource in (stock_api, "https://unknown.example"):
        response = client.refresh(tokens["refresh_token"], resource=resource)
        assert error_of(response) == "invalid_target"
    success_of(client.refresh(tokens["refresh_token"]))


def test_a_code_cannot_be_widened_either(
    client: RelyingParty, browser: Browser, person: Person, stock_api: str
) -> None:
    request, url = with_resources(client, "orders:read", [ORDERS_API])
    assert error_of(client.exchange(request, browser.callback(url, person), resource=stock_api)) == "invalid_target"


# Client credentials


@pytest.fixture
def service(server: Server, stock_api: str) -> RelyingParty:
    """A service that may use both APIs for itself."""
    return server.create_client(
        grant_types=["client_credentials"], redirect_uris=[], scope="orders:read depot:read depot:write"
    )


def test_a_service_names_its_api(service: RelyingParty, stock_api: str) -> None:
    body = success_of(service.client_credentials(None, resource=stock_api))
    assert audience_of(body["access_token"]) == [stock_api]
    assert body["scope"] == "depot:read depot:write"
    narrowed = success_of(service.client_credentials("depot:read", resource=stock_api))
    assert narrowed["scope"] == "depot:read"


def test_a_service_asks_for_what_the_api_does_not_have(service: RelyingParty, stock_api: str) -> None:
    assert error_of(service.client_credentials("orders:read", resource=stock_api)) == "invalid_target"
    assert error_of(service.client_credentials(resource="https://unknown.example")) == "invalid_target"


def test_a_service_restricted_to_one_api(server: Server, stock_api: str) -> None:
    party = server.create_client(
        grant_types=["client_credentials"], redirect_uris=[], scope="orders:read depot:read", resources=[ORDERS_API]
    )
    assert error_of(party.client_credentials("depot:read", resource=stock_api)) == "invalid_target"
    for scope in ("orders:read", None):
        body = success_of(party.client_credentials(scope))
        assert audience_of(body["access_token"]) == [ORDERS_API]
        assert body["scope"] == "orders:read"
    assert error_of(party.client_credentials("depot:read")) == "invalid_target"
