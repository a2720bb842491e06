"""Photographs the pages for docs/images from a running `make demo`: `python -m docs.generate.screenshots`.

Not part of `make docs`, because it needs the demo and Chromium (`CHROMIUM` names another one).
"""

import os
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).resolve().parent.parent / "images"
RELYING_PARTY = "http://localhost:9000"
DESKTOP = {"width": 920, "height": 720}
PHONE = {"width": 390, "height": 760}


def main() -> None:
    """Walk through the demo as Alice, once in the light on a desktop and once in the dark on a phone."""
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport=DESKTOP, color_scheme="light", locale="en")
        _walk(page)
        page = browser.new_page(viewport=PHONE, color_scheme="dark", locale="en")
        page.goto(f"{RELYING_PARTY}/login")
        _shoot(page, "sign-in-dark")
        browser.close()


def _walk(page: Page) -> None:
    page.goto(f"{RELYING_PARTY}/login?prompt=consent")
    page.fill("[name=username]", "alice@example.com")
    _shoot(page, "sign-in")
    page.fill("[name=password]", "correct horse battery staple")
    page.click("#login-submit")
    page.wait_for_selector("#consent-allow")
    _shoot(page, "consent", whole=True)
    page.click("#consent-allow")
    page.wait_for_url(f"{RELYING_PARTY}/")
    _shoot(page, "relying-party")


def _shoot(page: Page, name: str, *, whole: bool = False) -> None:
    page.evaluate("document.activeElement && document.activeElement.blur()")
    page.screenshot(path=IMAGES / f"{name}.png", full_page=whole)


if __name__ == "__main__":
    main()
