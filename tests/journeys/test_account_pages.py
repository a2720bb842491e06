"""The account pages in a real Chromium: with scripts and without, in two languages, light and dark, on phones."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.browser import Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server, running_server
from tests.journeys.accessibility import overflow, violations
from tests.journeys.conftest import OpenWindow

pytestmark = pytest.mark.browser

NEW_PASSWORD = "seven green lanterns hum softly"
PAGES = {
    "/account/": ("account-overview", "Your account", "Ihr Konto"),
    "/account/security": ("account-security", "Security", "Sicherheit"),
    "/account/password": ("account-password", "Change password", "Passwort ändern"),
    "/account/sessions": ("account-sessions", "Sessions and devices", "Sitzungen und Geräte"),
    "/account/applications": ("account-applications", "Applications", "Anwendungen"),
    "/account/activity": ("account-activity", "Activity", "Aktivität"),
}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one's own."""
    directory = tmp_path_factory.mktemp("account")
    with fresh_backend(SQLITE, directory) as backend, running_server(backend, directory) as running:
        yield running


@pytest.fixture
def person(server: Server) -> Person:
    """Somebody with a zone, a name and an app."""
    someone = server.create_user(name="Ada Lovelace", zoneinfo="Europe/London")
    party = server.create_client(client_name="Meridian", scope="openid email orders:read offline_access")
    party.tokens(server.browser(), someone, "openid email orders:read offline_access")
    return someone


def sign_in(window: Page, person: Person) -> None:
    """Fill in the sign-in page that is shown."""
    if window.locator("#username").is_editable():
        window.locator("#username").fill(person.email)
    window.locator("#password").fill(person.password)
    window.locator("#login-submit").click()


def open_account(window: Page, server: Server, person: Person, path: str = "/account/") -> None:
    """Open an account page, signing in on the way."""
    window.goto(server.issuer + path)
    if window.locator("main[data-page=login]").count():
        sign_in(window, person)
    expect(window.locator(f"main[data-page={PAGES[path][0]}]")).to_be_visible()


@pytest.mark.parametrize(("language", "heading"), [("en-GB", 1), ("de-DE", 2)])
def test_every_page_is_accessible_in_both_schemes(
    language: str, heading: int, server: Server, person: Person, open_window: OpenWindow
) -> None:
    # Colours that are still on their way from one scheme to the other are nobody's.
    window = open_window(viewport=DESKTOP, locale=language, reduced_motion="reduce")
    trouble: list[str] = []
    window.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    open_account(window, server, person)
    for path, texts in PAGES.items():
        window.goto(server.issuer + path)
        expect(window.get_by_role("heading", level=1)).to_have_text(texts[heading])
        for scheme in ("light", "dark"):
            window.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert violations(window) == [], (path, scheme)
    assert trouble == []


@pytest.mark.parametrize("language", ["en-GB", "de-DE"])
def test_every_page_works_on_a_phone_without_scripts(
    language: str, server: Server, person: Person, open_window: OpenWindow
) -> None:
    """By the menu, which needs none."""
    window = open_window(viewport=PHONE, locale=language, java_script_enabled=False)
    heading = 1 if language == "en-GB" else 2
    open_account(window, server, person)
    for path in ("/account/security", "/account/sessions", "/account/applications", "/account/activity", "/account/"):
        menu = window.locator(".account-nav-menu")
        menu.locator("summary").click()
        menu.locator(f'a[href="{path}"]').click()
        expect(window.locator(f"main[data-page={PAGES[path][0]}]")).to_be_visible()
        expect(window.get_by_role("heading", level=1)).to_have_text(PAGES[path][heading])


def test_a_phone_shows_every_page_in_one_column(server: Server, person: Person, open_window: OpenWindow) -> None:
    window = open_window(viewport={"width": 320, "height": 700})
    open_account(window, server, person)
    for path in PAGES:
        window.goto(server.issuer + path)
        assert overflow(window) == 0, path
        assert violations(window) == [], path
        expect(window.locator(".account-nav-menu summary")).to_be_visible()
        expect(window.locator(".account-nav-list")).to_be_hidden()


