"""OpenID Connect Core §2, §3.1.3.6, §3.1.3.7: the ID token."""

import json
import time
from typing import Any

import jwt
import pytest

from idp.core.errors import Invalid
from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import RelyingParty, half_hash
from tests.helpers.server import Server
from tests.protocol.expectations import success_of

PROTOCOL_CLAIMS = {"iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid", "at_hash", "nonce"}


def test_the_claims(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    before = int(time.time())
    claims = relying_party.tokens(browser, person)["claims"]
    after = time.time()
    assert set(claims) == PROTOCOL_CLAIMS
    assert claims["iss"] == relying_party.metadata["issuer"]
    assert claims["sub"] == person.id
    assert claims["aud"] == relying_party.client_id
    for name in ("exp", "iat", "auth_time"):
        assert type(claims[name]) is int, name
    assert before <= claims["auth_time"] <= claims["iat"] <= after
    assert 0 < claims["exp"] - claims["iat"] <= 300
    assert claims["amr"] == ["pwd"]
    assert claims["acr"]
    assert claims["sid"]


def test_the_subject_is_short_and_printable(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    subject = relying_party.tokens(browser, person)["claims"]["sub"]
    assert subject.isascii()
    assert subject.isprintable()
    assert len(subject) <= 255
    assert "@" not in subject, "an address may be given to somebody else one day"


def test_the_subject_is_the_same_for_every_client_and_in_every_place(
    server: Server, relying_party: RelyingParty, person: Person
) -> None:
    """§8: public subject identifiers."""
    assert "public" in relying_party.metadata["subject_types_supported"]
    subjects = set()
    for party in (relying_party, server.create_client(redirect_uris=["https://other.example.com/callback"])):
        tokens = party.tokens(server.browser(), person)
        renewed = party.refreshed(tokens["refresh_token"])
        subjects |= {tokens["claims"]["sub"], success_of(party.userinfo(renewed["access_token"]))["sub"]}
    assert len(subjects) == 1


@pytest.mark.parametrize("alg", [None, "RS256", "PS256", "ES256", "EdDSA"])
def test_signed_as_the_client_registered(server: Server, browser: Browser, person: Person, alg: str | None) -> None:
    party = server.create_client(**({"id_token_signed_response_alg": alg} if alg else {}))
    tokens = party.tokens(browser, person)
    header = jwt.get_unverified_header(tokens["id_token"])
    assert header.keys() == {"alg", "kid", "typ"}
    assert header["alg"] == (alg or "RS256")
    key = next(key for key in party.jwks()["keys"] if key["kid"] == header["kid"])
    assert key["alg"] == header["alg"]
    assert tokens["claims"]["at_hash"] == half_hash(tokens["access_token"], header["alg"])
    renewed = party.refreshed(tokens["refresh_token"])
    assert jwt.get_unverified_header(renewed["id_token"])["alg"] == header["alg"]


@pytest.mark.parametrize("member", ["id_token_signed_response_alg", "userinfo_signed_response_alg"])
def test_nobody_is_given_unsigned_tokens(server: Server, relying_party: RelyingParty, member: str) -> None:
    """§2 allows them where nothing of the sign-in passes the browser; here they cannot even be registered."""
    assert "none" not in relying_party.metadata["id_token_signing_alg_values_supported"]
    assert "none" not in relying_party.metadata["userinfo_signing_alg_values_supported"]
    with pytest.raises(Invalid) as refusal:
        server.create_client(**{member: "none"})
    assert refusal.value.field == member


@pytest.mark.parametrize("nonce", ["n", "n" * 512, '~!@#$%^&*()_+ äöü€ "\\', "0"])
def test_the_nonce_comes_back_exactly(
    relying_party: RelyingParty, browser: Browser, person: Person, nonce: str
) -> None:
    assert relying_party.tokens(browser, person, nonce=nonce)["claims"]["nonce"] == nonce


def test_no_nonce_where_none_was_sent(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    assert set(relying_party.tokens(browser, person, nonce=None)["claims"]) == PROTOCOL_CLAIMS - {"nonce"}


@pytest.mark.parametrize("params", [{"max_age": "3600"}, {"claims": '{"id_token":{"auth_time":{"essential":true}}}'}])
def test_auth_time_is_there_when_it_is_asked_for(
    relying_party: RelyingParty, browser: Browser, person: Person, params: dict[str, str]
) -> None:
    first = relying_party.tokens(browser, person)["claims"]
    time.sleep(1.1)
    second = relying_party.tokens(browser, person, **params)["claims"]
    assert second["auth_time"] == first["auth_time"]
    assert second["iat"] > first["iat"]


def test_one_session_for_all_the_clients_of_a_browser(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    first = relying_party.tokens(browser, person)["claims"]
    second = server.create_client().tokens(browser, person)["claims"]
    elsewhere = relying_party.tokens(server.browser(), person)["claims"]
    assert second["sid"] == first["sid"]
    assert second["sub"] == first["sub"] == elsewhere["sub"]
    assert elsewhere["sid"] != first["sid"]


def test_a_second_factor_shows(server: Server, relying_party: RelyingParty, browser: Browser) -> None:
    claims = relying_party.tokens(browser, server.create_user(totp=True))["claims"]
    assert claims["amr"] == ["pwd", "otp", "mfa"]
    assert claims["acr"] == "urn:idp:acr:mfa"


# The person's claims


@pytest.fixture
def described(server: Server) -> Person:
    """Somebody of whom much is known."""
    return server.create_user(name="Ada Example", nickname="ada", phone_number="+4930901820", locale="de-DE")


def test_what_the_scopes_ask_for_is_left_to_userinfo(
    relying_party: RelyingParty, browser: Browser, described: Person
) -> None:
    tokens = relying_party.tokens(browser, described, "openid profile email address phone")
    assert set(tokens["claims"]) == PROTOCOL_CLAIMS


def test_what_the_claims_parameter_asks_for_is_in_the_token(
    relying_party: RelyingParty, browser: Browser, described: Person
) -> None:
    wishes: dict[str, Any] = {"name": {"essential": True}, "nickname": None, "gender": None, "locale": {"value": "fr"}}
    tokens = relying_party.tokens(browser, described, claims=json.dumps({"id_token": wishes}))
    extra = {name: value for name, value in tokens["claims"].items() if name not in PROTOCOL_CLAIMS}
    assert extra == {"name": "Ada Example", "nickname": "ada", "locale": "de-DE"}
    assert set(success_of(relying_party.userinfo(tokens["access_token"]))) == {"sub"}, "asked for the ID token alone"


def test_no_protocol_claim_can_be_asked_into_another_value(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    wishes = {name: {"value": "evil"} for name in ("iss", "aud", "exp", "amr", "sid", "nonce", "azp", "roles")}
    claims = relying_party.tokens(browser, person, claims=json.dumps({"id_token": wishes}))["claims"]
    assert set(claims) == PROTOCOL_CLAIMS
    assert "evil" not in str(claims)
