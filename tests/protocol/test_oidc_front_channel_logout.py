"""OpenID Connect Front-Channel Logout 1.0: the browser that signs out loads a page of each client of the session."""

import html
import re
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from idp.core.errors import Invalid
from idp.oauth.front_channel_logout import MAX_FRAMES
from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.relying_party import CALLBACK, LOGGED_OUT, RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import on_each_backend

FRAME = "http://127.0.0.1:9/front-channel?x=1"


def frames_of(page: Page) -> list[str]:
    """The addresses of the page's frames."""
    return [html.unescape(address) for address in re.findall(r'<iframe[^>]* src="([^"]*)"', page.html)]


def directives(page: Page) -> dict[str, str]:
    """The Content-Security-Policy of a page."""
    policy = page.headers["Content-Security-Policy"]
    return {name: value for name, _, value in (part.strip().partition(" ") for part in policy.split(";"))}


def signed_out(party: RelyingParty, browser: Browser, tokens: dict[str, Any], **params: str) -> Page:
    """The page that follows a proven request to sign out."""
    shown = browser.open(party.logout_url(id_token_hint=tokens["id_token"], **params))
    assert isinstance(shown, Page), shown
    assert (shown.data_page, shown.status) == ("logged-out", 200)
    return shown


@pytest.fixture
def party(server: Server) -> RelyingParty:
    """A client that wants to hear of the end of sessions through the browser, and of which one."""
    return server.create_client(
        frontchannel_logout_uri=FRAME,
        frontchannel_logout_session_required=True,
        post_logout_redirect_uris=[LOGGED_OUT],
    )


# §2: what a client registers


@pytest.mark.parametrize(
    "uri",
    [
        "https://elsewhere.example/out",
        "http://127.0.0.1:10/out",
        "https://127.0.0.1:9/out",
        "http://localhost:9/out",
        FRAME + "#fragment",
        "/front-channel",
        "javascript:alert(1)",
        "http://user@127.0.0.1:9/out",
    ],
)
def test_the_address_is_on_the_origin_of_a_redirect_uri(server: Server, uri: str) -> None:
    with pytest.raises(Invalid) as refusal:
        server.create_client(frontchannel_logout_uri=uri)
    assert refusal.value.field == "frontchannel_logout_uri"


def test_any_redirect_uri_will_do_and_default_ports_are_ports(server: Server) -> None:
    uris = [CALLBACK, "https://app.example.com/callback"]
    for address in ("https://app.example.com/out", "https://app.example.com:443/out?a=b", FRAME):
        server.create_client(redirect_uris=uris, frontchannel_logout_uri=address)


# §3: what the provider does


def test_it_is_announced(server: Server) -> None:
    metadata = server.create_client().metadata
    assert metadata["frontchannel_logout_supported"] is True
    assert metadata["frontchannel_logout_session_supported"] is True


@on_each_backend
def test_issuer_and_session_are_added_for_clients_that_want_them(
    server: Server, party: RelyingParty, browser: Browser, person: Person
) -> None:
    plain = server.create_client(frontchannel_logout_uri=FRAME)
    tokens = party.tokens(browser, person)
    plain.tokens(browser, person)
    addresses = frames_of(signed_out(party, browser, tokens))
    assert FRAME in addresses, "exactly as registered"
    (extended,) = [address for address in addresses if address != FRAME]
    assert extended.startswith(FRAME + "&"), "the query that was there is kept"
    query = dict(parse_qsl(urlsplit(extended).query))
    assert query == {"x": "1", "iss": party.issuer, "sid": tokens["claims"]["sid"]}


@on_each_backend
def test_clients_of_this_session_and_no_others(
    server: Server, party: RelyingParty, browser: Browser, person: Person
) -> None:
    def client(path: str) -> RelyingParty:
        return server.create_client(frontchannel_logout_uri=f"http://127.0.0.1:9/{path}", scope="openid orders:read")

    second, never, elsewhere, disabled, without_openid = map(
        client, ("second", "never", "elsewhere", "disabled", "no-openid")
    )
    tokens = party.tokens(browser, person)
    for each in (second, disabled):
        each.tokens(browser, person)
    elsewhere.tokens(server.browser(), person)
    request, callback = without_openid.sign_in(browser, person, "orders:read")
    assert without_openid.exchange(request, callback).status_code == 200
    assert server.run("client", "disable", disabled.client_id).returncode == 0
    stranger = server.browser()
    deadline = time.monotonic() + 10
    while not isinstance(shown := stranger.open(disabled.authorization_request().url), Page) or shown.status != 400:
        assert time.monotonic() < deadline, "the server notices within seconds"
        time.sleep(0.1)
    assert never.client_id
    addresses = [urlsplit(address).path for address in frames_of(signed_out(party, browser, tokens))]
    assert sorted(addresses) == ["/front-channel", "/second"]


