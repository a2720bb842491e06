"""The main job in a real Chromium: sign in to the demo application, call the microservice, refresh, sign out.

axe-core looks at every page of the provider that is met on the way.
"""

import json
import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
import pytest
from playwright.sync_api import Page, Request, expect

from tests.helpers.browser import Person
from tests.journeys.accessibility import overflow, violations
from tests.journeys.conftest import OpenWindow
from tests.journeys.demo import PASSWORD, Demo

pytestmark = pytest.mark.browser

ALICE = Person("alice@example.com", PASSWORD)
BOB = Person("bob@example.com", PASSWORD, totp_secret="IDPDEMOBOBTOTPSECRET234567ABCDEF")
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
APP_CALLBACK = "https://app.example.com/callback"


def stranger(demo: Demo, **options: Any) -> Person:
    """Somebody who has never been here, so that consent is asked for."""
    return demo.administrator.create_user(password=PASSWORD, **options)


def expect_page(page: Page, name: str, *, accessible: bool = True) -> None:
    """The provider (or the demo application) shows this page, and axe has nothing against it."""
    expect(page.locator(f"main[data-page={name}]")).to_be_visible()
    if accessible:
        assert violations(page) == [], name


def log_in(page: Page, person: Person) -> None:
    """Fill in the sign-in page."""
    username = page.locator("#username")
    if username.is_editable():
        username.fill(person.email)
    page.locator("#password").fill(person.password)
    page.locator("#login-submit").click()


def sign_in(page: Page, demo: Demo, person: Person, query: str = "") -> None:
    """From the application's start page to its signed-in page, allowing what it asks for."""
    page.goto(f"{demo.relying_party}/login{query}")
    expect_page(page, "login", accessible=False)
    log_in(page, person)
    expect_page(page, "consent", accessible=False)
    page.locator("#consent-allow").click()
    expect_page(page, "rp-signed-in", accessible=False)


def claims_in(page: Page, section: str) -> dict[str, Any]:
    """The last JSON shown in a section of the application's page: claims, without the header."""
    text = page.locator(f"#{section} pre:not(.raw)").last.inner_text()
    claims: dict[str, Any] = json.loads(text)
    return claims


def test_sign_in_call_the_api_refresh_and_sign_out(demo: Demo, window: Page) -> None:
    asked: list[Request] = []
    window.on("request", lambda request: asked.append(request) if "/oauth2/authorize?" in request.url else None)
    window.goto(demo.relying_party)
    window.locator("#sign-in").click()
    expect_page(window, "login")
    # PKCE and RFC 9207 are the protocol's business, but this is where a browser carries them.
    query = parse_qs(urlsplit(asked[0].url).query)
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["code_challenge"][0]) == 43
    log_in(window, ALICE)

    expect_page(window, "consent")
    expect(window.locator("main")).to_contain_text("Demo web application")
    expect(window.locator("main")).to_contain_text("See your orders")
    expect(window.locator("main")).to_contain_text("orders.example.com")
    expect(window.locator("main")).to_contain_text("localhost")
    window.locator("#consent-allow").click()

    expect_page(window, "rp-signed-in")
    expect(window.locator("#name")).to_have_text("Alice Marie Adams")
    id_token = claims_in(window, "id-token")
    assert id_token["iss"] == demo.issuer
    assert id_token["aud"] == "demo-web"
    user_info = claims_in(window, "userinfo")
    assert user_info["sub"] == id_token["sub"]
    assert user_info["email"] == "alice@example.com"
    assert user_info["email_verified"] is True
    assert user_info["phone_number"] == "+493012345678"
    assert user_info["address"]["locality"] == "Berlin"
    first_access_token = claims_in(window, "access-token")
    assert "https://orders.example.com" in first_access_token["aud"]

    window.locator("#call-orders").click()
    expect(window.locator("#answer-status")).to_have_text("200 OK")
    answer = json.loads(window.locator("#answer-body").inner_text())
    assert answer["caller"]["sub"] == id_token["sub"]
    assert len(answer["orders"]) == 3

    window.locator("#refresh").click()
    expect(window.locator("#refreshed")).to_contain_text("1")
    assert claims_in(window, "access-token")["jti"] != first_access_token["jti"]
    assert claims_in(window, "id-token")["auth_time"] == id_token["auth_time"]
    window.locator("#call-orders").click()
    expect(window.locator("#answer-status")).to_have_text("200 OK")
    window.locator("#ask-userinfo").click()
    expect_page(window, "rp-signed-in", accessible=False)

    # The second time the provider neither asks who is there nor what is allowed.
    window.goto(f"{demo.relying_party}/login")
    expect_page(window, "rp-signed-in", accessible=False)
    window.goto(f"{demo.relying_party}/login?prompt=none")
    expect_page(window, "rp-signed-in", accessible=False)

    window.locator("#sign-out").click()
    expect_page(window, "rp-home")
    expect(window.get_by_role("status")).to_contain_text("signed out")
    window.goto(f"{demo.relying_party}/login?prompt=none")
    expect_page(window, "rp-problem")
    expect(window.locator("#problem")).to_have_text("login_required")
    window.goto(f"{demo.relying_party}/login")
    expect_page(window, "login", accessible=False)


