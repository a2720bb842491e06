"""What other people's programs parse. A change here breaks somebody, or is a feature with a changelog entry."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.golden.golden import DIRECTORY, Volatile, check
from tests.helpers.browser import Callback, Person
from tests.helpers.relying_party import CALLBACK, LOGGED_OUT, RelyingParty
from tests.helpers.server import ORDERS_API, Server

SCOPE = "openid profile email address phone offline_access orders:read"
CLAIMS: dict[str, Any] = {
    "name": "Grace Brewster Hopper",
    "given_name": "Grace",
    "family_name": "Hopper",
    "middle_name": "Brewster",
    "nickname": "Amazing Grace",
    "preferred_username": "grace",
    "profile": "https://people.example.com/grace",
    "picture": "https://people.example.com/grace.png",
    "website": "https://grace.example.com/",
    "gender": "female",
    "birthdate": "1906-12-09",
    "zoneinfo": "America/New_York",
    "locale": "en-US",
    "phone_number": "+12025550123",
    "phone_number_verified": True,
    "address": {"street_address": "1 Navy Yard", "locality": "Washington", "postal_code": "20374", "country": "US"},
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A client, a service and a person, the tokens they got, and the names of what is volatile in them."""

    party: RelyingParty
    service: RelyingParty
    person: Person
    answer: httpx.Response
    volatile: Volatile

    @property
    def tokens(self) -> dict[str, Any]:
        """The token response."""
        tokens: dict[str, Any] = self.answer.json()
        return tokens


@pytest.fixture
def scene(sqlite_server: Server) -> Scene:
    """Somebody signed in and the code is redeemed."""
    party = sqlite_server.create_client(scope=SCOPE, post_logout_redirect_uris=[LOGGED_OUT])
    service = sqlite_server.create_client(
        client_name="A service", grant_types=["client_credentials"], redirect_uris=[], scope="orders:read orders:write"
    )
    person = sqlite_server.create_user(**CLAIMS)
    request, callback = party.sign_in(sqlite_server.browser(), person, SCOPE)
    volatile = Volatile(
        issuer=sqlite_server.issuer,
        client_id=party.client_id,
        service_id=service.client_id,
        sub=person.id,
        email=person.email,
    )
    return Scene(party, service, person, party.exchange(request, callback), volatile)


def test_discovery(scene: Scene) -> None:
    for name in ("openid-configuration", "oauth-authorization-server"):
        response = scene.party.http.get(f"{scene.party.issuer}/.well-known/{name}")
        check(f"discovery-{name}", scene.volatile.answer(response))


def test_jwks(scene: Scene) -> None:
    response = scene.party.http.get(scene.party.metadata["jwks_uri"])
    document = scene.volatile.answer(response)
    document["body"]["keys"].sort(key=lambda key: str(key["alg"]))
    check("jwks", document)


def test_tokens(scene: Scene) -> None:
    check("token-response", scene.volatile.answer(scene.answer))
    check("id-token", scene.volatile.token(scene.tokens["id_token"]))
    check("access-token", scene.volatile.token(scene.tokens["access_token"]))


def test_refreshed_tokens(scene: Scene) -> None:
    answer = scene.party.refresh(scene.tokens["refresh_token"])
    check("token-response-refreshed", scene.volatile.answer(answer))
    check("id-token-refreshed", scene.volatile.token(answer.json()["id_token"]))
    narrowed = scene.party.refresh(answer.json()["refresh_token"], scope="orders:read", resource=ORDERS_API)
    check("access-token-for-one-api", scene.volatile.token(narrowed.json()["access_token"]))


def test_client_credentials(scene: Scene) -> None:
    answer = scene.service.client_credentials("orders:read")
    check("token-response-client-credentials", scene.volatile.answer(answer))
    check("access-token-client-credentials", scene.volatile.token(answer.json()["access_token"]))


def test_id_token_after_two_factors(sqlite_server: Server) -> None:
    party, person = sqlite_server.create_client(), sqlite_server.create_user(totp=True)
    tokens = party.tokens(sqlite_server.browser(), person, "openid", max_age="600")
    volatile = Volatile(issuer=sqlite_server.issuer, client_id=party.client_id, sub=person.id)
    check("id-token-two-factors", volatile.token(tokens["id_token"]))


def test_requested_claims(sqlite_server: Server) -> None:
    party, person = sqlite_server.create_client(), sqlite_server.create_user(**CLAIMS)
    wanted = '{"id_token": {"email": {"essential": true}, "given_name": null}, "userinfo": {"zoneinfo": null}}'
    tokens = party.tokens(sqlite_server.browser(), person, "openid", claims=wanted)
    volatile = Volatile(issuer=sqlite_server.issuer, client_id=party.client_id, sub=person.id, email=person.email)
    check("id-token-with-claims", volatile.token(tokens["id_token"]))
    check("userinfo-with-claims", volatile.answer(party.userinfo(tokens["access_token"])))


