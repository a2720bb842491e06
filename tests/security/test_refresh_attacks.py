"""RT1–RT5: attacks on refresh tokens (RFC 9700 §4.14)."""

import base64
import time
from datetime import timedelta

import pytest

from idp.core.clock import now
from tests.conftest import StartServer
from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import CACHE_SECONDS, ORDERS_API, Server
from tests.protocol.expectations import error_of, on_each_backend, success_of
from tests.security.attacks import age_family, events, everything_is_dead, in_parallel

LONG_AGO = timedelta(seconds=31)
"""Longer than the race grace."""


@pytest.fixture(params=["confidential", "public"])
def party(request: pytest.FixtureRequest, server: Server) -> RelyingParty:
    """Clients with the refresh grant."""
    options = {} if request.param == "confidential" else {"token_endpoint_auth_method": "none"}
    return server.create_client(scope="openid email offline_access orders:read", **options)


# RT1


@on_each_backend
def test_rt1_refreshes_at_the_same_moment_have_one_successor(
    party: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = party.tokens(browser, person, "openid offline_access")
    answers = in_parallel(16, lambda _: party.refresh(tokens["refresh_token"]))
    successors = {success_of(answer)["refresh_token"] for answer in answers}
    assert len(successors) == 1
    assert successors != {tokens["refresh_token"]}
    party.refreshed(successors.pop())


# RT2


@on_each_backend
def test_rt2_a_spent_token_after_its_grace(
    server: Server, party: RelyingParty, browser: Browser, person: Person
) -> None:
    stolen = party.tokens(browser, person, "openid offline_access")
    current = party.refreshed(stolen["refresh_token"])
    age_family(server, stolen["refresh_token"], rotated_at=now() - LONG_AGO)
    assert error_of(party.refresh(stolen["refresh_token"])) == "invalid_grant"
    for generation in (stolen, current):
        assert everything_is_dead(party, generation)
    (detected,) = events(server, "token:reuse_detected", client_id=party.client_id)
    assert detected["family"]


@on_each_backend
def test_rt2_an_older_token_has_no_grace(party: RelyingParty, browser: Browser, person: Person) -> None:
    first = party.tokens(browser, person, "openid offline_access")
    second = party.refreshed(first["refresh_token"])
    third = party.refreshed(second["refresh_token"])
    assert error_of(party.refresh(first["refresh_token"])) == "invalid_grant"
    for generation in (first, second, third):
        assert everything_is_dead(party, generation)


def test_rt2_a_repeat_within_the_grace_gets_nothing_new(party: RelyingParty, browser: Browser, person: Person) -> None:
    first = party.tokens(browser, person, "openid offline_access")
    second = party.refreshed(first["refresh_token"])
    assert party.refreshed(first["refresh_token"])["refresh_token"] == second["refresh_token"]


def test_rt2_a_token_that_was_never_made(party: RelyingParty, browser: Browser, person: Person) -> None:
    """Neither a later generation nor another family can be guessed from a token that one has."""
    token = party.tokens(browser, person, "openid offline_access")["refresh_token"]
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    for place in (0, 15, 19, 20, len(raw) - 1):
        changed = bytearray(raw)
        changed[place] ^= 1
        forged = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
        assert error_of(party.refresh(forged)) == "invalid_grant"
    for forged in (token + "A", token[:-4], token + "=", token.swapcase(), token + "\n", " " + token):
        assert error_of(party.refresh(forged)) == "invalid_grant"
    party.refreshed(token)


# RT3


def test_rt3_a_restart_forgets_nothing(start_server: StartServer, backend_name: str) -> None:
    server = start_server()
    party, browser, person = server.create_client(), server.browser(), server.create_user()
    first = party.tokens(browser, person, "openid offline_access")
    second = party.refreshed(first["refresh_token"])
    request, callback = party.sign_in(browser, person)
    of_a_code = success_of(party.exchange(request, callback))
    server.restart()
    # Within the grace it is a lost answer, restart or not; beyond it, theft.
    assert party.refreshed(first["refresh_token"])["refresh_token"] == second["refresh_token"]
    age_family(server, first["refresh_token"], rotated_at=now() - LONG_AGO)
    server.restart()
    assert error_of(party.refresh(first["refresh_token"])) == "invalid_grant"
    for generation in (first, second):
        assert everything_is_dead(party, generation)
    assert error_of(party.exchange(request, callback)) == "invalid_grant"
    assert everything_is_dead(party, of_a_code)


# RT4


def test_rt4_more_than_was_allowed(party: RelyingParty, browser: Browser, person: Person) -> None:
    tokens = party.tokens(browser, person, "openid offline_access")
    for scope in ("openid email", "email", "openid offline_access orders:read", "admin"):
        assert error_of(party.refresh(tokens["refresh_token"], scope=scope)) == "invalid_scope"
    assert error_of(party.refresh(tokens["refresh_token"], resource=ORDERS_API)) == "invalid_target"
    narrowed = party.refreshed(tokens["refresh_token"], scope="openid")
    assert narrowed["scope"] == "openid"
    assert set(party.refreshed(narrowed["refresh_token"])["scope"].split()) == {"openid", "offline_access"}


@on_each_backend
def test_rt4_in_the_hands_of_another_client(
    server: Server, party: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = party.tokens(browser, person, "openid offline_access")
    for thief in (server.create_client(), server.create_client(token_endpoint_auth_method="none")):
        for _ in range(2):
            assert error_of(thief.refresh(tokens["refresh_token"])) == "invalid_grant"
    current = party.refreshed(tokens["refresh_token"])
    age_family(server, tokens["refresh_token"], rotated_at=now() - LONG_AGO)
    for thief in (server.create_client(), server.create_client(token_endpoint_auth_method="none")):
        assert error_of(thief.refresh(tokens["refresh_token"])) == "invalid_grant"
    party.refreshed(current["refresh_token"])  # a thief who cannot authenticate cannot even revoke


def test_rt4_a_client_without_the_grant(server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client(grant_types=["authorization_code"])
    owner = server.create_client()
    token = owner.tokens(browser, person, "openid offline_access")["refresh_token"]
    assert error_of(party.refresh(token)) == "unauthorized_client"
    assert "refresh_token" not in party.tokens(browser, person, "openid offline_access")


# RT5


@on_each_backend
def test_rt5_nothing_lives_for_ever(server: Server, party: RelyingParty, browser: Browser, person: Person) -> None:
    a_moment_ago = now() - timedelta(seconds=1)
    for column in ("expires_at", "idle_expires_at"):
        tokens = party.tokens(browser, person, "openid offline_access")
        age_family(server, tokens["refresh_token"], **{column: a_moment_ago})
        assert everything_is_dead(party, tokens), column


def test_rt5_use_does_not_put_off_the_end(
    server: Server, party: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = party.tokens(browser, person, "openid offline_access")
    with server.administrator.provider() as provider:
        read = provider.tokens.refresh.read
        presented = read(tokens["refresh_token"])
        assert presented is not None
        end = presented.family.expires_at
        soon = now() + timedelta(hours=1)
    age_family(server, tokens["refresh_token"], expires_at=soon)
    later = party.refreshed(tokens["refresh_token"])
    with server.administrator.provider() as provider:
        presented = provider.tokens.refresh.read(later["refresh_token"])
        assert presented is not None
        assert presented.family.expires_at == soon < end
        assert presented.family.idle_expires_at <= soon


def test_rt5_what_the_client_may_ask_for_is_looked_at_again(server: Server, browser: Browser, person: Person) -> None:
    scope = "openid email offline_access orders:read"
    party = server.create_client(scope=scope)
    demoted = server.create_client(scope=scope)
    ended = server.create_client(scope="openid email")
    restricted = server.create_client(scope=scope)
    tokens = {
        each.client_id: each.tokens(browser, person, wish)["refresh_token"]
        for each, wish in ((party, scope), (demoted, scope), (ended, "openid email"), (restricted, scope))
    }
    request, callback = party.sign_in(browser, person, scope)
    base = {"redirect_uris": [party.redirect_uri], "grant_types": ["authorization_code", "refresh_token"]}
    with server.administrator.provider() as provider:
        provider.clients.update(party.client_id, {**base, "scope": "openid offline_access"})
        provider.clients.update(demoted.client_id, {**base, "grant_types": ["authorization_code"], "scope": scope})
        provider.clients.update(ended.client_id, {**base, "scope": "profile"})
        provider.clients.update(restricted.client_id, {**base, "scope": scope, "resources": ["https://other.example"]})
    time.sleep(CACHE_SECONDS)
    refreshed = party.refreshed(tokens[party.client_id])
    assert set(refreshed["scope"].split()) == {"openid", "offline_access"}
    assert "email" not in party.userinfo(refreshed["access_token"]).json()
    assert error_of(party.refresh(refreshed["refresh_token"], scope="email")) == "invalid_scope"
    assert set(success_of(party.exchange(request, callback))["scope"].split()) == {"openid", "offline_access"}
    assert error_of(demoted.refresh(tokens[demoted.client_id])) == "unauthorized_client"
    assert error_of(ended.refresh(tokens[ended.client_id])) == "invalid_grant"
    assert error_of(restricted.refresh(tokens[restricted.client_id])) == "invalid_target"