def test_the_microservice_refuses_whoever_brings_no_token(demo: Demo) -> None:
    refused = httpx.get(f"{demo.microservice}/orders", trust_env=False)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    forged = httpx.get(f"{demo.microservice}/orders", headers={"Authorization": "Bearer x.y.z"}, trust_env=False)
    assert forged.status_code == 401
    assert 'error="invalid_token"' in forged.headers["WWW-Authenticate"]


def test_wrong_password(demo: Demo, window: Page) -> None:
    person = stranger(demo)
    window.goto(f"{demo.relying_party}/login")
    log_in(window, Person(person.email, "not the password at all"))
    summary = window.get_by_role("alert")
    expect(summary).to_contain_text("There is a problem")
    expect_page(window, "login")
    assert window.title().startswith("Error: ")
    password = window.locator("#password")
    expect(password).to_have_attribute("aria-invalid", "true")
    expect(password).to_have_value("")
    expect(window.locator("#username")).to_have_value(person.email)
    # The summary leads to the field that has to change.
    summary.get_by_role("link").first.click()
    expect(password).to_be_focused()
    log_in(window, person)
    expect_page(window, "consent", accessible=False)


def test_one_time_code(demo: Demo, window: Page) -> None:
    window.goto(f"{demo.relying_party}/login?prompt=consent")
    log_in(window, BOB)
    expect_page(window, "totp")
    code = window.locator("#code")
    expect(code).to_be_focused()
    code.fill("000000")
    window.locator("#mfa-submit").click()
    expect(window.get_by_role("alert")).to_contain_text("There is a problem")
    expect_page(window, "totp")
    current = pyotp.TOTP(str(BOB.totp_secret)).now()
    code.fill(f"{current[:3]} {current[3:]}")
    code.press("Enter")
    expect_page(window, "consent", accessible=False)
    window.locator("#consent-allow").click()
    expect_page(window, "rp-signed-in", accessible=False)
    claims = claims_in(window, "id-token")
    assert set(claims["amr"]) >= {"pwd", "otp"}


def test_consent_denied(demo: Demo, window: Page) -> None:
    window.goto(f"{demo.relying_party}/login")
    log_in(window, stranger(demo))
    expect_page(window, "consent", accessible=False)
    window.locator("#consent-deny").click()
    expect_page(window, "rp-problem", accessible=False)
    expect(window.locator("#problem")).to_have_text("access_denied")
    # Nothing was remembered: the next try asks again.
    window.goto(f"{demo.relying_party}/login")
    expect_page(window, "consent", accessible=False)


def test_optional_scopes_can_be_left_out(demo: Demo, window: Page) -> None:
    person = stranger(demo, phone_number="+12025550123", address={"locality": "Washington"})
    window.goto(f"{demo.relying_party}/login")
    log_in(window, person)
    window.get_by_role("checkbox", name="phone number").uncheck()
    window.locator("#consent-allow").click()
    expect_page(window, "rp-signed-in", accessible=False)
    user_info = claims_in(window, "userinfo")
    assert user_info["address"]["locality"] == "Washington"
    assert "phone_number" not in user_info
    assert "phone" not in claims_in(window, "access-token")["scope"].split()


def test_sign_in_cancelled(demo: Demo, window: Page) -> None:
    window.goto(f"{demo.relying_party}/login")
    window.get_by_role("link", name="Cancel").click()
    expect_page(window, "rp-problem", accessible=False)
    expect(window.locator("#problem")).to_have_text("access_denied")