def test_the_policy_names_their_origins_and_nothing_else(
    server: Server, party: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = party.tokens(browser, person)
    for uri in ("https://app.example.com/out", "https://app.example.com/out-too", "http://[::1]:9/out"):
        path = f"{uri.rpartition('/')[0]}/callback"
        other = server.create_client(redirect_uris=[path], frontchannel_logout_uri=uri)
        other.tokens(browser, person)
    page = signed_out(party, browser, tokens)
    allowed = directives(page)["frame-src"].split()
    assert sorted(allowed) == ["http://127.0.0.1:9", "http://[::1]:9", "https://app.example.com:443"]
    assert directives(page)["default-src"] == "'none'"
    assert directives(page)["frame-ancestors"] == "'none'"
    assert "no-store" in page.headers["Cache-Control"]


def test_a_page_without_frames_allows_none(server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client()
    page = signed_out(party, browser, party.tokens(browser, person))
    assert frames_of(page) == []
    assert "frame-src" not in directives(page)


def test_the_page_leads_on_to_the_client(party: RelyingParty, browser: Browser, person: Person) -> None:
    tokens = party.tokens(browser, person)
    page = signed_out(party, browser, tokens, post_logout_redirect_uri=LOGGED_OUT, state="s /&é")
    assert len(frames_of(page)) == 1
    onward = re.search(r'<a class="button" href="([^"]*)" data-onward', page.html)
    assert onward, "what the script follows"
    target = html.unescape(onward[1])
    assert target.partition("?")[0] == LOGGED_OUT
    assert dict(parse_qsl(urlsplit(target).query)) == {"state": "s /&é"}
    assert target in page.links, "and what a person without scripts clicks"


def test_without_frames_there_is_no_page_in_between(server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client(post_logout_redirect_uris=[LOGGED_OUT])
    tokens = party.tokens(browser, person)
    url = party.logout_url(id_token_hint=tokens["id_token"], post_logout_redirect_uri=LOGGED_OUT, state="x")
    shown = browser.open(url)
    assert isinstance(shown, Callback)
    assert shown.params == {"state": "x"}
    assert browser.history[-1].status_code == 303


def test_signing_out_again_loads_nothing_again(party: RelyingParty, browser: Browser, person: Person) -> None:
    tokens = party.tokens(browser, person)
    assert frames_of(signed_out(party, browser, tokens))
    assert frames_of(signed_out(party, browser, tokens)) == []


def test_nobody_loads_frames_before_the_person_has_said_yes(
    party: RelyingParty, browser: Browser, person: Person
) -> None:
    party.tokens(browser, person)
    page = browser.page(party.logout_url())
    assert frames_of(page) == []
    shown = browser.submit(page, page.form_with(button="logout-confirm"))
    assert isinstance(shown, Page)
    assert len(frames_of(shown)) == 1


def test_there_is_a_limit_and_the_latest_come_first(
    server: Server, party: RelyingParty, browser: Browser, person: Person
) -> None:
    first = party.tokens(browser, person)
    with server.administrator.provider() as provider:
        session = first["claims"]["sid"]
        for number in range(MAX_FRAMES + 10):
            client = server.create_client(frontchannel_logout_uri=f"http://127.0.0.1:9/{number}")
            provider.sessions.join(session, client.client_id, person.id, has_back_channel=False)
        # Clients that want no frame take no place away from one that does.
        silent = server.create_client()
        provider.sessions.join(session, silent.client_id, person.id, has_back_channel=False)
    addresses = frames_of(signed_out(party, browser, first))
    assert len(addresses) == MAX_FRAMES
    assert addresses[0] == f"http://127.0.0.1:9/{MAX_FRAMES + 9}"


def test_who_signs_in_again_is_the_latest(
    server: Server, party: RelyingParty, browser: Browser, person: Person
) -> None:
    party.tokens(browser, person)
    server.create_client(frontchannel_logout_uri="http://127.0.0.1:9/other").tokens(browser, person)
    again = party.tokens(browser, person)
    first, second = frames_of(signed_out(party, browser, again))
    assert (urlsplit(first).path, urlsplit(second).path) == ("/front-channel", "/other")
