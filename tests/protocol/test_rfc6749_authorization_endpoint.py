"""RFC 6749 §3.1, §4.1.1, §4.1.2.1: the authorization endpoint, and who is told of an error."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.helpers.browser import Browser, Callback, Person
from tests.helpers.relying_party import CALLBACK, RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import error_at_callback, error_page_of, on_each_backend, refused, success_of
from tests.protocol.test_oidc_core_implicit_and_hybrid import hybrid_client

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
def test_state_comes_back_exactly(relying_party: RelyingParty, browser: Browser, person: Person, state: str) -> None:
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


@pytest.mark.parametrize("response_type", ["code", "id_token", "id_token token", "code id_token token"])
def test_whatever_is_to_be_sent_there(server: Server, browser: Browser, response_type: str) -> None:
    """§3.1.2.3, §4.2.1: no response type has another idea of what is registered."""
    party = hybrid_client(server)
    for uri in ("https://evil.example/callback", party.redirect_uri + "/", party.redirect_uri + "?x=1"):
        request = party.authorization_request(response_type=response_type, redirect_uri=uri)
        error_page_of(browser.open(request.url))


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
    endpoint = relying_party.metadata["authorization_endpoint"]
    error_page_of(browser.post(endpoint, {"x": "x" * 20_000}), 413)
    error_page_of(browser.post(endpoint, [("x", "1")] * 300), 413)


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


@pytest.mark.parametrize("state", ["%ff", "a%c3", "%ed%a0%80"])
def test_what_could_not_come_back_as_it_was_sent_is_not_accepted(
    relying_party: RelyingParty, browser: Browser, state: str
) -> None:
    request = relying_party.authorization_request(state=None)
    page = error_page_of(browser.open(f"{request.url}&state={state}"))
    assert "UTF-8" in page.text


def test_head_begins_nothing(relying_party: RelyingParty) -> None:
    answer = relying_party.http.head(relying_party.authorization_request().url)
    assert (answer.status_code, answer.content) == (200, b"")
    assert "Location" not in answer.headers


def test_no_page_of_another_origin_may_ask(relying_party: RelyingParty) -> None:
    """RFC 9700 §2.6: people are sent here, no script of an application asks."""
    url = relying_party.authorization_request().url
    headers = {"Origin": "https://spa.example", "Access-Control-Request-Method": "GET"}
    for answer in (
        relying_party.http.get(url, headers=headers),
        relying_party.http.post(url.partition("?")[0], headers=headers),
        relying_party.http.request("OPTIONS", url, headers=headers),
    ):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    ("scope", "how_long"),
    [("openid email", "only while you use it"), ("openid email offline_access", "while you are away")],
)
def test_the_person_is_told_who_asks_for_what_and_for_how_long(
    server: Server, browser: Browser, person: Person, scope: str, how_long: str
) -> None:
    """§10.2"""
    party = server.create_client(client_name="The Corner Shop")
    page = browser.log_in(browser.page(party.authorization_request(scope).url), person)
    assert not isinstance(page, Callback)
    assert page.data_page == "consent"
    for text in ("The Corner Shop", "email address", how_long):
        assert text in page.text
