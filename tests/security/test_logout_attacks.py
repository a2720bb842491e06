"""LO1 and LO3: who may sign whom out, and what is dead afterwards."""

import time
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from tests.helpers.browser import Browser, Callback, Person
from tests.helpers.relying_party import LOGGED_OUT, RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import error_of, on_each_backend
from tests.security.attacks import FORM, everything_is_dead, is_signed_in, must_be_page

TRICKS = [
    "https://evil.example/",
    LOGGED_OUT + "/",
    LOGGED_OUT + "?x=1",
    LOGGED_OUT + "#x",
    LOGGED_OUT.replace("http://", "http://evil.example@"),
    LOGGED_OUT.replace("http://127.0.0.1:9", "http://127.0.0.1:9@evil.example"),
    LOGGED_OUT.replace(":9/", ":10/"),
    LOGGED_OUT.upper(),
    LOGGED_OUT + "\r\nX: y",
    "javascript:alert(1)",
    "//evil.example",
    "/\\evil.example",
    "data:text/html,x",
]


@pytest.fixture
def party(server: Server) -> RelyingParty:
    """A client that has a place to return to after signing out."""
    return server.create_client(post_logout_redirect_uris=[LOGGED_OUT])


# LO1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_lo1_no_site_signs_anybody_out(
    server: Server, party: RelyingParty, browser: Browser, person: Person, method: str
) -> None:
    mine = party.tokens(browser, person)
    stranger = server.create_user()
    theirs = party.tokens(server.browser(), stranger)
    endpoint = party.metadata["end_session_endpoint"]
    for fields in (
        {},
        {"client_id": party.client_id},
        {"client_id": party.client_id, "post_logout_redirect_uri": LOGGED_OUT},
        {"id_token_hint": theirs["id_token"]},
        {"id_token_hint": theirs["id_token"], "client_id": party.client_id, "post_logout_redirect_uri": LOGGED_OUT},
        {"id_token_hint": mine["id_token"][:-2]},
        {"logout_hint": person.email},
    ):
        if method == "GET":
            shown = browser.open(f"{endpoint}?{urlencode(fields)}")
        else:
            shown = browser.post("/oauth2/logout", fields)
        must_be_page(shown, "logout")
        assert is_signed_in(browser, person), fields
    assert party.is_active(mine["access_token"])


def test_lo1_the_confirmation_is_this_browsers(
    server: Server, party: RelyingParty, browser: Browser, person: Person
) -> None:
    party.tokens(browser, person)
    elsewhere = server.browser()
    party.tokens(elsewhere, server.create_user())
    foreign = dict(elsewhere.page("/oauth2/logout").form_with(button="logout-confirm").fields)
    for fields in (foreign, {"csrf_token": ""}, {"csrf_token": "x" * 43}):
        assert must_be_page(browser.post("/oauth2/logout", fields), "error").status == 400
        assert is_signed_in(browser, person)
    page = browser.page("/oauth2/logout")
    fields = dict(page.form_with(button="logout-confirm").fields)
    cross_site = {**FORM, "Sec-Fetch-Site": "cross-site"}
    answer = browser.http.post(page.url, content=urlencode(fields), headers=cross_site)
    assert answer.status_code == 400
    assert is_signed_in(browser, person)
    browser.submit(page, page.form_with(button="logout-confirm"))
    assert not is_signed_in(browser, person)


@pytest.mark.parametrize("uri", TRICKS)
def test_lo1_a_place_to_return_to_that_nobody_registered(
    party: RelyingParty, browser: Browser, person: Person, uri: str
) -> None:
    tokens = party.tokens(browser, person)
    for fields in ({"id_token_hint": tokens["id_token"]}, {"client_id": party.client_id}):
        page = must_be_page(browser.open(party.logout_url(post_logout_redirect_uri=uri, **fields)), "error")
        assert page.status == 400
        assert not [link for link in page.links if "evil" in link or link == uri]
    # Without a client that the request proves, nothing redirects, registered or not.
    for place in (uri, LOGGED_OUT):
        page = must_be_page(browser.open(party.logout_url(post_logout_redirect_uri=place)), "logout")
        shown = browser.submit(page, page.form_with(button="logout-confirm"))
        must_be_page(shown, "logged-out")
        party.tokens(browser, person)


