"""RFC 6749 §6, RFC 9700 §4.14: refresh tokens rotate, and a stolen one ends its family."""

import time

import pytest

from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import each_backend_of, error_of, on_each_backend, success_of, unverified
from tests.protocol.happenings import Happening, change_password, deactivate, end_the_session, withdraw_consent

OFFLINE = "openid email offline_access"
#: A second longer than the race grace of the impatient server.
AFTER_GRACE = 2.0


@on_each_backend
@pytest.mark.parametrize("auth_method", ["client_secret_basic", "none"])
def test_rotation(server: Server, browser: Browser, person: Person, auth_method: str) -> None:
    party = server.create_client(token_endpoint_auth_method=auth_method)
    tokens = party.tokens(browser, person, OFFLINE)
    presented = tokens["refresh_token"]
    for _ in range(3):
        body = success_of(party.refresh(presented))
        assert set(body) == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
        assert body["scope"] == OFFLINE
        assert body["refresh_token"] != presented
        presented = body["refresh_token"]
    assert party.is_active(body["access_token"]) if auth_method != "none" else True
    assert party.userinfo(body["access_token"]).json()["sub"] == person.id


def test_the_new_id_token_tells_of_the_same_authentication(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = relying_party.tokens(browser, person, OFFLINE)
    before = tokens["claims"]
    time.sleep(1.1)
    renewed = relying_party.refreshed(tokens["refresh_token"])
    after = relying_party.verify_id_token(renewed["id_token"], nonce=None, access_token=renewed["access_token"])
    for claim in ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid"):
        assert after[claim] == before[claim], claim
    assert after.get("azp") == before.get("azp")
    assert after["iat"] > before["iat"]
    assert after["exp"] > before["exp"]


def test_a_request_for_plain_oauth_is_refreshed_without_an_id_token(
    server: Server, browser: Browser, person: Person
) -> None:
    party = server.create_client(scope="orders:read")
    tokens = party.tokens(browser, person, "orders:read")
    assert "id_token" not in party.refreshed(tokens["refresh_token"])


@on_each_backend
def test_a_repeat_within_the_grace_returns_the_same_successor(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = relying_party.tokens(browser, person, OFFLINE)
    first = relying_party.refreshed(tokens["refresh_token"])
    again = relying_party.refreshed(tokens["refresh_token"])
    assert again["refresh_token"] == first["refresh_token"]
    success_of(relying_party.refresh(first["refresh_token"]))


@each_backend_of("impatient_server")
def test_a_repeat_after_the_grace_ends_the_family(impatient_server: Server) -> None:
    party, browser = impatient_server.create_client(), impatient_server.browser()
    tokens = party.tokens(browser, impatient_server.create_user(), OFFLINE)
    renewed = party.refreshed(tokens["refresh_token"])
    time.sleep(AFTER_GRACE)
    assert party.is_active(renewed["access_token"])
    assert error_of(party.refresh(tokens["refresh_token"])) == "invalid_grant"
    assert_ended(party, renewed)


@on_each_backend
def test_the_grandmother_of_a_token_ends_the_family_even_within_the_grace(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = relying_party.tokens(browser, person, OFFLINE)
    child = relying_party.refreshed(tokens["refresh_token"])
    grandchild = relying_party.refreshed(child["refresh_token"])
    assert error_of(relying_party.refresh(tokens["refresh_token"])) == "invalid_grant"
    assert_ended(relying_party, grandchild)


def test_reuse_ends_one_family_and_leaves_the_others(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    stolen = relying_party.tokens(browser, person, OFFLINE)
    other = relying_party.tokens(browser, person, OFFLINE)
    child = relying_party.refreshed(stolen["refresh_token"])
    relying_party.refreshed(child["refresh_token"])
    assert error_of(relying_party.refresh(stolen["refresh_token"])) == "invalid_grant"
    success_of(relying_party.refresh(other["refresh_token"]))


def test_a_client_may_be_registered_without_rotation(server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client(rotate_refresh_tokens=False)
    tokens = party.tokens(browser, person, OFFLINE)
    for _ in range(3):
        assert "refresh_token" not in party.refreshed(tokens["refresh_token"])


def test_rotation_cannot_be_switched_off_for_public_clients(server: Server, browser: Browser, person: Person) -> None:
    """RFC 9700 §2.2.2"""
    party = server.create_client(rotate_refresh_tokens=False, token_endpoint_auth_method="none")
    tokens = party.tokens(browser, person, OFFLINE)
    first = party.refreshed(tokens["refresh_token"])
    second = party.refreshed(first["refresh_token"])
    assert len({generation["refresh_token"] for generation in (tokens, first, second)}) == 3
    assert error_of(party.refresh(tokens["refresh_token"])) == "invalid_grant"
    assert error_of(party.refresh(second["refresh_token"])) == "invalid_grant"


# Scope


def test_narrowing_lasts_for_one_access_token(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    tokens = relying_party.tokens(browser, person, OFFLINE)
    narrowed = relying_party.refreshed(tokens["refresh_token"], scope="openid")
    assert narrowed["scope"] == unverified(narrowed["access_token"])["scope"] == "openid"
    assert "email" not in relying_party.userinfo(narrowed["access_token"]).json()
    full = relying_party.refreshed(narrowed["refresh_token"])
    assert full["scope"] == OFFLINE
    assert relying_party.userinfo(full["access_token"]).json()["email"] == person.email


@on_each_backend
def test_widening_is_refused_and_costs_nothing(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    tokens = relying_party.tokens(browser, person, OFFLINE)
    for scope in ("openid email profile", "phone", "no-such-scope"):
        assert error_of(relying_party.refresh(tokens["refresh_token"], scope=scope)) == "invalid_scope"
    success_of(relying_party.refresh(tokens["refresh_token"]))


# Whose token it is


@on_each_backend
def test_another_client_can_neither_use_nor_end_it(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = relying_party.tokens(browser, person, OFFLINE)
    other = server.create_client()
    assert error_of(other.refresh(tokens["refresh_token"])) == "invalid_grant"
    renewed = relying_party.refreshed(tokens["refresh_token"])
    success_of(relying_party.refresh(renewed["refresh_token"]))


@pytest.mark.parametrize("token", [None, "", "x", "A" * 70, "A" * 5000, "é", "\x00", "a.b.c"])
def test_something_that_is_no_refresh_token(relying_party: RelyingParty, token: str | None) -> None:
    response = relying_party.token({"grant_type": "refresh_token", "refresh_token": token})
    assert error_of(response) == ("invalid_grant" if token else "invalid_request")


def test_a_forged_generation_is_no_token_and_ends_nothing(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    token = relying_party.tokens(browser, person, OFFLINE)["refresh_token"]
    for position in (0, 30, len(token) - 2):
        changed = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        assert error_of(relying_party.refresh(changed)) == "invalid_grant"
    success_of(relying_party.refresh(token))


def test_an_access_token_is_no_refresh_token(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    tokens = relying_party.tokens(browser, person, OFFLINE)
    assert error_of(relying_party.refresh(tokens["access_token"])) == "invalid_grant"


# What a refresh token rests on


@on_each_backend
@pytest.mark.parametrize("happening", [withdraw_consent, change_password, deactivate])
def test_access_ends_with_what_it_rests_on(
    server: Server,
    relying_party: RelyingParty,
    browser: Browser,
    person: Person,
    happening: Happening,
) -> None:
    tokens = relying_party.tokens(browser, person, OFFLINE)
    happening(server, person)
    assert_ended(relying_party, tokens)


@on_each_backend
@pytest.mark.parametrize(("scope", "survives"), [("openid offline_access", True), ("openid", False)])
def test_only_offline_access_outlives_the_session(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person, scope: str, survives: bool
) -> None:
    tokens = relying_party.tokens(browser, person, scope)
    end_the_session(server, person)
    if survives:
        success_of(relying_party.refresh(tokens["refresh_token"]))
    else:
        assert_ended(relying_party, tokens)


def assert_ended(party: RelyingParty, tokens: dict[str, str]) -> None:
    """Neither the refresh token nor the access token works any more."""
    assert error_of(party.refresh(tokens["refresh_token"])) == "invalid_grant"
    assert not party.is_active(tokens["access_token"])
    assert party.userinfo(tokens["access_token"]).status_code == 401