def test_the_keyboard_skips_the_navigation(server: Server, person: Person, open_window: OpenWindow) -> None:
    window = open_window(viewport=DESKTOP)
    open_account(window, server, person, "/account/security")
    window.keyboard.press("Tab")
    skip = window.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    window.keyboard.press("Enter")
    window.keyboard.press("Tab")
    expect(window.locator("#change-password")).to_be_focused()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_password_is_changed_and_signs_in(
    scripts: bool, server: Server, person: Person, open_window: OpenWindow
) -> None:
    window = open_window(viewport=DESKTOP, java_script_enabled=scripts)
    open_account(window, server, person, "/account/security")
    window.locator("#change-password").click()
    window.locator("#password").fill(person.password)
    window.locator("#new_password").fill("short")
    window.locator("#password-change").click()
    expect(window).to_have_title("Error: Change password – idp")
    expect(window.locator("#error-summary")).to_contain_text("Password must be 15 characters or more")
    if scripts:
        expect(window.locator("#error-summary")).to_be_focused()
        assert violations(window) == []
        window.get_by_role("button", name="Show password").click()
        expect(window.locator("#new_password")).to_have_attribute("type", "text")
    expect(window.locator("#password")).to_have_value("")
    window.locator("#password").fill(person.password)
    window.locator("#new_password").fill(NEW_PASSWORD)
    window.locator("#password-change").click()
    expect(window.get_by_role("status")).to_have_text("Your password was changed. You are signed out everywhere else.")
    window.reload()
    expect(window.get_by_role("status")).to_have_count(0)
    fresh = open_window(viewport=DESKTOP, java_script_enabled=scripts)
    open_account(fresh, server, Person(person.email, NEW_PASSWORD))


@pytest.mark.parametrize("scripts", [True, False])
def test_another_browser_is_signed_out(scripts: bool, server: Server, person: Person, open_window: OpenWindow) -> None:
    window = open_window(viewport=DESKTOP, java_script_enabled=scripts)
    other = open_window(viewport=PHONE, user_agent=FIREFOX)
    open_account(other, server, person)
    open_account(window, server, person, "/account/sessions")
    row = window.get_by_role("listitem").filter(has_text="Firefox · Linux")
    row.get_by_role("button", name="Sign out Firefox").click()
    expect(window.get_by_role("status")).to_have_text("That browser is signed out.")
    expect(window.get_by_text("Firefox · Linux")).to_have_count(0)
    other.reload()
    expect(other.locator("main[data-page=login]")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_an_app_is_removed_and_its_refresh_token_refused(
    scripts: bool, server: Server, open_window: OpenWindow
) -> None:
    person = server.create_user()
    party: RelyingParty = server.create_client(client_name="Tally", scope="openid offline_access")
    tokens = party.tokens(server.browser(), person, "openid offline_access")
    window = open_window(viewport=PHONE, java_script_enabled=scripts)
    open_account(window, server, person, "/account/applications")
    window.get_by_role("link", name="Remove access of Tally").click()
    expect(window.locator("main[data-page=account-remove-application]")).to_be_visible()
    if scripts:
        assert violations(window) == []
    window.locator("#remove-application").click()
    expect(window.get_by_role("status")).to_have_text("The app no longer has access to your account.")
    expect(window.get_by_text("No app uses your account")).to_be_visible()
    assert party.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_the_log_says_it_in_the_persons_time(server: Server, open_window: OpenWindow) -> None:
    person = server.create_user(zoneinfo="Asia/Kathmandu", locale="en-GB")
    window = open_window(viewport=DESKTOP)
    open_account(window, server, person, "/account/activity")
    shown = window.locator("time").first
    expect(shown).to_have_attribute("datetime", re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$"))
    expect(window.get_by_text("Time zone: Nepal Time")).to_be_visible()
    instant = window.evaluate("document.querySelector('time').dateTime")
    there = window.evaluate("(at) => new Date(at).toLocaleTimeString('en-GB', {timeZone: 'Asia/Kathmandu'})", instant)
    expect(shown).to_contain_text(there)
