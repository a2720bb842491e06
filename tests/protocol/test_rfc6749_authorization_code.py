"""RFC 6749 §3.1, §4.1: the authorization endpoint's refusals, and codes that work once for one client."""

import time
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from idp.core.settings import Lifetimes
from tests.helpers.browser import Browser, Callback, Person
from tests.helpers.relying_party import CALLBACK, RelyingParty
from tests.helpers.server import Server
from tests.protocol.conftest import IMPATIENT
from tests.protocol.expectations import (
    error_at_callback,
    error_of,
    error_page_of,
    impatient_on_each_backend,
    on_each_backend,
    refused,
    success_of,
)

OTHER_CALLBACK = "http://127.0.0.1:9/other?tenant=7"


# The request


@on_each_backend
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_flow_begins_by_get_or_by_form_post(
    relying_party: RelyingParty, browser: Browser, person: Person, method: str
) -> None:
    request = relying_party.authorization_request("openid")
    if method == "POST":
        shown = browser.post(request.url.partition("?")[0], request.params)
        assert not isinstance(shown, Callback)
        shown = browser.authorize(shown.url, person)
    else:
        shown = browser.authorize(request.url, person)
    assert isinstance(shown, Callback)
    relying_party.check_callback(request, shown)
    assert set(shown.params) == {"code", "state", "iss"}
    success_of(relying_party.exchange(request, shown))


def test_unknown_parameters_are_ignored_and_order_does_not_matter(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    request = relying_party.authorization_request("openid", foo="bar", utm_source="mail")
    backwards = request.url.partition("?")[0] + "?" + urlencode(list(request.params.items())[::-1])
    callback = browser.callback(backwards, person)
    relying_party.check_callback(request, callback)
    success_of(relying_party.exchange(request, callback))


def test_a_parameter_without_a_value_counts_as_absent(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    request, callback = relying_party.sign_in(browser, person, "openid", prompt="", max_age="", request="", claims="")
    success_of(relying_party.exchange(request, callback))


@pytest.mark.parametrize("name", ["response_type", "scope", "state", "nonce", "code_challenge", "prompt", "foo"])
def test_a_repeated_parameter_is_refused(relying_party: RelyingParty, browser: Browser, name: str) -> None:
    request = relying_party.authorization_request("openid", prompt="login", foo="bar")
    callback = browser.callback(f"{request.url}&{name}=again")
    assert callback["error"] == "invalid_request"
    assert name in callback["error_description"]
    assert callback["iss"] == relying_party.issuer
    # Which of two states the client would expect back, nobody knows.
    assert callback.params.get("state") == (None if name == "state" else request.state)


@pytest.mark.parametrize(
    "state",
    ["s" * 128, "~!@#$%^&*()_+-=[]{}|;':\",./<>? äöü€ 漢字", "a=b&c=d#e", "%2520", " leading and trailing "],
)
def test_state_comes_back_exactly(
    relying_party: RelyingParty, browser: Browser, person: Person, state: str
) -> None:
    _, granted = relying_party.sign_in(browser, person, state=state)
    assert granted["state"] == state
    request = relying_party.authorization_request("openid", state=state, prompt="none", max_age="0")
    refusal = browser.callback(request.url)
    assert error_at_callback(relying_party, request, refusal) == "login_required"


def test_without_a_state_none_comes_back(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    _, callback = relying_party.sign_in(browser, person, state=None)
    assert set(callback.params) == {"code", "iss"}


def test_codes_and_request_ids_are_long_and_never_the_same(
    server: Server, relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    codes, interactions = set(), set()
    relying_party.sign_in(browser, person)
    for _ in range(10):
        codes.add(relying_party.sign_in(browser, person)[1]["code"])
        page = server.browser().page(relying_party.authorization_request().url)
        interactions.add(urlsplit(page.url).path.split("/")[2])
    for values in (codes, interactions):
        assert len(values) == 10
        assert min(map(len, values)) >= 22, "128 bits take 22 characters of base64url"


# Errors that only the person sees (§4.1.2.1): whoever made the request has not proven where to be answered


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"client_id": None}, "client_missing"),
        ({"client_id": "nobody"}, "client_unknown"),
        ({"client_id": "x\x00y"}, "client_unknown"),
        ({"client_id": "x" * 3000}, "client_unknown"),
        ({"redirect_uri": None}, "redirect_uri_missing"),
        ({"redirect_uri": "https://evil.example/callback"}, "redirect_uri_unknown"),
        ({"redirect_uri": CALLBACK + "/"}, "redirect_uri_unknown"),
        ({"redirect_uri": CALLBACK + "?x=1"}, "redirect_uri_unknown"),
        ({"redirect_uri": CALLBACK + "#fragment"}, "redirect_uri_unknown"),
        ({"redirect_uri": CALLBACK + "/../callback"}, "redirect_uri_unknown"),
        ({"redirect_uri": CALLBACK.replace("callback", "Callback")}, "redirect_uri_unknown"),
        ({"redirect_uri": CALLBACK.replace("callback", "%63allback")}, "redirect_uri_unknown"),
        ({"redirect_uri": CALLBACK.replace(":9/", ":10/")}, "redirect_uri_unknown"),
        ({"redirect_uri": CALLBACK.replace("127.0.0.1", "localhost")}, "redirect_uri_unknown"),
        ({"redirect_uri": CALLBACK.replace("127.0.0.1", "127.0.0.1@evil.example")}, "redirect_uri_unknown"),
        ({"redirect_uri": "javascript:alert(1)"}, "redirect_uri_unknown"),
        ({"redirect_uri": "not a uri"}, "redirect_uri_unknown"),
    ],
)
def test_an_unproven_request_is_answered_by_a_page(
    relying_party: RelyingParty, browser: Browser, change: dict[str, str | None], reason: str
) -> None:
    page = error_page_of(browser.open(relying_party.authorization_request("openid", **change).url))
    assert reason in page.text
    assert "Location" not in page.headers
    assert not [link for link in page.links if "evil" in link or link.startswith("javascript")]


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_a_repeated_client_or_redirect_uri_is_answered_by_a_page(
    relying_party: RelyingParty, browser: Browser, name: str
) -> None:
    request = relying_party.authorization_request()
    error_page_of(browser.open(request.url + "&" + urlencode({name: request.params[name]})))