def test_userinfo(scene: Scene) -> None:
    check("userinfo", scene.volatile.answer(scene.party.userinfo(scene.tokens["access_token"])))
    check(
        "userinfo-without-token", scene.volatile.answer(scene.party.http.get(scene.party.issuer + "/oauth2/userinfo"))
    )
    check("userinfo-wrong-token", scene.volatile.answer(scene.party.userinfo("wrong")))
    narrow = scene.party.refresh(scene.tokens["refresh_token"], scope="orders:read").json()["access_token"]
    check("userinfo-insufficient-scope", scene.volatile.answer(scene.party.userinfo(narrow)))


def test_introspection(scene: Scene) -> None:
    party, tokens = scene.party, scene.tokens
    check("introspection-access-token", scene.volatile.answer(party.introspect(tokens["access_token"])))
    check("introspection-refresh-token", scene.volatile.answer(party.introspect(tokens["refresh_token"])))
    check("introspection-inactive", scene.volatile.answer(party.introspect("nothing")))
    check(
        "introspection-unauthenticated",
        scene.volatile.answer(party.post("introspection_endpoint", {"token": "x"}, authenticate=False)),
    )


def test_revocation(scene: Scene) -> None:
    check("revocation", scene.volatile.answer(scene.party.revoke(scene.tokens["refresh_token"])))
    check(
        "revocation-without-token",
        scene.volatile.answer(scene.party.post("revocation_endpoint", {"token_type_hint": "access_token"})),
    )


def test_token_errors(scene: Scene) -> None:
    party, service = scene.party, scene.service
    stranger = RelyingParty(party.issuer, "nobody", "nothing")
    requests = {
        "invalid_client": stranger.client_credentials(),
        "invalid_client-without-credentials": party.token({"grant_type": "client_credentials"}, authenticate=False),
        "invalid_request-no-grant-type": party.token({"scope": "openid"}),
        "invalid_request-no-code": party.token({"grant_type": "authorization_code"}),
        "invalid_grant-code": party.token({"grant_type": "authorization_code", "code": "x", "redirect_uri": CALLBACK}),
        "invalid_grant-refresh": party.refresh("x"),
        "unsupported_grant_type": party.token({"grant_type": "password", "username": "a", "password": "b"}),
        "unauthorized_client": party.client_credentials("orders:read"),
        "invalid_scope": service.client_credentials("orders:delete"),
        "invalid_target": service.client_credentials("orders:read", resource="https://elsewhere.example.com"),
    }
    for name, response in requests.items():
        check(f"error-token-{name}", scene.volatile.answer(response))


def test_authorization_responses(scene: Scene, sqlite_server: Server) -> None:
    party, browser = scene.party, sqlite_server.browser()
    requests = {
        "login_required": party.authorization_request("openid", prompt="none"),
        "invalid_scope": party.authorization_request("nothing:known"),
        "unsupported_response_type": party.authorization_request("openid", response_type="token"),
        "invalid_request-pkce": party.authorization_request("openid", code_challenge=None),
        "invalid_request_object": party.authorization_request("openid", request="x.y.z"),
    }
    for name, request in requests.items():
        shown = browser.open(request.url)
        assert isinstance(shown, Callback), shown
        check(f"error-authorize-{name}", {"mode": shown.mode, "params": scene.volatile.normal(shown.params)})
    request = party.authorization_request("openid")
    allowed = browser.callback(request.url, scene.person)
    check("authorization-response", {"mode": allowed.mode, "params": scene.volatile.normal(allowed.params)})


def test_http_errors(scene: Scene) -> None:
    """Mistakes below the protocol are JSON too where programs call."""
    http, issuer = scene.party.http, scene.party.issuer
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    requests = {
        "405": http.get(issuer + "/oauth2/token"),
        "404": http.get(issuer + "/.well-known/nothing"),
        "413": http.post(issuer + "/oauth2/token", content=b"a=" + b"b" * 300_000, headers=form),
        "json-body": http.post(issuer + "/oauth2/token", json={"grant_type": "client_credentials"}),
    }
    for name, response in requests.items():
        check(f"error-http-{name}", scene.volatile.answer(response))


def test_health(scene: Scene) -> None:
    for name in ("healthz", "readyz"):
        check(name, scene.volatile.answer(scene.party.http.get(f"{scene.party.issuer}/{name}")))


def test_no_expectation_is_left_over() -> None:
    """A file that no test compares with says nothing."""
    source = (DIRECTORY.parent / "test_wire_formats.py").read_text()
    names = {path.stem for path in DIRECTORY.glob("*.json")}
    generated = ("error-token-", "error-authorize-", "error-http-", "discovery-")
    left_over = [
        name
        for name in names
        if f'"{name}"' not in source
        and not any(name.startswith(prefix) and f'"{name.removeprefix(prefix)}"' in source for prefix in generated)
    ]
    assert left_over == []
