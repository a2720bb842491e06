"""One's data and leaving, in a real Chromium: with scripts and without, in two languages, wide and narrow."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.backends import SQLITE, fresh_backend
from tests.helpers.browser import Person
from tests.helpers.inbox import letters
from tests.helpers.server import Server, running_server
from tests.journeys.accessibility import overflow, violations
from tests.journeys.conftest import OpenWindow

pytestmark = pytest.mark.browser

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
WORDS = {
    "en-GB": ("Data and privacy", "Delete your account", "Keep your account?"),
    "de-DE": ("Daten und Datenschutz", "Ihr Konto löschen", "Ihr Konto behalten?"),
}

ways = pytest.mark.parametrize(
    ("language", "has_scripts", "size"),
    [("en-GB", True, DESKTOP), ("en-GB", False, PHONE), ("de-DE", True, PHONE), ("de-DE", False, DESKTOP)],
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one's own."""
    directory = tmp_path_factory.mktemp("leaving")
    with fresh_backend(SQLITE, directory) as backend, running_server(backend, directory) as running:
        yield running


def sign_in(window: Page, person: Person) -> None:
    if window.locator("#username").is_editable():
        window.locator("#username").fill(person.email)
    window.locator("#password").fill(person.password)
    window.locator("#login-submit").click()


def shown(window: Page, name: str) -> None:
    expect(window.locator(f"main[data-page={name}]")).to_be_visible()


@ways
def test_from_the_copy_to_the_way_back(
    language: str, has_scripts: bool, size: dict[str, int], server: Server, open_window: OpenWindow, tmp_path: Path
) -> None:
    data, deletion, keep = WORDS[language]
    person = server.create_user(name="Ada Lovelace")
    window = open_window(viewport=size, locale=language, java_script_enabled=has_scripts)
    window.goto(f"{server.issuer}/account/data")
    sign_in(window, person)
    expect(window.get_by_role("heading", level=1)).to_have_text(data)
    window.locator("#held summary").click()
    expect(window.locator("#held dt").first).to_be_visible()
    checked(window, has_scripts)
    window.locator("#request-copy").click()
    expect(window.locator(".notice-success")).to_be_visible()
    with window.expect_download() as download:
        window.locator("#download-copy").click()
    file = tmp_path / "copy.json"
    download.value.save_as(file)
    assert download.value.suggested_filename.startswith("personal-data-")
    assert json.loads(file.read_text())["person"]["id"] == person.id
    window.locator("#delete").click()
    expect(window.get_by_role("heading", level=1)).to_have_text(deletion)
    window.locator("#delete-submit").click()
    expect(window.locator("#error-summary")).to_be_visible()
    checked(window, has_scripts)
    window.locator("#understood").check()
    window.locator("#delete-submit").click()
    shown(window, "account-left")
    checked(window, has_scripts)
    window.get_by_role("link", name="Sign in" if language == "en-GB" else "Anmelden").last.click()
    sign_in(window, person)
    expect(window.get_by_role("heading", level=1)).to_have_text(keep)
    checked(window, has_scripts)
    window.locator("#come-back").click()
    window.goto(f"{server.issuer}/account/")
    shown(window, "account-overview")


def checked(window: Page, has_scripts: bool) -> None:
    """Accessible, as far as axe, which is a script, can look; and no wider than the window."""
    if has_scripts:
        assert overflow(window) == 0
        assert violations(window) == []


@ways
def test_switching_off_and_the_link_that_keeps_the_account(
    language: str, has_scripts: bool, size: dict[str, int], server: Server, open_window: OpenWindow
) -> None:
    person = server.create_user()
    window = open_window(viewport=size, locale=language, java_script_enabled=has_scripts)
    window.goto(f"{server.issuer}/account/deactivate")
    sign_in(window, person)
    shown(window, "account-deactivate")
    checked(window, has_scripts)
    window.locator("#deactivate-submit").click()
    shown(window, "account-left")
    window.goto(f"{server.issuer}/account/delete")
    sign_in(window, person)
    shown(window, "come-back")
    window.locator("#come-back").click()
    shown(window, "account-delete")
    window.locator("#understood").check()
    window.locator("#delete-submit").click()
    shown(window, "account-left")
    window.goto(letters(server.issuer, person.email)[0].link("/link/deletion_undo"))
    shown(window, "mailed-link")
    checked(window, has_scripts)
    window.locator("#keep-account").click()
    shown(window, "account-kept")
    checked(window, has_scripts)
