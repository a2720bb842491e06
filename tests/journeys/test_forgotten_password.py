"""A forgotten password in a real Chromium: by code and by link, from an application; with scripts and without."""

import pyotp
import pytest
from playwright.sync_api import Page, expect

from tests.helpers.browser import Person
from tests.helpers.forgetful import NEW_PASSWORD
from tests.helpers.inbox import letters
from tests.journeys.accessibility import overflow
from tests.journeys.conftest import OpenWindow
from tests.journeys.demo import Demo
from tests.journeys.test_main_job import PHONE, claims_in, expect_page, log_in, stranger

pytestmark = pytest.mark.browser

WAYS = [
    ("en-GB", True, "Forgot your password?"),
    ("de-DE", False, "Passwort vergessen?"),
    ("de-DE", True, "Passwort vergessen?"),
]


def ask(page: Page, person: Person) -> None:
    """Give the address of the account."""
    page.locator("#username").fill(person.email)
    page.locator("#recover-submit").click()
    expect(page.locator("main[data-page=recover-code]")).to_be_visible()


def choose(page: Page) -> None:
    """Set the new password."""
    page.locator("#new_password").fill(NEW_PASSWORD)
    expect(page.locator("#sign_out_others")).to_be_checked()
    page.locator("#password-submit").click()


@pytest.mark.parametrize(("locale", "scripts", "heading"), WAYS)
def test_by_code_from_an_application_and_back_into_it(
    demo: Demo, open_window: OpenWindow, locale: str, scripts: bool, heading: str
) -> None:
    person = stranger(demo)
    window = open_window(locale=locale, java_script_enabled=scripts, viewport={"width": 1280, "height": 800})
    window.goto(f"{demo.relying_party}/login")
    expect_page(window, "login", accessible=scripts)
    window.locator("#forgot-password").click()
    expect_page(window, "recover", accessible=scripts)
    expect(window.locator("h1")).to_have_text(heading)
    window.locator("#recover-submit").click()
    expect(window.locator("#error-summary")).to_be_visible()
    ask(window, person)
    expect_page(window, "recover-code", accessible=scripts)
    window.locator("#code").fill("000000")
    window.locator("#code-submit").click()
    expect_page(window, "recover-code", accessible=scripts)
    expect(window.locator("#error-summary")).to_be_visible()
    window.locator("#code").fill(letters(demo.issuer, person.email)[0].code)
    window.locator("#code-submit").click()
    expect_page(window, "new-password", accessible=scripts)
    window.locator("#new_password").fill("too short")
    window.locator("#password-submit").click()
    expect_page(window, "new-password", accessible=scripts)
    expect(window.locator("#new_password-error")).to_be_visible()
    choose(window)
    expect_page(window, "consent", accessible=False)
    window.locator("#consent-allow").click()
    expect_page(window, "rp-signed-in", accessible=False)
    assert claims_in(window, "userinfo")["email"] == person.email


def test_by_link_on_a_phone_with_a_second_factor(demo: Demo, open_window: OpenWindow) -> None:
    person = stranger(demo, totp=True)
    desk, phone = open_window(), open_window(**PHONE)
    desk.goto(f"{demo.issuer}/recover")
    ask(desk, person)
    phone.goto(letters(demo.issuer, person.email)[0].link("/link/password_reset"))
    expect_page(phone, "mailed-link")
    assert overflow(phone) == 0
    phone.locator("#recover-continue").click()
    expect_page(phone, "new-password")
    assert overflow(phone) == 0
    choose(phone)
    expect_page(phone, "totp")
    assert person.totp_secret is not None
    phone.locator("#code").fill(pyotp.TOTP(person.totp_secret).now())
    phone.locator("#mfa-submit").click()
    expect_page(phone, "home")
    # The desk goes on with the new password.
    desk.locator("main a", has_text="Back to sign in").click()
    log_in(desk, Person(person.email, NEW_PASSWORD))
    expect_page(desk, "totp", accessible=False)


def test_the_link_finds_the_application_in_the_same_browser(demo: Demo, open_window: OpenWindow) -> None:
    person = stranger(demo)
    window = open_window()
    window.goto(f"{demo.relying_party}/login")
    window.locator("#forgot-password").click()
    ask(window, person)
    tab = window.context.new_page()
    tab.goto(letters(demo.issuer, person.email)[0].link("/link/password_reset"))
    tab.locator("#recover-continue").click()
    expect_page(tab, "new-password", accessible=False)
    tab.locator("[data-reveal=new_password]").click()
    choose(tab)
    expect_page(tab, "consent", accessible=False)


def test_a_locked_account_is_opened_with_the_mailed_link(demo: Demo, window: Page) -> None:
    person = stranger(demo)
    with demo.administrator.provider() as provider:
        user = provider.users.get(person.id)
        assert user is not None
        provider.lockout.announce(user)
    window.goto(letters(demo.issuer, person.email)[0].link("/link/unlock"))
    expect_page(window, "mailed-link")
    window.locator("#unlock-submit").click()
    expect_page(window, "unlocked")
    window.go_back()
    window.reload()
    expect_page(window, "error")
    window.goto(f"{demo.issuer}/signin/")
    log_in(window, person)
    expect_page(window, "home", accessible=False)