def test_without_javascript(demo: Demo, open_window: OpenWindow) -> None:
    page = open_window(java_script_enabled=False)
    person = stranger(demo, totp=True)
    page.goto(demo.relying_party)
    page.locator("#sign-in").click()
    expect_page(page, "login", accessible=False)
    log_in(page, person)
    page.locator("#code").fill(pyotp.TOTP(str(person.totp_secret)).now())
    page.locator("#mfa-submit").click()
    page.locator("#consent-allow").click()
    expect_page(page, "rp-signed-in", accessible=False)
    page.locator("#call-orders").click()
    expect(page.locator("#answer-status")).to_have_text("200 OK")
    page.locator("#refresh").click()
    expect(page.locator("#refreshed")).to_contain_text("1")
    page.goto(f"{demo.relying_party}/login?prompt=select_account")
    expect_page(page, "select-account", accessible=False)
    page.locator(f"button[name=account][value='{person.id}']").click()
    expect_page(page, "rp-signed-in", accessible=False)
    page.locator("#sign-out").click()
    expect_page(page, "rp-home", accessible=False)


def test_with_the_keyboard_alone(demo: Demo, window: Page) -> None:
    person = stranger(demo)
    window.goto(f"{demo.relying_party}/login")
    expect(window.locator("#username")).to_be_focused()
    window.keyboard.type(person.email)
    window.keyboard.press("Tab")
    window.keyboard.type(person.password)
    window.keyboard.press("Enter")
    expect_page(window, "consent", accessible=False)
    for _ in range(20):
        window.keyboard.press("Tab")
        if window.evaluate("document.activeElement.id") == "consent-allow":
            break
    window.keyboard.press("Enter")
    expect_page(window, "rp-signed-in", accessible=False)


def test_two_tabs_at_once(demo: Demo, window: Page) -> None:
    person = stranger(demo)
    other = window.context.new_page()
    window.goto(f"{demo.relying_party}/login")
    other.goto(f"{demo.relying_party}/login")
    expect_page(window, "login", accessible=False)
    expect_page(other, "login", accessible=False)
    log_in(window, person)
    expect_page(window, "consent", accessible=False)
    # The first tab signed this browser in. The second one's form is still good.
    log_in(other, person)
    expect_page(other, "consent", accessible=False)
    other.locator("#consent-allow").click()
    expect_page(other, "rp-signed-in", accessible=False)
    window.locator("#consent-allow").click()
    expect_page(window, "rp-signed-in", accessible=False)
    expect(window.locator("#call-orders")).to_be_visible()


def test_account_chooser(demo: Demo, window: Page) -> None:
    first, second = stranger(demo, name="First Person"), stranger(demo, name="Second Person")
    sign_in(window, demo, first)
    window.goto(f"{demo.relying_party}/login?prompt=select_account")
    expect_page(window, "select-account")
    window.locator("#use-another").click()
    expect_page(window, "login")
    log_in(window, second)
    window.locator("#consent-allow").click()
    expect(window.locator("#name")).to_have_text("Second Person")

    window.goto(f"{demo.relying_party}/login?prompt=select_account")
    expect_page(window, "select-account")
    accounts = window.locator("button.account")
    expect(accounts.filter(has_text="Second Person")).to_contain_text("Signed in")
    expect(accounts.filter(has_text="First Person")).to_contain_text("Signed out")
    accounts.filter(has_text="First Person").click()
    # The one who left has to prove it again, and need not type the name.
    expect_page(window, "login")
    expect(window.locator("#username")).to_have_value(first.email)
    expect(window.locator("#username")).not_to_be_editable()
    log_in(window, first)
    expect(window.locator("#name")).to_have_text("First Person")

    window.goto(f"{demo.relying_party}/login?prompt=select_account")
    window.get_by_role("button", name=f"Remove {second.email}").click()
    expect_page(window, "select-account", accessible=False)
    expect(window.locator("button.account").filter(has_text="Second Person")).to_have_count(0)


def test_in_german(demo: Demo, open_window: OpenWindow) -> None:
    page = open_window(locale="de-DE")
    page.goto(f"{demo.relying_party}/login")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.get_by_role("heading", name="Anmelden")).to_be_visible()
    expect_page(page, "login")
    log_in(page, Person("nobody@example.com", PASSWORD))
    expect(page.get_by_role("alert")).to_be_visible()
    expect_page(page, "login")
    assert page.title().startswith("Fehler: ")
    log_in(page, stranger(demo))
    expect_page(page, "consent")
    expect(page.locator("#consent-allow")).to_have_text("Erlauben")
    page.locator("#consent-allow").click()
    expect_page(page, "rp-signed-in", accessible=False)


