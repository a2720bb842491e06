"""RFC 6750: bearer tokens as UserInfo takes them."""

import re
import time

import httpx
import pytest

from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import error_of, signed_by, success_of, tampered, unverified


@pytest.fixture
def tokens(relying_party: RelyingParty, browser: Browser, person: Person) -> dict[str, str]:
    """What a signed-in person's client holds."""
    return relying_party.tokens(browser, person, "openid email offline_access")


def ask(party: RelyingParty, method: str = "GET", **options: object) -> httpx.Response:
    """A request to UserInfo."""
    return party.http.request(method, party.metadata["userinfo_endpoint"], **options)  # type: ignore[arg-type]


def challenge_of(response: httpx.Response) -> dict[str, str]:
    """The parameters of the Bearer challenge (§3)."""
    scheme, _, rest = response.headers["WWW-Authenticate"].partition(" ")
    assert scheme == "Bearer"
    parameters = dict(re.findall(r'(\w+)="([^"\\]*)"', rest))
    assert ", ".join(f'{name}="{value}"' for name, value in parameters.items()) == rest, "well-formed, nothing twice"
    return parameters


# Ways to send it (§2)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_in_the_header(
    relying_party: RelyingParty, tokens: dict[str, str], person: Person, method: str, scheme: str
) -> None:
    response = ask(relying_party, method, headers={"Authorization": f"{scheme} {tokens['access_token']}"})
    assert success_of(response)["sub"] == person.id


def test_in_a_form_body(relying_party: RelyingParty, tokens: dict[str, str], person: Person) -> None:
    response = ask(relying_party, "POST", data={"access_token": tokens["access_token"]})
    assert success_of(response)["sub"] == person.id


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_never_in_the_query(relying_party: RelyingParty, tokens: dict[str, str], method: str) -> None:
    response = ask(relying_party, method, params={"access_token": tokens["access_token"]})
    assert response.status_code == 401
    assert "error" not in challenge_of(response)


def test_not_in_the_body_of_a_get_nor_in_json(relying_party: RelyingParty, tokens: dict[str, str]) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    sent = ask(relying_party, "GET", headers=form, content=f"access_token={tokens['access_token']}")
    assert sent.status_code == 401
    assert ask(relying_party, "POST", json={"access_token": tokens["access_token"]}).status_code == 401


def test_not_twice(relying_party: RelyingParty, tokens: dict[str, str]) -> None:
    header = {"Authorization": f"Bearer {tokens['access_token']}"}
    response = ask(relying_party, "POST", headers=header, data={"access_token": tokens["access_token"]})
    assert error_of(response) == "invalid_request"
    assert challenge_of(response)["error"] == "invalid_request"


# Refusals (§3)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}])
def test_without_a_token_no_error_is_named(relying_party: RelyingParty, headers: dict[str, str]) -> None:
    response = ask(relying_party, headers=headers)
    assert response.status_code == 401
    assert challenge_of(response).keys() == {"realm"}
    assert response.content == b""


def assert_invalid(response: httpx.Response) -> None:
    """§3.1: invalid_token, in the body and in the challenge."""
    assert error_of(response, 401) == "invalid_token"
    assert challenge_of(response)["error"] == "invalid_token"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("value", ["x", "a.b.c", "x" * 7000, "a b c", "..", "null"])
def test_something_that_is_no_token(relying_party: RelyingParty, value: str) -> None:
    assert_invalid(ask(relying_party, headers={"Authorization": f"Bearer {value}"}))


def test_a_header_outside_ascii(relying_party: RelyingParty) -> None:
    # Some WSGI servers hand such a header on and some leave it out; it is refused either way.
    response = ask(relying_party, headers={"Authorization": "Bearer é".encode()})
    assert response.status_code == 401
    assert challenge_of(response)["realm"] == "idp"


def test_tokens_that_are_something_else(relying_party: RelyingParty, tokens: dict[str, str]) -> None:
    for other in (tokens["id_token"], tokens["refresh_token"], tampered(tokens["access_token"])):
        assert_invalid(relying_party.userinfo(other))


@pytest.mark.parametrize(
    "change",
    [
        {"exp": int(time.time()) - 10},
        {"iss": "https://another.example"},
        {"jti": "0190aaaa-0000-7000-8000-000000000000.x"},
        {"client_id": "nobody"},
        {"sub": 7},
    ],
)
def test_a_token_with_our_signature_has_to_be_true_as_well(
    server: Server, relying_party: RelyingParty, tokens: dict[str, str], change: dict[str, object]
) -> None:
    claims = unverified(tokens["access_token"])
    success_of(relying_party.userinfo(signed_by(server, claims, "at+jwt")))
    assert_invalid(relying_party.userinfo(signed_by(server, claims | change, "at+jwt")))
    assert_invalid(relying_party.userinfo(signed_by(server, claims, "JWT")))


def test_a_token_for_something_else(server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client(scope="openid orders:read")
    response = party.userinfo(party.tokens(browser, person, "orders:read")["access_token"])
    assert error_of(response, 403) == "insufficient_scope"
    assert challenge_of(response) | {"error_description": ""} == {
        "realm": "idp", "error": "insufficient_scope", "error_description": "", "scope": "openid",
    }  # fmt: skip
