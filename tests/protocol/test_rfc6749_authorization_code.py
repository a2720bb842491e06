"""RFC 6749 §4.1.2, §4.1.3: codes that work once, for one client, for a minute."""

import re
import secrets
import time

import orjson
import pytest

from docs.generate.__main__ import DOCS
from idp.core.crypto import sha256_hex
from idp.core.setting_sections import Lifetimes
from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import CALLBACK, RelyingParty
from tests.helpers.server import Server
from tests.protocol.conftest import IMPATIENT
from tests.protocol.expectations import each_backend_of, error_of, on_each_backend, success_of, unverified
from tests.protocol.happenings import Happening, deactivate, end_the_session


def test_a_successful_answer(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    request, callback = relying_party.sign_in(browser, person, "openid email")
    body = success_of(relying_party.exchange(request, callback))
    assert set(body) == {"access_token", "token_type", "expires_in", "scope", "id_token", "refresh_token"}
    assert body["token_type"] == "Bearer"
    assert type(body["expires_in"]) is int
    assert body["expires_in"] == 300
    assert body["scope"] == "openid email"


def test_plain_oauth_gets_no_id_token_and_may_leave_the_only_redirect_uri_out(
    server: Server, browser: Browser, person: Person
) -> None:
    party = server.create_client(scope="email orders:read")
    request = party.authorization_request("orders:read", redirect_uri=None)
    callback = browser.callback(request.url, person)
    assert callback.target == CALLBACK
    body = success_of(party.exchange(request, callback))
    assert "id_token" not in body


def test_a_client_without_the_refresh_grant_gets_no_refresh_token(
    server: Server, browser: Browser, person: Person
) -> None:
    party = server.create_client(grant_types=["authorization_code"])
    tokens = party.tokens(browser, person, "openid offline_access")
    assert "refresh_token" not in tokens
    assert tokens["scope"] == "openid"


@on_each_backend
@pytest.mark.parametrize("redirect_uri", [None, CALLBACK + "/", "https://evil.example/callback"])
def test_the_redirect_uri_has_to_be_the_same(
    relying_party: RelyingParty, browser: Browser, person: Person, redirect_uri: str | None
) -> None:
    request, callback = relying_party.sign_in(browser, person)
    assert error_of(relying_party.exchange(request, callback, redirect_uri=redirect_uri)) == "invalid_grant"
    assert error_of(relying_party.exchange(request, callback)) == "invalid_grant", "the code is spent"


@on_each_backend
def test_another_client_can_neither_redeem_nor_burn_a_code(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    request, callback = relying_party.sign_in(browser, person)
    assert error_of(server.create_client().exchange(request, callback)) == "invalid_grant"
    success_of(relying_party.exchange(request, callback))


@pytest.mark.parametrize("code", [None, "", "x", "C" * 43, "x" * 10_000, "\x00"])
def test_something_that_is_no_code(relying_party: RelyingParty, code: str | None) -> None:
    response = relying_party.token(
        {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": "v" * 43}
    )
    assert error_of(response) == ("invalid_grant" if code else "invalid_request")


def test_a_refresh_token_is_no_code(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    request, callback = relying_party.sign_in(browser, person, "openid offline_access")
    tokens = success_of(relying_party.exchange(request, callback))
    response = relying_party.exchange(request, callback, code=tokens["refresh_token"])
    assert error_of(response) == "invalid_grant"


@on_each_backend
def test_a_reused_code_takes_its_tokens_with_it(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    request, callback = relying_party.sign_in(browser, person)
    tokens = success_of(relying_party.exchange(request, callback))
    assert relying_party.is_active(tokens["access_token"])
    assert error_of(relying_party.exchange(request, callback)) == "invalid_grant"
    assert_revoked(relying_party, tokens)


@on_each_backend
def test_reuse_counts_also_with_wrong_details(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    request, callback = relying_party.sign_in(browser, person)
    tokens = success_of(relying_party.exchange(request, callback))
    assert error_of(relying_party.exchange(request, callback, code_verifier="w" * 43)) == "invalid_grant"
    assert_revoked(relying_party, tokens)


@on_each_backend
def test_another_client_cannot_revoke_tokens_by_reusing_their_code(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    request, callback = relying_party.sign_in(browser, person)
    tokens = success_of(relying_party.exchange(request, callback))
    assert error_of(server.create_client().exchange(request, callback)) == "invalid_grant"
    assert relying_party.is_active(tokens["access_token"])


@each_backend_of("impatient_server")
def test_codes_expire_and_reuse_is_noticed_long_after(impatient_server: Server) -> None:
    party, person, browser = (
        impatient_server.create_client(), impatient_server.create_user(), impatient_server.browser()
    )  # fmt: skip
    used_request, used = party.sign_in(browser, person)
    tokens = success_of(party.exchange(used_request, used))
    request, unused = party.sign_in(browser, person)
    time.sleep(int(IMPATIENT["IDP_LIFETIMES__AUTHORIZATION_CODE"]) + 0.5)
    assert error_of(party.exchange(request, unused)) == "invalid_grant"
    assert party.is_active(tokens["access_token"])
    assert error_of(party.exchange(used_request, used)) == "invalid_grant"
    assert_revoked(party, tokens)


def test_codes_live_for_a_minute_at_most() -> None:
    assert Lifetimes().authorization_code <= 60


def assert_revoked(party: RelyingParty, tokens: dict[str, str]) -> None:
    """Nothing that was issued works any more."""
    assert not party.is_active(tokens["access_token"])
    assert party.userinfo(tokens["access_token"]).status_code == 401
    assert not party.is_active(tokens["refresh_token"])
    assert error_of(party.refresh(tokens["refresh_token"])) == "invalid_grant"


def test_values_have_the_size_that_is_documented(server: Server, browser: Browser, person: Person) -> None:
    """§2.2, §4.1.2, §4.2.2: who stores them has to know. 43 characters are 256 random bits (§10.10)."""
    page = (DOCS / "explanation" / "tokens.md").read_text()
    documented = {name: int(size) for name, size in re.findall(r"^\| ([a-z` ]+) \| (\d+)(?: as idp|  ?\|)", page, re.M)}
    scope = f"size:{secrets.token_hex(4)}"
    server.create_api({scope: "Measure"}, token_format="opaque")
    party = server.create_client(scope=f"openid offline_access {scope}")
    request, callback = party.sign_in(browser, person, f"openid offline_access {scope}")
    tokens = success_of(party.exchange(request, callback))
    measured = {
        "client identifier": party.client_id,
        "client secret": party.client_secret or "",
        "authorization code": callback["code"],
        "refresh token": tokens["refresh_token"],
        "opaque access token": tokens["access_token"],
        "`sub`": unverified(tokens["id_token"])["sub"],
    }
    assert {name: len(value) for name, value in measured.items()} == documented
    assert all(value.isascii() and value.isprintable() for value in measured.values())


# What may change between the code and its redemption


@on_each_backend
@pytest.mark.parametrize("happening", [end_the_session, deactivate])
def test_a_code_dies_with_what_it_rests_on(
    server: Server,
    relying_party: RelyingParty,
    browser: Browser,
    person: Person,
    happening: Happening,
) -> None:
    request, callback = relying_party.sign_in(browser, person)
    happening(server, person)
    assert error_of(relying_party.exchange(request, callback)) == "invalid_grant"


@on_each_backend
def test_a_code_of_the_former_version_is_redeemed(server: Server) -> None:
    """An upgrade while people sign in: codes that were stored before `subject` was part of them."""
    party, browser, person = server.create_client(), server.browser(), server.create_user()
    request, callback = party.sign_in(browser, person)
    with server.administrator.provider() as provider:
        key = "code:" + sha256_hex(callback["code"])
        record = orjson.loads(provider.store.get(key) or b"")
        del record["authorization"]["subject"]
        provider.store.put(key, orjson.dumps(record), 60)
    tokens = success_of(party.exchange(request, callback))
    assert party.verify_id_token(tokens["id_token"], nonce=request.nonce)["sub"] == person.id