def test_language_by_request_and_by_choice(demo: Demo, window: Page) -> None:
    window.goto(f"{demo.relying_party}/login?ui_locales=de")
    expect(window.locator("html")).to_have_attribute("lang", "de")
    window.goto(f"{demo.relying_party}/login")
    expect(window.locator("html")).to_have_attribute("lang", "en")
    window.locator("details.languages > summary").click()
    window.get_by_role("link", name="Deutsch").click()
    # The same page of the same sign-in, in the other language.
    expect_page(window, "login", accessible=False)
    expect(window.locator("html")).to_have_attribute("lang", "de")
    log_in(window, stranger(demo))
    expect_page(window, "consent", accessible=False)
    expect(window.locator("html")).to_have_attribute("lang", "de")


def test_on_a_phone(demo: Demo, open_window: OpenWindow) -> None:
    page = open_window(**PHONE)
    person = stranger(demo, totp=True)
    page.goto(f"{demo.relying_party}/login")
    expect_page(page, "login")
    assert overflow(page) == 0
    page.locator("#username").fill(person.email)
    page.locator("#password").fill(person.password)
    page.locator("#login-submit").tap()
    expect_page(page, "totp")
    assert overflow(page) == 0
    page.locator("#code").fill(pyotp.TOTP(str(person.totp_secret)).now())
    page.locator("#mfa-submit").tap()
    expect_page(page, "consent")
    assert overflow(page) == 0
    allow, deny = page.locator("#consent-allow").bounding_box(), page.locator("#consent-deny").bounding_box()
    assert allow is not None
    assert deny is not None
    assert min(allow["height"], deny["height"]) >= 44
    page.locator("#consent-allow").tap()
    expect_page(page, "rp-signed-in")
    assert overflow(page) == 0
    page.locator("#sign-out").tap()
    expect_page(page, "rp-home")


def test_provider_pages_without_an_application(demo: Demo, window: Page) -> None:
    person = stranger(demo)
    window.goto(demo.issuer)
    expect_page(window, "home")
    window.goto(f"{demo.issuer}/signin")
    expect_page(window, "login")
    log_in(window, person)
    expect_page(window, "home")
    expect(window.locator("main")).to_contain_text(person.email)
    window.goto(f"{demo.issuer}/oauth2/logout")
    expect_page(window, "logout")
    window.locator("#logout-confirm").click()
    expect_page(window, "logged-out")
    window.goto(f"{demo.issuer}/nothing/here")
    expect_page(window, "error")


def test_error_page_for_an_unknown_application(demo: Demo, window: Page) -> None:
    where = f"{demo.issuer}/oauth2/authorize?client_id=demo-web&response_type=code&scope=openid"
    window.goto(f"{where}&redirect_uri=https://elsewhere.example/callback")
    expect_page(window, "error")
    assert window.title().startswith("Error: ")
    window.goto(where.replace("demo-web", "no-such-client"))
    expect_page(window, "error")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_form_post(scripts: bool, demo: Demo, open_window: OpenWindow) -> None:
    """The response travels as a POST of the browser (OAuth 2.0 Form Post Response Mode)."""
    client = demo.administrator.create_client(redirect_uris=[APP_CALLBACK])
    request = client.authorization_request("openid email", response_mode="form_post")
    page = open_window(java_script_enabled=scripts)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    arrived: list[Request] = []

    def application(route: Any) -> None:
        arrived.append(route.request)
        route.fulfill(status=200, content_type="text/html", body="<main data-page=application>Arrived</main>")

    page.context.route("https://app.example.com/**", application)
    page.goto(request.url)
    log_in(page, stranger(demo))
    page.locator("#consent-allow").click()
    if not scripts:
        page.locator("#continue").click()
    expect(page.locator("main[data-page=application]")).to_be_visible()
    assert [call.method for call in arrived] == ["POST"]
    fields = {name: values[0] for name, values in parse_qs(str(arrived[0].post_data)).items()}
    assert fields["state"] == request.state
    assert fields["iss"] == demo.issuer
    assert "?" not in arrived[0].url
    redeemed = client.token(
        {
            "grant_type": "authorization_code",
            "code": fields["code"],
            "redirect_uri": APP_CALLBACK,
            "code_verifier": request.code_verifier,
        }
    )
    assert redeemed.status_code == 200
    assert [text for text in complaints if "Content Security Policy" in text] == []


def test_someone_elses_session_is_not_shown(demo: Demo, open_window: OpenWindow) -> None:
    """I6: two people at two browsers see their own names, whatever was asked before."""
    people = [stranger(demo, name=f"Person {secrets.token_hex(4)}") for _ in range(2)]
    pages = [open_window(), open_window()]
    for page, person in zip(pages, people, strict=True):
        sign_in(page, demo, person)
    for page, person in zip(pages, people, strict=True):
        page.goto(demo.relying_party)
        assert claims_in(page, "userinfo")["email"] == person.email
