"""OpenID Connect Core §5.1–§5.5: what UserInfo tells, to whom, and how."""

import json
from typing import Any

import jwt
import pytest

from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import error_of, on_each_backend, refused, success_of

PROFILE: dict[str, Any] = {
    "name": "Ada M. Example",
    "given_name": "Ada",
    "family_name": "Example",
    "middle_name": "Mary",
    "nickname": "ada",
    "preferred_username": "ada.example",
    "profile": "https://ada.example/",
    "picture": "https://ada.example/me.png",
    "website": "https://ada.example/blog",
    "gender": "female",
    "birthdate": "1990-05-17",
    "zoneinfo": "Europe/Berlin",
    "locale": "de-DE",
}
ADDRESS: dict[str, Any] = {"street_address": "Weg 1", "locality": "Köln", "postal_code": "50667", "country": "Germany"}
PHONE: dict[str, Any] = {"phone_number": "+4930901820", "phone_number_verified": True}


@pytest.fixture
def described(server: Server) -> Person:
    """Somebody of whom everything is known."""
    return server.create_user(**PROFILE, **PHONE, address=ADDRESS)


def told(party: RelyingParty, browser: Browser, person: Person, scope: str, **params: Any) -> dict[str, Any]:
    """What UserInfo says after a sign-in with this scope."""
    tokens = party.tokens(browser, person, scope, **params)
    claims = success_of(party.userinfo(tokens["access_token"]))
    assert claims["sub"] == tokens["claims"]["sub"] == person.id
    return claims


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("openid", {"sub"}),
        ("openid profile", {"sub", "updated_at", *PROFILE}),
        ("openid email", {"sub", "email", "email_verified"}),
        ("openid address", {"sub", "address"}),
        ("openid phone", {"sub", *PHONE}),
        ("email openid", {"sub", "email", "email_verified"}),
    ],
)
def test_the_claims_of_each_scope(
    relying_party: RelyingParty, browser: Browser, described: Person, scope: str, expected: set[str]
) -> None:
    assert set(told(relying_party, browser, described, scope)) == expected


@on_each_backend
def test_values_and_types(relying_party: RelyingParty, browser: Browser, described: Person) -> None:
    claims = told(relying_party, browser, described, "openid profile email address phone")
    assert claims | PROFILE | PHONE == claims
    assert claims["email"] == described.email
    assert claims["email_verified"] is True
    assert type(claims["updated_at"]) is int
    assert claims["address"] | ADDRESS == claims["address"]


def test_nothing_is_null_or_empty(server: Server, relying_party: RelyingParty, browser: Browser) -> None:
    bare = server.create_user(verified=False)
    claims = told(relying_party, browser, bare, "openid profile email address phone")
    assert set(claims) == {"sub", "email", "email_verified", "updated_at"}
    assert claims["email_verified"] is False


@pytest.mark.parametrize("claims_locales", ["de", "fr-CA de en", "xx !!"])
def test_claims_come_without_a_language(
    relying_party: RelyingParty, browser: Browser, described: Person, claims_locales: str
) -> None:
    """§5.2: there is one value of each, whatever languages the client would understand."""
    claims = told(relying_party, browser, described, "openid profile", claims_locales=claims_locales)
    assert set(claims) == {"sub", "updated_at", *PROFILE}


@pytest.mark.parametrize("optional", ["address", "phone"])
def test_what_the_person_leaves_out_is_not_told(
    relying_party: RelyingParty, browser: Browser, described: Person, optional: str
) -> None:
    request = relying_party.authorization_request("openid email address phone")
    callback = browser.callback(request.url, described, unchecked=(optional,))
    tokens = success_of(relying_party.exchange(request, callback))
    assert set(tokens["scope"].split()) == {"openid", "email", "address", "phone"} - {optional}
    claims = success_of(relying_party.userinfo(tokens["access_token"]))
    assert not [name for name in claims if name.startswith(optional)]
    assert "email" in claims


def test_a_forged_consent_form_grants_nothing_that_was_not_asked_for(
    relying_party: RelyingParty, browser: Browser, described: Person
) -> None:
    request = relying_party.authorization_request("openid address")
    page = browser.log_in(browser.page(request.url), described)
    assert isinstance(page, Page)
    form = page.form_with(button="consent-allow")
    forged = [*form.fields, ("scope", "phone"), ("scope", "offline_access"), ("decision", "allow")]
    callback = browser.post(form.action, forged)
    assert isinstance(callback, Callback)
    tokens = success_of(relying_party.exchange(request, callback))
    assert set(tokens["scope"].split()) == {"openid", "address"}


def test_claims_one_by_one(relying_party: RelyingParty, browser: Browser, described: Person) -> None:
    wishes = {"userinfo": {"given_name": {"essential": True}, "phone_number": None, "unknown": None}}
    claims = told(relying_party, browser, described, "openid email", claims=json.dumps(wishes))
    assert set(claims) == {"sub", "email", "email_verified", "given_name", "phone_number"}


def test_a_changed_attribute_shows_at_once(
    server: Server, relying_party: RelyingParty, browser: Browser, described: Person
) -> None:
    tokens = relying_party.tokens(browser, described, "openid profile")
    before = relying_party.userinfo(tokens["access_token"]).json()
    with server.administrator.provider() as provider:
        provider.users.update(described.id, nickname="lovelace")
    after = relying_party.userinfo(tokens["access_token"]).json()
    assert after["nickname"] == "lovelace"
    assert after["updated_at"] >= before["updated_at"]


@on_each_backend
def test_a_deactivated_person_is_not_told_about(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = relying_party.tokens(browser, person)
    with server.administrator.provider() as provider:
        provider.lifecycle.deactivate(person.id)
    assert error_of(relying_party.userinfo(tokens["access_token"]), 401) == "invalid_token"


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_signed_for_clients_that_registered_it(server: Server, browser: Browser, described: Person, alg: str) -> None:
    """§5.3.2: `iss` and `aud` join the claims."""
    party = server.create_client(userinfo_signed_response_alg=alg)
    assert alg in party.metadata["userinfo_signing_alg_values_supported"]
    tokens = party.tokens(browser, described, "openid email")
    response = party.userinfo(tokens["access_token"])
    assert response.headers["Content-Type"] == "application/jwt"
    assert "no-store" in response.headers["Cache-Control"]
    header = jwt.get_unverified_header(response.text)
    assert header["alg"] == alg
    key = jwt.PyJWKSet.from_dict(party.jwks())[header["kid"]]
    claims = jwt.decode(response.text, key, algorithms=[alg], audience=party.client_id, issuer=party.issuer)
    assert set(claims) == {"iss", "aud", "sub", "email", "email_verified"}
    assert claims["sub"] == described.id
    # It tells who somebody is, not that they signed in: no ID token, no access token.
    assert refused(party, browser, id_token_hint=response.text) == "invalid_request"
    assert error_of(party.userinfo(response.text), 401) == "invalid_token"


def test_browsers_applications_may_ask(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    """§5.3: Cross-Origin Resource Sharing."""
    endpoint = relying_party.metadata["userinfo_endpoint"]
    preflight = relying_party.http.request(
        "OPTIONS",
        endpoint,
        headers={"Origin": "https://spa.example", "Access-Control-Request-Headers": "authorization"},
    )
    assert preflight.status_code == 204
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"].lower()
    token = relying_party.tokens(browser, person)["access_token"]
    for response in (preflight, relying_party.userinfo(token), relying_party.userinfo("x")):
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response.headers