def test_lo1_a_client_cannot_speak_for_another(
    server: Server, party: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = party.tokens(browser, person)
    other = server.create_client(post_logout_redirect_uris=["http://127.0.0.1:9/elsewhere"])
    for fields in (
        {"client_id": other.client_id},
        {"client_id": other.client_id, "post_logout_redirect_uri": "http://127.0.0.1:9/elsewhere"},
        {"post_logout_redirect_uri": "http://127.0.0.1:9/elsewhere"},
    ):
        must_be_page(browser.open(party.logout_url(id_token_hint=tokens["id_token"], **fields)), "error")
        assert is_signed_in(browser, person)


def test_lo1_a_repeated_parameter_does_not_smuggle(party: RelyingParty, browser: Browser, person: Person) -> None:
    tokens = party.tokens(browser, person)
    url = party.logout_url(id_token_hint=tokens["id_token"], post_logout_redirect_uri=LOGGED_OUT, state="s")
    shown = browser.open(url + "&post_logout_redirect_uri=https://evil.example&state=%0d%0aX:y")
    assert isinstance(shown, Callback)
    assert (shown.target, shown["state"]) == (LOGGED_OUT, "s")


# LO3


def _log_out(server: Server, party: RelyingParty, browser: Browser, person: Person, id_token: str) -> None:
    browser.open(party.logout_url(id_token_hint=id_token, post_logout_redirect_uri=LOGGED_OUT))


def _revoke(server: Server, party: RelyingParty, browser: Browser, person: Person, id_token: str) -> None:
    with server.administrator.provider() as provider:
        for session in provider.sessions.list(person.id):
            provider.sessions.end(session.id, "revoked", actor="operator")


def _deactivate(server: Server, party: RelyingParty, browser: Browser, person: Person, id_token: str) -> None:
    with server.administrator.provider() as provider:
        provider.lifecycle.deactivate(person.id)


def _change_password(server: Server, party: RelyingParty, browser: Browser, person: Person, id_token: str) -> None:
    with server.administrator.provider() as provider:
        provider.lifecycle.set_password(person.id, "another quiet river bends")


def _delete(server: Server, party: RelyingParty, browser: Browser, person: Person, id_token: str) -> None:
    with server.administrator.provider() as provider:
        provider.lifecycle.delete(person.id)


Ending = Callable[[Server, RelyingParty, Browser, Person, str], None]


@on_each_backend
@pytest.mark.parametrize("ending", [_log_out, _revoke, _deactivate, _change_password, _delete])
def test_lo3_nothing_is_left_alive(
    server: Server, party: RelyingParty, browser: Browser, person: Person, ending: Ending
) -> None:
    tokens = party.tokens(browser, person)
    request, callback = party.sign_in(browser, person)
    waiting = browser.page(party.authorization_request(prompt="login").url)
    cookies = {cookie.name: cookie.value or "" for cookie in browser.cookies.jar}
    ending(server, party, browser, person, tokens["id_token"])
    began = time.monotonic()
    assert everything_is_dead(party, tokens)
    assert error_of(party.exchange(request, callback)) == "invalid_grant", "a code that nobody had redeemed yet"
    # The cookie is worthless even for whoever made a copy of it.
    thief = server.browser()
    for name, value in cookies.items():
        thief.cookies.set(name, value)
    for which in (browser, thief):
        assert not is_signed_in(which, person)
        silent = party.authorization_request(prompt="none")
        assert which.callback(silent.url)["error"] == "login_required"
    assert time.monotonic() - began < 5
    if ending in (_deactivate, _change_password, _delete):
        # A sign-in that had begun before does not let the old password in either.
        assert must_be_page(browser.log_in(waiting, person)).status in (422, 400)


@on_each_backend
def test_lo3_offline_access_outlives_a_logout_but_no_more_than_that(
    server: Server, party: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = party.tokens(browser, person, "openid offline_access")
    _log_out(server, party, browser, person, tokens["id_token"])
    refreshed = party.refreshed(tokens["refresh_token"])
    _change_password(server, party, browser, person, "")
    assert everything_is_dead(party, refreshed)
    renewed = Person(person.email, "another quiet river bends", person.id)
    tokens = party.tokens(browser, renewed, "openid offline_access")
    _deactivate(server, party, browser, person, "")
    assert everything_is_dead(party, tokens)
