"""AZ9: what strangers can make us keep by beginning sign-ins that nobody finishes."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from idp.core.events import Event
from tests.helpers.backends import BACKENDS, fresh_backend, is_available
from tests.helpers.browser import Browser, Callback, Page
from tests.helpers.needs import need
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server, running_server
from tests.protocol.expectations import error_at_callback
from tests.security.attacks import in_parallel, must_be_page

LIMIT = 5
WINDOW = 3600
STRICT = {
    "IDP_THROTTLE__UNFINISHED_SIGN_INS": str(LIMIT),
    # Long, so that no window ends in the middle of a test.
    "IDP_THROTTLE__ADDRESS_WINDOW": str(WINDOW),
    "IDP_TRUSTED_PROXIES": "127.0.0.1/32",
}


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a low limit that takes us for its proxy."""
    need(is_available(request.param), f"{request.param} is not running: python -m tests.helpers.services -- pytest …")
    directory = tmp_path_factory.mktemp("strict")
    with (
        fresh_backend(request.param, directory) as backend,
        running_server(backend, directory, workers=2, **STRICT) as server,
    ):
        yield server


def at(server: Server, address: str) -> Browser:
    """A browser that nobody has signed in on, at a network address."""
    return server.browser(headers={"X-Forwarded-For": address})


def begin(server: Server, party: RelyingParty, address: str) -> Page | Callback:
    """What a new browser at the address is shown."""
    return at(server, address).open(party.authorization_request().url)


def refused(shown: Page | Callback) -> bool:
    """True for the page that says so; its form is checked."""
    page = must_be_page(shown)
    if page.status != 429:
        assert (page.status, page.data_page) == (200, "login")
        return False
    assert page.data_page == "error"
    assert 0 < int(page.headers["Retry-After"]) <= WINDOW
    assert "try again in" in page.text
    return True


def test_az9_a_stranger_begins_so_many_sign_ins_and_no_more(server: Server, relying_party: RelyingParty) -> None:
    shown = in_parallel(4 * LIMIT, lambda _: begin(server, relying_party, "203.0.113.1"))
    assert 0 < sum(not refused(page) for page in shown) <= LIMIT
    while not refused(begin(server, relying_party, "203.0.113.1")):
        """Those who were refused at one moment kept a place from one another."""
    assert refused(begin(server, relying_party, "203.0.113.1"))
    assert refused(at(server, "203.0.113.1").open("/signin/")), "the other way to begin one"
    assert not refused(begin(server, relying_party, "203.0.113.2"))
    with server.administrator.provider() as provider:
        (event,) = [
            event for event in provider.audit.tail(1000, Event.SIGN_IN_THROTTLED) if event.ip_address == "203.0.113.1"
        ]
    assert event.details["reason"] == "unfinished"


def test_az9_what_is_finished_does_not_count(server: Server, relying_party: RelyingParty) -> None:
    """Many people behind one address, each at a new browser."""
    person = server.create_user()
    for _ in range(2 * LIMIT):
        assert "code" in relying_party.sign_in(at(server, "203.0.113.3"), person)[1].params
    assert [refused(begin(server, relying_party, "203.0.113.3")) for _ in range(LIMIT + 2)] == [False] * LIMIT + [
        True
    ] * 2
    # Somebody had a page open already: it works, and makes room for the next one.
    waiting = at(server, "203.0.113.4")
    page = waiting.page(relying_party.authorization_request().url)
    for _ in range(LIMIT):
        begin(server, relying_party, "203.0.113.4")
    assert refused(begin(server, relying_party, "203.0.113.4"))
    assert isinstance(waiting.log_in(page, person), Callback)
    assert not refused(begin(server, relying_party, "203.0.113.4"))
    assert refused(begin(server, relying_party, "203.0.113.4"))


def test_az9_neighbours_lock_nobody_out_who_was_here_before(server: Server, relying_party: RelyingParty) -> None:
    person = server.create_user()
    signed_in, signed_out = at(server, "203.0.113.5"), at(server, "203.0.113.5")
    for browser in (signed_in, signed_out):
        relying_party.sign_in(browser, person)
    page = signed_out.page("/oauth2/logout")
    signed_out.submit(page, page.form_with(button="logout-confirm"))
    for _ in range(LIMIT):
        begin(server, relying_party, "203.0.113.5")
    assert refused(begin(server, relying_party, "203.0.113.5"))
    # A browser with a session needs no page, one without shows the sign-in page.
    assert "code" in signed_in.callback(relying_party.authorization_request().url).params
    assert not refused(signed_out.open(relying_party.authorization_request().url))
    silent = relying_party.authorization_request(prompt="none")
    stranger = at(server, "203.0.113.5").callback(silent.url)
    assert error_at_callback(relying_party, silent, stranger) == "login_required"
    # Each such browser has its own limit.
    shown = [signed_out.open(relying_party.authorization_request().url) for _ in range(LIMIT)]
    assert [refused(page) for page in shown] == [False] * (LIMIT - 1) + [True]


def test_az9_posted_requests_are_limited_too(server: Server, relying_party: RelyingParty) -> None:
    def post() -> int:
        request = relying_party.authorization_request(prompt="none")
        stranger = at(server, "203.0.113.6").http
        return stranger.post(relying_party.metadata["authorization_endpoint"], data=request.params).status_code

    assert [post() for _ in range(LIMIT + 2)] == [303] * LIMIT + [429] * 2


def test_az9_only_what_has_a_meaning_is_kept(server: Server, relying_party: RelyingParty) -> None:
    browser = at(server, "203.0.113.7")
    known = {"login_hint": "somebody@example.com", "ui_locales": "de", "prompt": "login", "max_age": "60"}
    request = relying_party.authorization_request(**known, padding="x" * 8000, display="page")
    page = browser.page(request.url)
    interaction = urlsplit(page.url).path.split("/")[2]
    answer = browser.http.get(f"{server.issuer}/signin/{interaction}/restart")
    kept = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert kept == {name: [value] for name, value in request.params.items() if name not in ("padding", "display")}


def test_az9_what_grows_by_being_kept_is_refused(server: Server, relying_party: RelyingParty) -> None:
    """Sent as one byte each, kept as three: the limit is on what is kept."""
    request = relying_party.authorization_request(state="", claims="")
    query = urlsplit(request.url).query + "&claims={}" + "(" * 8000
    shown = at(server, "203.0.113.8").open(f"/oauth2/authorize?{query}")
    assert isinstance(shown, Callback)
    assert shown["error"] == "invalid_request"
    assert "together" in shown["error_description"]
