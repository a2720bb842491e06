"""Registration in a real Chromium: sent by an application, back into it; with scripts and without, in two languages."""

import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.backends import fresh_backend
from tests.helpers.inbox import letters
from tests.helpers.newcomer import PASSWORD
from tests.helpers.server import Server, running_server
from tests.journeys.accessibility import overflow
from tests.journeys.conftest import OpenWindow
from tests.journeys.demo import Demo
from tests.journeys.test_main_job import PHONE, claims_in, expect_page, log_in

pytestmark = pytest.mark.browser

WAYS = [
    ("en-GB", True, "Create your account"),
    ("de-DE", False, "Konto anlegen"),
    ("en-GB", False, "Create your account"),
]


def new_address() -> str:
    return f"{secrets.token_hex(5)}@example.org"


def send_form(page: Page, address: str) -> None:
    """Fill in what the registration page asks for."""
    page.locator("#email").fill(address)
    page.locator("#name").fill("Zoë 東京 Müller")
    page.locator("#new_password").fill(PASSWORD)
    page.locator("#register-submit").click()


@pytest.mark.parametrize(("locale", "scripts", "heading"), WAYS)
def test_from_an_application_and_back_into_it(
    demo: Demo, open_window: OpenWindow, locale: str, scripts: bool, heading: str
) -> None:
    window = open_window(locale=locale, java_script_enabled=scripts, viewport={"width": 1280, "height": 800})
    address = new_address()
    window.goto(f"{demo.relying_party}/login?prompt=create")
    expect_page(window, "register", accessible=scripts)
    expect(window.locator("h1")).to_have_text(heading)
    window.locator("#register-submit").click()
    expect_page(window, "register", accessible=scripts)
    expect(window.locator("#error-summary")).to_be_visible()
    send_form(window, address)

    expect_page(window, "verify-email", accessible=scripts)
    expect(window.locator("main")).to_contain_text(address)
    (mail,) = letters(demo.issuer, address)
    window.locator("#code").fill(mail.code)
    window.locator("#code-submit").click()

    expect_page(window, "consent", accessible=scripts)
    window.locator("#consent-allow").click()
    expect_page(window, "rp-signed-in", accessible=False)
    claims = claims_in(window, "userinfo")
    assert claims["email"] == address
    assert claims["email_verified"] is True
    assert claims["name"] == "Zoë 東京 Müller"


def test_the_password_can_be_shown_while_it_is_typed(demo: Demo, window: Page) -> None:
    window.goto(f"{demo.issuer}/register")
    window.locator("#new_password").fill(PASSWORD)
    window.locator("[data-reveal=new_password]").click()
    assert window.locator("#new_password").get_attribute("type") == "text"


def test_the_mail_is_read_in_the_mailbox_and_its_link_followed_on_a_phone(demo: Demo, open_window: OpenWindow) -> None:
    desk, phone, address = open_window(), open_window(**PHONE), new_address()
    desk.goto(f"{demo.issuer}/register")
    send_form(desk, address)
    expect_page(desk, "verify-email")

    phone.goto(f"{demo.issuer}/dev/mail?to={address}")
    expect_page(phone, "mailbox")
    phone.locator("main a", has_text="is your code").click()
    expect_page(phone, "mail")
    inside = phone.frame_locator("iframe")
    expect(inside.locator(".code")).to_have_text(letters(demo.issuer, address)[0].code)
    inside.get_by_role("link", name="Confirm this address").click()

    expect_page(phone, "mailed-link")
    assert overflow(phone) == 0
    phone.locator("#registration-submit").click()
    expect_page(phone, "register")
    # What was typed at the desk is not here: somebody else may have typed it.
    expect(phone.locator("#name")).to_have_value("")
    expect(phone.locator("#email")).to_have_value(address)
    phone.locator("#new_password").fill("another-password-for-the-phone")
    phone.locator("#register-submit").click()
    expect_page(phone, "home")
    phone.goto(letters(demo.issuer, address)[0].link("/link/registration"))
    expect(phone.locator("main")).to_have_attribute("data-page", "error")


@pytest.fixture(scope="module")
def exclusive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server at which those register who are invited, and everybody accepts the terms."""
    directory = tmp_path_factory.mktemp("exclusive")
    settings = {
        "IDP_SIGN_UP__POLICY": "invitation",
        "IDP_SIGN_UP__TERMS_URL": "https://shop.example/terms",
        "IDP_SIGN_UP__TERMS_VERSION": "2026-01",
    }
    with fresh_backend("sqlite", directory) as backend, running_server(backend, directory, **settings) as server:
        yield server


@pytest.mark.parametrize(("locale", "scripts"), [("en-GB", True), ("de-DE", True), ("de-DE", False)])
def test_an_invitation_and_the_terms(exclusive: Server, open_window: OpenWindow, locale: str, scripts: bool) -> None:
    window, address = open_window(locale=locale, java_script_enabled=scripts), new_address()
    window.goto(f"{exclusive.issuer}/register")
    expect_page(window, "registration-closed", accessible=scripts)
    exclusive.cli("user", "invite", address, "--language", locale[:2], "--json")
    window.goto(letters(exclusive.issuer, address)[0].link("/link/invitation"))
    expect_page(window, "mailed-link", accessible=scripts)
    window.locator("#invitation-submit").click()
    expect_page(window, "register", accessible=scripts)
    window.locator("#new_password").fill(PASSWORD)
    window.locator("#register-submit").click()
    expect_page(window, "register", accessible=scripts)
    expect(window.locator("#terms-error")).to_be_visible()
    window.locator("#new_password").fill(PASSWORD)
    window.locator("#terms").check()
    window.locator("#register-submit").click()
    expect_page(window, "home", accessible=scripts)


@pytest.mark.parametrize(("locale", "scripts"), [("en-GB", True), ("de-DE", False)])
def test_terms_that_are_new_to_somebody(exclusive: Server, open_window: OpenWindow, locale: str, scripts: bool) -> None:
    window, person = open_window(locale=locale, java_script_enabled=scripts), exclusive.create_user()
    window.goto(f"{exclusive.issuer}/signin/")
    log_in(window, person)
    expect_page(window, "accept-terms", accessible=scripts)
    window.locator("#terms-submit").click()
    expect(window.locator("#terms-error")).to_be_visible()
    expect_page(window, "accept-terms", accessible=scripts)
    window.locator("#terms").check()
    window.locator("#terms-submit").click()
    expect_page(window, "home", accessible=scripts)
