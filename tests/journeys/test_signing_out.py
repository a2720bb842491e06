"""Sign-out in a real Chromium: frames that tell applications, and the frame that applications ask."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.browser import Callback, Person
from tests.helpers.relying_party import AuthorizationRequest, RelyingParty
from tests.helpers.server import Server, running_server
from tests.journeys.accessibility import violations
from tests.journeys.application_site import ApplicationSite, application_site
from tests.journeys.conftest import OpenWindow

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose session state applications can watch."""
    directory = tmp_path_factory.mktemp("watched")
    with (
        fresh_backend(SQLITE, directory) as backend,
        running_server(backend, directory, IDP_FEATURES__SESSION_MANAGEMENT="true") as server,
    ):
        yield server


@pytest.fixture
def site() -> Iterator[ApplicationSite]:
    """The application's site."""
    with application_site() as site:
        yield site


def application(server: Server, site: ApplicationSite, **metadata: Any) -> RelyingParty:
    """A client that lives on the site."""
    callback = f"{site.origin}/callback"
    return server.create_client(
        skip_consent=True,
        redirect_uris=[callback],
        post_logout_redirect_uris=[f"{site.origin}/bye"],
        **metadata,
    )


def sign_in(window: Page, party: RelyingParty, person: Person, **params: str) -> tuple[AuthorizationRequest, Callback]:
    """From the request to the callback, through the sign-in page if it is shown."""
    request = party.authorization_request(**params)
    window.goto(request.url)
    if urlsplit(window.url).path != "/callback":
        if window.locator("#username").is_editable():
            window.locator("#username").fill(person.email)
        window.locator("#password").fill(person.password)
        window.locator("#login-submit").click()
    window.wait_for_url(party.redirect_uri + "?*")
    callback = Callback(window.url, {k: v[0] for k, v in parse_qs(urlsplit(window.url).query).items()}, "query")
    party.check_callback(request, callback)
    return request, callback


def id_token(party: RelyingParty, request: AuthorizationRequest, callback: Callback) -> str:
    return str(party.exchange(request, callback).json()["id_token"])


# Front-channel logout


def test_frames_are_loaded_and_the_browser_goes_on(watched: Server, site: ApplicationSite, window: Page) -> None:
    path = f"{site.origin}/front-channel"
    first = application(
        watched, site, frontchannel_logout_uri=f"{path}?app=1", frontchannel_logout_session_required=True
    )
    second = application(watched, site, frontchannel_logout_uri=f"{path}?app=2")
    person = watched.create_user()
    hint = id_token(first, *sign_in(window, first, person))
    id_token(second, *sign_in(window, second, person))
    trouble: list[str] = []
    window.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    window.goto(first.logout_url(id_token_hint=hint, post_logout_redirect_uri=f"{site.origin}/bye", state="s"))
    window.wait_for_url(f"{site.origin}/bye?state=s")
    loaded = sorted(urlsplit(address).query for address in site.asked_for("/front-channel"))
    assert loaded[1] == "app=2"
    assert loaded[0].startswith("app=1&iss="), loaded
    assert trouble == []
    window.go_back()
    assert "/oauth2/logout" not in window.url, "the page in between is no step back"


def test_a_frame_that_never_loads_holds_nobody_up_for_long(
    watched: Server, site: ApplicationSite, window: Page
) -> None:
    party = application(watched, site, frontchannel_logout_uri=f"{site.origin}/never")
    hint = id_token(party, *sign_in(window, party, watched.create_user()))
    window.goto(
        party.logout_url(id_token_hint=hint, post_logout_redirect_uri=f"{site.origin}/bye"), wait_until="commit"
    )
    expect(window.locator("main[data-page=logged-out]")).to_be_visible()
    window.wait_for_url(f"{site.origin}/bye", timeout=15_000)


def test_a_page_in_a_frame_leads_nobody_away(watched: Server, site: ApplicationSite, window: Page) -> None:
    site.pages["/breakout"] = '<!doctype html><script>top.location = "/stolen"</script>'
    party = application(watched, site, frontchannel_logout_uri=f"{site.origin}/breakout")
    hint = id_token(party, *sign_in(window, party, watched.create_user()))
    window.goto(party.logout_url(id_token_hint=hint))
    expect(window.locator("main[data-page=logged-out]")).to_be_visible()
    assert site.asked_for("/breakout")
    assert not site.asked_for("/stolen")
    assert violations(window) == []


