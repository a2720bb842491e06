"""The profile in a real Chromium: with scripts and without, in two languages, on a desk and on a phone."""

import contextlib
import functools
import secrets
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.browser import Person
from tests.helpers.inbox import letters
from tests.helpers.photographs import photograph, seen, with_exif
from tests.helpers.server import Server
from tests.journeys.accessibility import overflow, violations
from tests.journeys.conftest import OpenWindow

pytestmark = pytest.mark.browser

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
WAYS = [("en-GB", True, "Personal details"), ("de-DE", False, "Persönliche Angaben")]


def expect_page(page: Page, name: str, *, scripts: bool = True) -> None:
    """The page of that name is open; accessible, and no wider than its window."""
    expect(page.locator(f"main[data-page='{name}']")).to_be_visible()
    assert overflow(page) == 0
    if scripts:
        assert violations(page) == [], name


def sign_in(page: Page, server: Server, person: Person, path: str) -> None:
    page.goto(server.issuer + path)
    page.locator("#username").fill(person.email)
    page.locator("#password").fill(person.password)
    page.locator("#login-submit").click()


def file(directory: Path, content: bytes, name: str = "me.jpg") -> str:
    path = directory / name
    path.write_bytes(content)
    return str(path)


@contextlib.contextmanager
def application(directory: Path) -> Iterator[str]:
    """The files of a directory on an origin of their own."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def stored(server: Server, person: Person) -> Any:
    with server.administrator.provider() as provider:
        return provider.users.get(person.id)


@pytest.mark.parametrize(("locale", "scripts", "heading"), WAYS)
def test_somebody_fills_in_their_profile(
    sqlite_server: Server, open_window: OpenWindow, tmp_path: Path, locale: str, scripts: bool, heading: str
) -> None:
    person = sqlite_server.create_user()
    window = open_window(locale=locale, java_script_enabled=scripts, viewport={"width": 1280, "height": 800})
    sign_in(window, sqlite_server, person, "/account/profile")
    expect_page(window, "account-profile", scripts=scripts)

    window.locator("#change-details").click()
    expect_page(window, "account-profile-details", scripts=scripts)
    expect(window.locator("h1")).to_have_text(heading)
    window.locator("#name").fill("ليلى الخوارزمي")
    window.locator("#given_name").fill("ليلى")
    expect(window.locator("#gender_own")).to_be_hidden()
    window.locator("#gender").select_option("other")
    window.locator("#gender_own").fill("woman")
    window.locator("#birthdate").fill("31")
    window.locator("#birthdate_month").select_option("2")
    window.locator("#birthdate_year").fill("1985")
    window.locator("#continue").click()
    expect(window.locator("#error-summary")).to_be_visible()
    expect_page(window, "account-profile-details", scripts=scripts)
    window.locator("#error-summary a").first.click()
    expect(window.locator("#birthdate")).to_be_focused()
    window.locator("#birthdate").fill("28")
    window.locator("#website").fill("layla.example")
    window.locator("#continue").click()
    expect_page(window, "account-profile", scripts=scripts)
    expect(window.locator("[role=status]")).to_be_visible()
    user = stored(sqlite_server, person)
    assert (user.name, user.gender, user.birthdate, user.website) == (
        "ليلى الخوارزمي", "woman", "1985-02-28", "https://layla.example",
    )  # fmt: skip

    window.locator("#change-picture").click()
    window.locator("#picture").set_input_files(file(tmp_path, b"<svg/>", "me.svg"))
    window.locator("#continue").click()
    expect(window.locator("#picture-error")).to_be_visible()
    expect_page(window, "account-profile-picture", scripts=scripts)
    window.locator("#picture").set_input_files(file(tmp_path, photograph(1200, 900, "JPEG")))
    window.locator("#continue").click()
    expect_page(window, "account-profile", scripts=scripts)
    for image in ("img.portrait", ".who img.avatar"):
        assert window.locator(image).evaluate("image => image.naturalWidth") > 0, image
    window.locator("#change-picture").click()
    window.locator("#remove-picture").click()
    expect(window.locator("img.portrait")).to_have_count(0)

    window.locator("#change-phone_number").click()
    expect_page(window, "account-profile-phone", scripts=scripts)
    window.locator("#phone_country").select_option("DE")
    window.locator("#phone_number").fill("030 901820")
    window.locator("#continue").click()
    expect(window.locator("main")).to_contain_text("+49 30 901820")
    window.locator("#change-address").click()
    expect_page(window, "account-profile-address", scripts=scripts)
    window.locator("#street_address").fill("Unter den Linden 6\nAula")
    window.locator("#locality").fill("Berlin")
    window.locator("#continue").click()
    expect_page(window, "account-profile", scripts=scripts)
    assert stored(sqlite_server, person).address["street_address"] == "Unter den Linden 6\nAula"


def test_a_photograph_that_is_too_large_for_the_server_is_answered_on_the_page(
    sqlite_server: Server, open_window: OpenWindow, tmp_path: Path
) -> None:
    """Servers that stop reading and hang up show people an error of their browser: this one must not."""
    person, window = sqlite_server.create_user(), open_window(java_script_enabled=False)
    sign_in(window, sqlite_server, person, "/account/profile/picture")
    window.locator("#picture").set_input_files(file(tmp_path, photograph(8, 8) + bytes(12_000_000)))
    window.locator("#continue").click()
    expect(window.locator("[role=status]")).to_contain_text("too large")
    window.locator("#picture").set_input_files(file(tmp_path, photograph(8, 8) + bytes(5_250_000)))
    window.locator("#continue").click()
    expect(window.locator("#picture-error")).to_contain_text("5 MB")


def test_a_picture_opened_by_itself_is_a_picture(sqlite_server: Server, window: Page, tmp_path: Path) -> None:
    person = sqlite_server.create_user()
    sign_in(window, sqlite_server, person, "/account/profile/picture")
    window.locator("#picture").set_input_files(file(tmp_path, with_exif()))
    window.locator("#continue").click()
    expect_page(window, "account-profile")
    response = window.goto(stored(sqlite_server, person).picture)
    assert response is not None
    assert response.headers["content-type"] == "image/webp"
    assert seen(response.body()).size == (400, 400)
    assert window.evaluate("window.origin") == "null"  # sandboxed: it belongs to nobody
    # An application on another origin shows it.
    (tmp_path / "app.html").write_text(f"<!doctype html><title>An app</title><img src='{response.url}'>")
    with application(tmp_path) as origin:
        window.goto(f"{origin}/app.html")
        assert window.evaluate("document.images[0].naturalWidth") == 400


def test_the_look_that_somebody_prefers_beats_the_devices(sqlite_server: Server, open_window: OpenWindow) -> None:
    person = sqlite_server.create_user()
    window = open_window(color_scheme="light", locale="en-GB")
    sign_in(window, sqlite_server, person, "/account/preferences")
    expect_page(window, "account-preferences")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = window.evaluate(background)
    window.locator("input[name=theme][value=dark]").check()
    window.locator("#continue").click()
    expect(window.locator("html[data-theme=dark]")).to_have_count(1)
    expect_page(window, "account-preferences")
    dark = window.evaluate(background)
    assert dark != light
    assert window.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    night = open_window(color_scheme="dark")
    sign_in(night, sqlite_server, person, "/account/preferences")
    assert night.evaluate(background) == dark
    night.locator("input[name=theme][value=light]").check()
    night.locator("#locale").select_option("de")
    night.locator("#zoneinfo").select_option("Europe/Berlin")
    night.locator("#continue").click()
    expect(night.locator("html[lang=de][data-theme=light]")).to_have_count(1)
    expect_page(night, "account-preferences")
    assert night.evaluate(background) == light


def test_another_address_on_a_phone_and_back_again(sqlite_server: Server, open_window: OpenWindow) -> None:
    person, address = sqlite_server.create_user(), f"{secrets.token_hex(5)}@example.org"
    phone = open_window(locale="de-DE", **PHONE)
    sign_in(phone, sqlite_server, person, "/account/profile")
    phone.locator("#change-email").click()
    expect_page(phone, "account-email-change")
    phone.locator("#email").fill(address)
    phone.locator("#continue").click()
    expect_page(phone, "account-email-change-code")
    phone.locator("#code").fill(letters(sqlite_server.issuer, address)[0].code)
    phone.locator("#continue").click()
    expect_page(phone, "account-profile")
    expect(phone.locator("main")).to_contain_text(address.split("@")[0])

    owner = open_window(locale="en-GB")
    owner.goto(letters(sqlite_server.issuer, person.email)[0].link("/link/email_undo"))
    expect_page(owner, "mailed-link")
    owner.locator("#undo-submit").click()
    expect_page(owner, "new-password")
    owner.locator("#new_password").fill("an owl reads nine maps backwards")
    owner.locator("main button[type=submit]").first.click()
    expect_page(owner, "home")
    phone.goto(f"{sqlite_server.issuer}/account/")
    expect_page(phone, "login")
    assert stored(sqlite_server, person).email == person.email


def test_two_tabs_lose_nothing(sqlite_server: Server, open_window: OpenWindow) -> None:
    person = sqlite_server.create_user(name="Ada")
    one = open_window(locale="en-GB")
    sign_in(one, sqlite_server, person, "/account/profile/details")
    two = one.context.new_page()
    two.goto(f"{sqlite_server.issuer}/account/profile/details")
    one.locator("#name").fill("Ada King")
    one.locator("#continue").click()
    expect_page(one, "account-profile")
    two.locator("#nickname").fill("Countess")
    two.locator("#continue").click()
    expect(two.locator("#error-summary")).to_be_visible()
    expect(two.locator("main")).to_contain_text("Ada King")
    expect(two.locator("#nickname")).to_have_value("Countess")
    expect_page(two, "account-profile-details")
    two.locator("#name").fill("Ada King")
    two.locator("#continue").click()
    expect_page(two, "account-profile")
    user = stored(sqlite_server, person)
    assert (user.name, user.nickname) == ("Ada King", "Countess")
