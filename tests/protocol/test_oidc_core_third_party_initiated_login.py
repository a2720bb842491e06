"""OpenID Connect Core §4: a login at an application that begins at the provider."""

import time
from urllib.parse import parse_qsl, urlsplit

from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server

START = "https://app.example.com/start?tenant=7"


def starts(server: Server, browser: Browser) -> list[str]:
    """The applications that the start page offers."""
    return [link for link in browser.page(server.issuer + "/").links if urlsplit(link).path == "/start"]


def test_an_app_that_the_person_uses_can_be_started(
    server: Server, browser: Browser, person: Person, relying_party: RelyingParty
) -> None:
    app = server.create_client(initiate_login_uri=START, client_name="Meridian")
    relying_party.tokens(browser, person)
    assert starts(server, browser) == [], "nobody is told which other apps there are"
    app.tokens(browser, person)
    (start,) = starts(server, browser)
    parts = urlsplit(start)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://app.example.com/start"
    assert parse_qsl(parts.query) == [("tenant", "7"), ("iss", server.issuer)], "and not who the person is"
    assert "Meridian" in browser.page(server.issuer + "/").text
    # What the app then does (§4): an authentication request of its own, which needs no password here.
    request = app.authorization_request()
    app.check_callback(request, browser.callback(request.url))


def test_the_operators_own_apps_are_there_from_the_start(server: Server) -> None:
    own = server.create_client(
        skip_consent=True,
        initiate_login_uri="https://own.example.com/start",
        redirect_uris=["https://own.example.com/cb"],
    )
    browser, person = server.browser(), server.create_user()
    assert starts(server, browser) == [], "not for strangers"
    server.create_client().tokens(browser, person)
    assert "https://own.example.com/start" in starts(server, browser)[0]
    with server.administrator.provider() as provider:
        provider.clients.set_enabled(own.client_id, False)
    deadline = time.monotonic() + 5
    while starts(server, browser) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert starts(server, browser) == []