def test_without_scripts_there_is_a_link_and_the_page_goes_on_after_a_while(
    watched: Server, site: ApplicationSite, open_window: OpenWindow
) -> None:
    window = open_window(java_script_enabled=False)
    party = application(watched, site, frontchannel_logout_uri=f"{site.origin}/front-channel")
    hint = id_token(party, *sign_in(window, party, watched.create_user()))
    url = party.logout_url(id_token_hint=hint, post_logout_redirect_uri=f"{site.origin}/bye", state="s")
    window.goto(url)
    assert site.asked_for("/front-channel"), "frames need no script"
    link = window.get_by_role("link", name="Back to")
    expect(link).to_have_attribute("href", f"{site.origin}/bye?state=s")
    window.wait_for_url(f"{site.origin}/bye?state=s", timeout=15_000)


# Session management


def watch(window: Page, party: RelyingParty, site: ApplicationSite, asking: str = "/watching") -> None:
    """Open the application's page: the provider's frame, and beside it the one that asks."""
    frame = party.metadata["check_session_iframe"]
    site.pages["/app"] = (
        f'<!doctype html><title>app</title><iframe name="op" src="{frame}"></iframe>'
        f'<iframe name="rp" src="{asking}"></iframe>'
    )
    window.goto(f"{site.origin}/app")


def answer(window: Page, message: Any) -> str:
    """What the provider's frame says to the application's frame."""
    frame = window.frame(name="rp")
    assert frame is not None
    return str(frame.evaluate("(message) => ask(message)", message))


def test_the_frame_says_whether_the_session_is_still_the_same(
    watched: Server, site: ApplicationSite, open_window: OpenWindow
) -> None:
    window = open_window()
    person = watched.create_user()
    party, other = application(watched, site), application(watched, site)
    request, callback = sign_in(window, party, person)
    state = callback["session_state"]
    watch(window, party, site)
    assert answer(window, f"{party.client_id} {state}") == "unchanged"
    assert answer(window, f"{party.client_id} {state}") == "unchanged", "and as often as one asks"
    assert answer(window, f"{other.client_id} {state}") == "changed"
    # Elsewhere in the same browser.
    elsewhere = window.context.new_page()
    _, renewed = sign_in(elsewhere, other, person)
    assert answer(window, f"{party.client_id} {state}") == "unchanged", "single sign-on changes nothing"
    assert answer(window, f"{other.client_id} {renewed['session_state']}") == "unchanged"
    sign_in(elsewhere, other, watched.create_user(), prompt="login")
    assert answer(window, f"{party.client_id} {state}") == "changed", "somebody else"
    _, again = sign_in(elsewhere, party, person, prompt="login")
    assert answer(window, f"{party.client_id} {again['session_state']}") == "unchanged"
    elsewhere.goto(party.logout_url())
    elsewhere.locator("#logout-confirm").click()
    expect(elsewhere.locator("main[data-page=logged-out]")).to_be_visible()
    assert answer(window, f"{party.client_id} {again['session_state']}") == "changed", "nobody"
    assert request.state


@pytest.mark.parametrize("message", ["", "one", "client state", "client a.b", "a b c", 7, None, {"a": 1}])
def test_what_is_no_question_is_an_error(
    watched: Server, site: ApplicationSite, open_window: OpenWindow, message: Any
) -> None:
    window = open_window()
    party = application(watched, site)
    sign_in(window, party, watched.create_user())
    watch(window, party, site)
    assert answer(window, message) == "error"


def test_only_the_origin_that_shows_the_frame_is_answered(
    watched: Server, site: ApplicationSite, open_window: OpenWindow
) -> None:
    window = open_window()
    party = application(watched, site)
    _, callback = sign_in(window, party, watched.create_user())
    with application_site() as stranger:
        watch(window, party, site, f"{stranger.origin}/watching")
        assert answer(window, f"{party.client_id} {callback['session_state']}") == "silence"


def test_a_state_that_was_made_for_another_origin_has_changed(
    watched: Server, site: ApplicationSite, open_window: OpenWindow
) -> None:
    window = open_window()
    party = application(watched, site)
    _, callback = sign_in(window, party, watched.create_user())
    with application_site() as stranger:
        watch(window, party, stranger)
        assert answer(window, f"{party.client_id} {callback['session_state']}") == "changed"


def test_where_the_browser_hides_our_cookies_nobody_is_signed_out_for_it(
    watched: Server, site: ApplicationSite, open_window: OpenWindow
) -> None:
    """Storage access is denied to the frame, as browsers do that keep other sites' cookies from it."""
    window = open_window()
    party = application(watched, site)
    _, callback = sign_in(window, party, watched.create_user())
    window.context.clear_cookies()
    window.add_init_script("document.hasStorageAccess = async () => false")
    watch(window, party, site)
    assert answer(window, f"{party.client_id} {callback['session_state']}") == "error"
