"""RFC 8252: applications on a person's own device."""

from typing import Any

import pytest

from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import error_of, error_page_of, refused, success_of

LOOPBACK = ["http://127.0.0.1/callback", "http://[::1]/callback", "http://localhost/callback"]
NATIVE: dict[str, Any] = {"token_endpoint_auth_method": "none", "application_type": "native"}


@pytest.fixture
def app(server: Server) -> RelyingParty:
    """A native application that listens on any free loopback port."""
    return server.create_client(**NATIVE, redirect_uris=LOOPBACK)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
@pytest.mark.parametrize("port", ["", ":1", ":51004", ":65535"])
def test_the_port_of_a_loopback_uri_may_vary(
    app: RelyingParty, browser: Browser, person: Person, host: str, port: str
) -> None:
    """§7.3"""
    app.redirect_uri = f"http://{host}{port}/callback"
    request, callback = app.sign_in(browser, person)
    assert callback.target == app.redirect_uri
    success_of(app.exchange(request, callback))


def test_the_code_belongs_to_the_port_that_was_asked_for(app: RelyingParty, browser: Browser, person: Person) -> None:
    request, callback = app.sign_in(browser, person, redirect_uri="http://127.0.0.1:51004/callback")
    response = app.exchange(request, callback, redirect_uri="http://127.0.0.1:51005/callback")
    assert error_of(response) == "invalid_grant"


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:51004/other",
        "http://127.0.0.1:51004/callback?x=1",
        "http://127.0.0.1:51004/callback/",
        "http://127.0.0.1:51004",
        "https://127.0.0.1:51004/callback",
        "http://127.0.0.2:51004/callback",
        "http://127.1:51004/callback",
        "http://2130706433:51004/callback",
        "http://[::ffff:127.0.0.1]:51004/callback",
        "http://LOCALHOST:51004/callback",
        "http://localhost.evil.example:51004/callback",
        "http://127.0.0.1:51004@evil.example/callback",
        "http://evil.example:51004/callback",
        "http://127.0.0.1:99999/callback",
        "http://127.0.0.1:051004/callback",
        "http://127.0.0.1:/callback",
        "http://127.0.0.1:port/callback",
        "http://127.0.0.1:51004/callback\n",
    ],
)
def test_nothing_else_may_vary(app: RelyingParty, browser: Browser, uri: str) -> None:
    error_page_of(browser.open(app.authorization_request(redirect_uri=uri).url))


def test_the_port_of_a_web_application_may_not_vary(server: Server, browser: Browser) -> None:
    party = server.create_client(redirect_uris=["http://127.0.0.1:8080/callback"])
    uri = "http://127.0.0.1:8081/callback"
    error_page_of(browser.open(party.authorization_request(redirect_uri=uri).url))


@pytest.mark.parametrize("uri", ["com.example.app:/callback", "com.example.app://callback", "myapp://auth/done"])
def test_private_use_schemes(server: Server, browser: Browser, person: Person, uri: str) -> None:
    """§7.1"""
    party = server.create_client(**NATIVE, redirect_uris=[uri])
    request = party.authorization_request()
    shown = browser.authorize(request.url, person)
    assert isinstance(shown, Callback)
    assert shown.url.startswith(uri + "?")
    party.check_callback(request, shown)
    success_of(party.exchange(request, shown))


def test_claimed_https_uris(server: Server, browser: Browser, person: Person) -> None:
    """§7.2: compared as a whole, for there is nothing about it that may vary."""
    uri = "https://app.example.com/callback"
    party = server.create_client(**NATIVE, redirect_uris=[uri])
    request, callback = party.sign_in(browser, person)
    assert callback.target == uri
    success_of(party.exchange(request, callback))
    for other in (
        "https://app.example.com:8443/callback",
        "https://app.example.com/callback/",
        "http://app.example.com/callback",
    ):
        error_page_of(browser.open(party.authorization_request(redirect_uri=other).url))


@pytest.mark.parametrize("method", ["none", "client_secret_basic"])
def test_pkce_is_required_whatever_was_registered(server: Server, browser: Browser, method: str) -> None:
    """§6, §8.1: also where each installation has a secret of its own."""
    native = {**NATIVE, "token_endpoint_auth_method": method}
    party = server.create_client(**native, redirect_uris=LOOPBACK, require_pkce=False)
    assert refused(party, browser, code_challenge=None) == "invalid_request"


@pytest.mark.parametrize("uri", ["com.example.app:/callback", LOOPBACK[0]])
def test_no_application_on_the_device_goes_without_consent(
    server: Server, browser: Browser, person: Person, uri: str
) -> None:
    """§8.6: anybody could pretend to be it, so being trusted does not help."""
    party = server.create_client(**NATIVE, redirect_uris=[uri], skip_consent=True)
    page = browser.authorize(party.authorization_request().url)
    assert not isinstance(page, Callback)
    shown = browser.log_in(page, person)
    assert not isinstance(shown, Callback)
    assert shown.data_page == "consent"
    assert refused(party, browser, prompt="none") == "consent_required"


def test_a_web_application_that_is_trusted_goes_without_consent(
    server: Server, browser: Browser, person: Person
) -> None:
    party = server.create_client(skip_consent=True)
    page = browser.authorize(party.authorization_request().url)
    assert not isinstance(page, Callback)
    assert isinstance(browser.log_in(page, person), Callback)


def test_a_secret_that_everybody_has_proves_nothing(server: Server, browser: Browser, person: Person) -> None:
    """§8.5: the operator's own application too, if its redirect URI is anybody's on the device."""
    party = server.create_client(application_type="native", skip_consent=True, redirect_uris=LOOPBACK)
    party.tokens(browser, person)
    shown = browser.open(party.authorization_request().url)
    assert isinstance(shown, Page)
    assert shown.data_page == "consent"
    assert refused(party, browser, prompt="none") == "consent_required"
