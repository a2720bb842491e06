"""Every page in Chromium: axe-core (WCAG 2.2 AA) in light and dark and in both directions, reflow, target
sizes, the content security policy, and life without JavaScript."""

import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.helpers.gallery import CHROMIUM, CHROMIUM_ARGS, served_gallery
from tests.helpers.gallery_pages import VARIANTS
from tests.journeys.accessibility import violations

pytestmark = pytest.mark.browser

# The self-submitting page leaves at once where scripts run; it has a test of its own.
NAMES = [variant.name for variant in VARIANTS if variant.name != "form-post"]
SIGHTS: tuple[tuple[Literal["light", "dark"], str], ...] = (("light", "en"), ("dark", "he"))
DESKTOP = {"width": 1280, "height": 800}
SMALLEST = {"width": 320, "height": 568}


@pytest.fixture(scope="module")
def gallery() -> Iterator[str]:
    with served_gallery() as base:
        yield base


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def shared_page(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page(viewport=DESKTOP)
    yield page
    page.close()


@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_nothing(name: str, gallery: str, shared_page: Page) -> None:
    # Colours do not depend on direction, so two runs see both schemes and both directions.
    for scheme, language in SIGHTS:
        shared_page.emulate_media(color_scheme=scheme)
        shared_page.goto(f"{gallery}/page/{name}?lang={language}")
        assert violations(shared_page) == [], f"{scheme}, {language}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_what_opens(scheme: Any, gallery: str, shared_page: Page) -> None:
    shared_page.emulate_media(color_scheme=scheme)
    shared_page.goto(f"{gallery}/page/login-failed")
    shared_page.locator("details.languages > summary").click()
    expect(shared_page.get_by_role("link", name="Deutsch")).to_be_visible()
    assert violations(shared_page) == []


def test_axe_is_awake(gallery: str, chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto(f"{gallery}/page/login")
    page.evaluate("document.querySelector('label').remove()")
    assert any(line.startswith("label:") for line in violations(page))
    page.close()


def test_every_page_fits_the_smallest_phone_and_zoom(gallery: str, chromium: Browser) -> None:
    """WCAG 1.4.10: at 320 CSS pixels (400 % zoom) nothing scrolls sideways."""
    page = chromium.new_page(viewport=SMALLEST)
    too_wide = []
    for name in NAMES:
        page.goto(f"{gallery}/page/{name}")
        width = page.evaluate(
            "Math.max(...[...document.querySelectorAll('.page *')]"
            ".filter(e => !e.closest('.visually-hidden')).map(e => e.getBoundingClientRect().right))"
        )
        if width > SMALLEST["width"]:
            too_wide.append((name, width))
    page.close()
    assert too_wide == []


def test_targets_are_44_pixels(gallery: str, chromium: Browser) -> None:
    """Links inside sentences and summaries of errors are exempt (WCAG 2.5.8, "inline")."""
    page = chromium.new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    small = []
    for name in NAMES:
        page.goto(f"{gallery}/page/{name}")
        small += page.evaluate(
            """(name) => [...document.querySelectorAll("button, summary, .button, .way-out a, .colophon > a,"
                 + ".identity-action, .fine-print a, input.input, label.grant, .account-nav a, .who-leave,"
                 + ".sections a, label.check")]
               .filter(e => e.checkVisibility())
               .map(e => [name, e.outerHTML.slice(0, 60), e.getBoundingClientRect()])
               .filter(([, , box]) => box.height < 44 || box.width < 40)
               .map(([name, html, box]) => `${name}: ${html} ${box.width}x${box.height}`)""",
            name,
        )
    page.close()
    assert small == []


def test_pages_obey_the_content_security_policy(gallery: str, chromium: Browser) -> None:
    page = chromium.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for name in NAMES:
        page.goto(f"{gallery}/page/{name}")
    page.close()
    assert complaints == []


def test_show_password_is_a_comfort_of_script(gallery: str, chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto(f"{gallery}/page/login")
    field = page.locator("#password")
    field.fill("correct horse")
    page.get_by_role("button", name="Show password").click()
    expect(field).to_have_attribute("type", "text")
    expect(field).to_be_focused()
    page.get_by_role("button", name="Hide password").click()
    expect(field).to_have_attribute("type", "password")
    page.close()


def test_a_shown_password_is_hidden_before_it_is_sent(gallery: str, chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto(f"{gallery}/page/login")
    page.get_by_role("button", name="Show password").click()
    page.evaluate("document.forms[0].addEventListener('submit', (event) => event.preventDefault())")
    page.locator("#login-submit").click()
    expect(page.locator("#password")).to_have_attribute("type", "password")
    page.close()


def test_without_script_pages_hide_what_needs_it_and_the_language_menu_opens(gallery: str, chromium: Browser) -> None:
    page = chromium.new_page(java_script_enabled=False)
    page.goto(f"{gallery}/page/login")
    expect(page.locator("[data-reveal]")).to_be_hidden()
    expect(page.locator("#login-submit")).to_be_visible()
    page.locator("details.languages > summary").click()
    page.get_by_role("link", name="Deutsch").click()
    expect(page.get_by_role("heading", name="Anmelden")).to_be_visible()
    page.close()


def test_the_language_menu_closes_on_escape(gallery: str, chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto(f"{gallery}/page/login")
    summary = page.locator("details.languages > summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Deutsch")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Deutsch")).to_be_hidden()
    expect(summary).to_be_focused()
    page.close()


def test_an_error_summary_has_the_focus_and_leads_to_its_field(gallery: str, chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto(f"{gallery}/page/login-empty")
    expect(page.locator("#error-summary")).to_be_focused()
    page.get_by_role("link", name="Enter your password").click()
    expect(page.locator("#password")).to_be_focused()
    page.close()


def test_the_keyboard_reaches_everything_with_a_visible_outline(gallery: str, chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto(f"{gallery}/page/consent")
    reached = set()
    for _ in range(16):
        page.keyboard.press("Tab")
        state = page.evaluate(
            "(() => { const e = document.activeElement; const s = getComputedStyle(e);"
            " return [e.localName, e.id || e.textContent.trim() || e.value, s.outlineStyle,"
            " s.outlineWidth] })()"
        )
        if state[0] == "body":
            break
        reached.add(state[1])
        assert state[2:] == ["solid", "3px"], state
    expected = {"consent-allow", "consent-deny", "Use another account", "email", "orders:write", "Help"}
    assert expected <= reached
    page.close()


def test_cancel_and_allow_weigh_the_same(gallery: str, chromium: Browser) -> None:
    page = chromium.new_page(viewport=DESKTOP)
    page.goto(f"{gallery}/page/consent")
    look = (
        "(e) => { const b = e.getBoundingClientRect(), s = getComputedStyle(e);"
        " return [b.width, b.height, b.top, s.fontSize, s.fontWeight] }"
    )
    assert page.locator("#consent-deny").evaluate(look) == page.locator("#consent-allow").evaluate(look)
    page.close()


@pytest.mark.parametrize("script", [True, False])
def test_form_post_carries_every_character_unchanged(script: bool, gallery: str, chromium: Browser) -> None:
    page = chromium.new_page(java_script_enabled=script)
    page.goto(f"{gallery}/page/form-post")
    if script:
        page.wait_for_url("**/landed")
    else:
        assert page.locator("html").get_attribute("lang") == "en"
        page.locator("#continue").click()
    landed = page.evaluate("document.body.innerText") if script else page.locator("body").inner_text()
    variant = next(variant for variant in VARIANTS if variant.name == "form-post")
    assert json.loads(landed) == variant.context["fields"]
    page.close()
