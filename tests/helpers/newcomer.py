"""Somebody who has no account yet, and makes one through the pages and the mailbox."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from tests.helpers.browser import Browser, Page, Person
from tests.helpers.inbox import Letter, letters
from tests.helpers.server import Server

PASSWORD = "plum-tractor-velvet-anchor"


@dataclass(slots=True)
class Newcomer:
    """A person with an address, a browser and no account. `must_be_page` fails the test with what was shown instead."""

    server: Server
    address: str = field(default_factory=lambda: f"{secrets.token_hex(6)}@example.org")
    password: str = PASSWORD
    browser: Browser = field(init=False)

    def __post_init__(self) -> None:
        self.browser = Browser(self.server.issuer)

    @property
    def person(self) -> Person:
        """How they sign in afterwards."""
        return Person(self.address, self.password)

    def mails(self) -> list[Letter]:
        """Their mail, the newest first."""
        return letters(self.server.issuer, self.address)

    def code(self) -> str:
        """The code in their newest mail."""
        return self.mails()[0].code

    def wrong_code(self) -> str:
        """Six digits that are not the code."""
        return f"{(int(self.code()) + 1) % 10**6:06}"

    def fill_in(self, page: Any, **more: str) -> Page:
        """Send the registration page; `more` adds fields or replaces what they would type."""
        form = page.form_with(button="register-submit")
        values = {"email": self.address, "new_password": self.password, **more}
        # An address that is fixed on the page is sent as it stands there.
        values = {name: value for name, value in values.items() if value is not None}
        return _page(self.browser.submit(page, form, form.button(id="register-submit"), values))

    def enter(self, page: Any, code: str | None = None) -> Any:
        """Send a code, by default the right one."""
        form = page.form_with(button="code-submit")
        return self.browser.submit(page, form, form.button(id="code-submit"), {"code": code or self.code()})

    def press(self, page: Any, button_id: str) -> Any:
        """Press a button of a page."""
        form = page.form_with(button=button_id)
        return self.browser.submit(page, form, form.button(id=button_id))

    def register(self, url: str = "/register", **more: str) -> Any:
        """All of it; returns where they land."""
        return self.enter(self.fill_in(self.browser.page(url), **more))


def _page(shown: Any) -> Page:
    if not isinstance(shown, Page):
        raise TypeError(f"expected a page, but the browser was sent to {shown}")
    return shown
