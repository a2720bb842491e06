"""Account pages as a person uses them, without a screen."""

from collections.abc import Mapping
from typing import Any

import httpx

from tests.helpers.browser import Browser, Page, Person


def signed_in(browser: Browser, person: Person, path: str = "/account/") -> Page:
    """The account page at `path`, after signing in if need be."""
    page = browser.authorize(path, person)
    assert isinstance(page, Page), page
    assert page.status == 200, page
    return page


def save(browser: Browser, path: str, values: Mapping[str, str], *, page: Page | None = None, **more: str) -> Page:
    """Fill in the form at `path` and save it; `more` are fields that no form has."""
    page = page or browser.page(path)
    form = page.form_with(button="continue")
    pairs = {name: value for name, value in form.fields if name not in values}
    answered = browser._send(page.url, [*pairs.items(), *values.items(), *more.items()], referrer=page.url)
    assert isinstance(answered, Page), answered
    return answered


def csrf_of(page: Page) -> str:
    """The token of the forms on the page."""
    return next(value for form in page.forms for name, value in form.fields if name == "csrf_token")


def upload(
    browser: Browser, data: bytes, *, name: str = "me.png", kind: str = "image/png", **more: Any
) -> httpx.Response:
    """Post a picture as a browser does; redirects are not followed."""
    page = browser.page("/account/profile/picture")
    fields = {"csrf_token": csrf_of(page), **more}
    return browser.http.post(
        page.url,
        data=fields,
        files={"picture": (name, data, kind)},
        headers={"Origin": browser.origin, "Sec-Fetch-Site": "same-origin"},
    )


def alerts(page: Page) -> str:
    """The problems that the page names at its top."""
    return page.html.partition('role="alert"')[2].partition("</ul>")[0]
