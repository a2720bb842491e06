"""Every mail as a browser shows it: readable in the light and in the dark, on a small phone, and by a screen reader."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from idp.services.notify.rendering import LANGUAGES, render_mail
from tests.helpers.gallery import CHROMIUM, CHROMIUM_ARGS
from tests.helpers.sample_mail import TEMPLATES, VALUES
from tests.journeys.accessibility import overflow, violations

pytestmark = pytest.mark.browser

PAGES_ALONE = ("landmark-", "region:")
"""Rules for whole pages: a mail is shown inside one."""
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def phone(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page(viewport={"width": 320, "height": 568})
    yield page
    page.close()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_mail_can_be_read_by_everybody(template: str, language: str, phone: Page) -> None:
    requests: list[str] = []
    phone.on("request", lambda request: requests.append(request.url))
    phone.set_content(render_mail(template, language, {**VALUES, "application": LONG}).html)
    for scheme in ("light", "dark"):
        phone.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = [fault for fault in violations(phone) if not fault.startswith(PAGES_ALONE)]
        assert found == [], scheme
    assert overflow(phone) == 0, "it would have to be moved from side to side"
    assert requests == []
