"""OpenID Connect Session Management 1.0: applications can watch whether the person is still the one who signed in.

What the provider's frame answers to applications is tested in a real browser: tests/journeys/test_signing_out.py.
"""

from hashlib import sha256
from pathlib import Path

import pytest

from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.browser import Browser, Callback
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server, running_server
from tests.protocol.expectations import refused

COOKIE = "idp-browser-state"
CALLBACK = "https://app.example.com/callback"


def holds(state: str, client_id: str, origin: str, browser: Browser) -> bool:
    """§3.2, as anybody who reads the cookie could compute it."""
    digest, _, salt = state.partition(".")
    text = f"{client_id} {origin} {browser.cookies[COOKIE]} {salt}"
    return digest == sha256(text.encode()).hexdigest()


@pytest.fixture
def party(watched_server: Server) -> RelyingParty:
    """A client that may ask for tokens in the front channel as well."""
    party = watched_server.create_client(
        redirect_uris=[CALLBACK],
        grant_types=["authorization_code", "refresh_token", "implicit"],
        response_types=["code", "id_token", "id_token token", "code id_token"],
    )
    party.redirect_uri = CALLBACK
    return party


@pytest.fixture
def browser(watched_server: Server) -> Browser:
    return watched_server.browser()


# §2: only where it is switched on


def test_it_is_off_unless_switched_on(server: Server) -> None:
    party, browser = server.create_client(), server.browser()
    assert "check_session_iframe" not in party.metadata
    _, callback = party.sign_in(browser, server.create_user())
    assert "session_state" not in callback.params
    assert COOKIE not in browser.cookies
    assert party.http.get(party.issuer + "/oauth2/check-session").status_code == 404


def test_it_is_announced(party: RelyingParty) -> None:
    assert party.metadata["check_session_iframe"] == party.issuer + "/oauth2/check-session"


# §3: the session state


@pytest.mark.parametrize("response_type", ["code", "id_token", "id_token token", "code id_token"])
def test_every_successful_answer_has_a_session_state(
    watched_server: Server, party: RelyingParty, browser: Browser, response_type: str
) -> None:
    _, callback = party.sign_in(browser, watched_server.create_user(), response_type=response_type)
    state = callback["session_state"]
    assert holds(state, party.client_id, "https://app.example.com", browser)
    assert not holds(state, party.client_id, "https://other.example.com", browser)
    assert not holds(state, "another", "https://app.example.com", browser)
    assert " " not in state, "§2: it is the second of two words"


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://App.example.com:443/callback", "https://app.example.com"),
        ("https://app.example.com:8443/callback", "https://app.example.com:8443"),
        ("http://127.0.0.1:9/callback?x=1", "http://127.0.0.1:9"),
        ("http://[::1]:9/callback", "http://[::1]:9"),
    ],
)
def test_the_origin_is_written_as_browsers_write_it(
    watched_server: Server, browser: Browser, uri: str, origin: str
) -> None:
    party = watched_server.create_client(redirect_uris=[uri])
    callback = browser.callback(party.authorization_request().url, watched_server.create_user())
    assert holds(callback["session_state"], party.client_id, origin, browser)


def test_it_is_salted_and_silent_answers_have_it_too(
    watched_server: Server, party: RelyingParty, browser: Browser
) -> None:
    _, first = party.sign_in(browser, watched_server.create_user())
    second = browser.callback(party.authorization_request(prompt="none").url)
    states = {first["session_state"], second["session_state"]}
    assert len(states) == 2
    assert all(holds(state, party.client_id, "https://app.example.com", browser) for state in states)


def test_it_holds_until_somebody_signs_in_again(watched_server: Server, party: RelyingParty, browser: Browser) -> None:
    person = watched_server.create_user()
    for newcomer in (person, watched_server.create_user()):
        _, callback = party.sign_in(browser, person)
        state = callback["session_state"]
        assert holds(state, party.client_id, "https://app.example.com", browser)
        party.sign_in(browser, newcomer, prompt="login")
        assert not holds(state, party.client_id, "https://app.example.com", browser)


def test_a_session_that_is_older_than_the_switch_is_watched_from_now_on(
    watched_server: Server, party: RelyingParty, browser: Browser
) -> None:
    party.sign_in(browser, watched_server.create_user())
    browser.cookies.delete(COOKIE)
    callback = browser.callback(party.authorization_request(prompt="none").url)
    assert holds(callback["session_state"], party.client_id, "https://app.example.com", browser)


def test_signing_out_takes_the_cookie_away(watched_server: Server, party: RelyingParty, browser: Browser) -> None:
    tokens = party.tokens(browser, watched_server.create_user())
    assert COOKIE in browser.cookies
    browser.open(party.logout_url(id_token_hint=tokens["id_token"]))
    assert COOKIE not in browser.cookies


def test_errors_have_none(party: RelyingParty, browser: Browser) -> None:
    assert refused(party, browser, prompt="none") == "login_required", "and nothing beside it"


def test_an_application_without_an_origin_has_none(watched_server: Server, browser: Browser) -> None:
    party = watched_server.create_client(
        redirect_uris=["com.example.app:/callback"], application_type="native", token_endpoint_auth_method="none"
    )
    party.redirect_uri = "com.example.app:/callback"
    shown = browser.callback(party.authorization_request().url, watched_server.create_user())
    assert isinstance(shown, Callback)
    assert "code" in shown.params
    assert "session_state" not in shown.params


# The frame, and the cookie that it reads


def test_that_page_alone_may_be_framed(watched_server: Server, party: RelyingParty) -> None:
    frame = party.http.get(party.metadata["check_session_iframe"])
    assert frame.status_code == 200
    assert "frame-ancestors *" in frame.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in frame.headers
    assert "'unsafe-inline'" not in frame.headers["Content-Security-Policy"]
    for path in ("/", "/login", "/oauth2/logout", "/oauth2/authorize"):
        page = party.http.get(party.issuer + path, follow_redirects=True)
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"], path
        assert page.headers["X-Frame-Options"] == "DENY", path


def test_the_cookie_can_be_read_by_frames_on_other_sites_and_says_nothing(tmp_path: Path) -> None:
    with (
        fresh_backend(SQLITE, tmp_path) as backend,
        running_server(backend, tmp_path, tls=True, IDP_FEATURES__SESSION_MANAGEMENT="true") as server,
    ):
        party, browser = server.create_client(), server.browser()
        tokens = party.tokens(browser, server.create_user())
        (cookie,) = [cookie for cookie in browser.cookies.jar if cookie.name == f"__Host-{COOKIE}"]
        assert cookie.secure
        assert cookie.get_nonstandard_attr("SameSite") == "None"
        assert not cookie.has_nonstandard_attr("HttpOnly")
        (session,) = [cookie for cookie in browser.cookies.jar if cookie.name == "__Host-idp-session"]
        assert session.has_nonstandard_attr("HttpOnly"), "this one stays out of reach"
        assert session.get_nonstandard_attr("SameSite") == "Lax"
        assert cookie.value not in (session.value, tokens["claims"]["sid"])