def test_a_disabled_client_is_answered_by_a_page(server: Server, browser: Browser) -> None:
    party = server.create_client()
    with server.administrator.provider() as provider:
        provider.clients.set_enabled(party.client_id, False)
    error_page_of(browser.open(party.authorization_request().url))


def test_among_several_registered_uris_the_request_has_to_choose(server: Server, browser: Browser) -> None:
    party = server.create_client(redirect_uris=[CALLBACK, OTHER_CALLBACK], scope="openid email")
    error_page_of(browser.open(party.authorization_request("email", redirect_uri=None).url))


def test_a_request_that_is_too_large_is_answered_by_a_page(relying_party: RelyingParty, browser: Browser) -> None:
    url = relying_party.authorization_request().url
    error_page_of(browser.open(url + "&x=" + "x" * 20_000), 413)
    error_page_of(browser.open(url + "&x=1" * 300), 413)


# Errors that go back to the client


@pytest.mark.parametrize(
    ("scope", "expected"),
    [(None, "invalid_scope"), ("no-such-scope", "invalid_scope"), ('open"id', "invalid_scope"), ("é", "invalid_scope")],
)
def test_scope_errors_return_to_the_client(
    relying_party: RelyingParty, browser: Browser, scope: str | None, expected: str
) -> None:
    assert refused(relying_party, browser, scope) == expected


def test_a_client_without_the_grant_may_not_ask(server: Server, browser: Browser) -> None:
    party = server.create_client(grant_types=["client_credentials"], scope="openid orders:read")
    assert refused(party, browser) == "unauthorized_client"


def test_an_unknown_scope_among_known_ones_is_left_out(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = relying_party.tokens(browser, person, "openid no-such-scope email")
    assert tokens["scope"].split() == ["openid", "email"]


def test_the_person_may_decline(relying_party: RelyingParty, browser: Browser, person: Person) -> None:
    request = relying_party.authorization_request("openid")
    declined = browser.callback(request.url, person, decision="deny")
    assert error_at_callback(relying_party, request, declined) == "access_denied"


def test_the_person_may_cancel_the_sign_in(relying_party: RelyingParty, browser: Browser) -> None:
    request = relying_party.authorization_request("openid")
    page = browser.page(request.url)
    cancel = next(link for link in page.links if link.endswith("/cancel"))
    cancelled = browser.open(cancel)
    assert isinstance(cancelled, Callback)
    assert error_at_callback(relying_party, request, cancelled) == "access_denied"


def test_error_descriptions_stay_within_their_alphabet(relying_party: RelyingParty, browser: Browser) -> None:
    odd = urlencode({'q"uo\\te\r\nX: y é': "1"})
    request = relying_party.authorization_request("openid")
    callback = browser.callback(f"{request.url}&{odd}&{odd}")
    assert error_at_callback(relying_party, request, callback) == "invalid_request"


@pytest.mark.parametrize("name", ["state", "nonce", "scope", "claims", "login_hint"])
def test_what_is_too_long_to_carry_is_refused(relying_party: RelyingParty, browser: Browser, name: str) -> None:
    request = relying_party.authorization_request(**{"scope": "openid", name: "x" * 9000})
    callback = browser.callback(request.url)
    assert callback["error"] == "invalid_request"
    assert name in callback["error_description"]


def test_the_registered_query_is_kept(server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client(redirect_uris=[OTHER_CALLBACK])
    request = party.authorization_request("openid")
    callback = browser.callback(request.url, person)
    assert callback.url.startswith(OTHER_CALLBACK + "&")
    assert dict(parse_qsl(urlsplit(callback.url).query))["tenant"] == "7"
    success_of(party.exchange(request, callback))


def test_leaving_for_the_client_never_repeats_a_posted_form(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    relying_party.sign_in(browser, person)
    assert {hop.status_code for hop in browser.history} == {303}, "RFC 9700 §4.12: neither 307 nor 308"


# The code


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
def test_a_reused_code_takes_its_tokens_with_it(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    request, callback = relying_party.sign_in(browser, person)
    tokens = success_of(relying_party.exchange(request, callback))
    assert relying_party.is_active(tokens["access_token"])
    assert error_of(relying_party.exchange(request, callback)) == "invalid_grant"
    assert_revoked(relying_party, tokens)


@on_each_backend
def test_reuse_counts_also_with_wrong_details(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
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


@impatient_on_each_backend
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


# What may change between the code and its redemption


def end_the_session(server: Server, person: Person) -> None:
    """Sign the person out everywhere."""
    with server.administrator.provider() as provider:
        provider.sessions.end_all(person.id, "admin")


def deactivate(server: Server, person: Person) -> None:
    """Switch the person's account off."""
    with server.administrator.provider() as provider:
        provider.lifecycle.deactivate(person.id)


@on_each_backend
@pytest.mark.parametrize("happening", [end_the_session, deactivate])
def test_a_code_dies_with_what_it_rests_on(
    server: Server,
    relying_party: RelyingParty,
    browser: Browser,
    person: Person,
    happening: Callable[[Server, Person], None],
) -> None:
    request, callback = relying_party.sign_in(browser, person)
    happening(server, person)
    assert error_of(relying_party.exchange(request, callback)) == "invalid_grant"
