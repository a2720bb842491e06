"""Somebody who has forgotten their password, and gets a new one through the pages and the mailbox."""

from dataclasses import dataclass
from typing import Any

from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.inbox import Letter, letters

NEW_PASSWORD = "seven grey herons at dusk"


@dataclass(slots=True)
class Forgetful:
    """A person, a browser of theirs, and their mail. Methods that return a Page fail if the browser is sent away."""

    person: Person
    browser: Browser

    def ask(self, url: str = "/recover", address: str | None = None) -> Page:
        """Ask for a new password; returns the page that waits for the code."""
        page = self.browser.page(url)
        if page.data_page == "login":
            page = self.browser.page(next(link for link in page.links if link.endswith("/forgotten")))
        form = page.form_with(button="recover-submit")
        return _page(self.browser.submit(page, form, values={"username": address or self.person.email}))

    def letter(self) -> Letter:
        """The newest mail. Raises LookupError."""
        found = letters(self.browser, self.person.email)
        if not found:
            raise LookupError(f"no mail to {self.person.email}")
        return found[0]

    def enter(self, page: Page, code: str | None = None) -> Page:
        """Send a code, by default the one that was mailed."""
        form = page.form_with(button="code-submit")
        return _page(self.browser.submit(page, form, values={"code": code or self.letter().code}))

    def follow(self, link: str | None = None, browser: Browser | None = None) -> Page:
        """Open the link that was mailed and press its button; returns what is shown then."""
        browser = browser or self.browser
        page = browser.page(link or self.letter().link("/link/password_reset"))
        return _page(browser.submit(page, page.form_with(button="recover-continue")))

    def choose(
        self, page: Page, password: str = NEW_PASSWORD, *, keep: bool = False, browser: Browser | None = None
    ) -> Page | Callback:
        """Send the page with the new password; `keep` unticks "sign out everywhere else"."""
        form = page.form_with(button="password-submit")
        unchecked = ("yes",) if keep else ()
        return (browser or self.browser).submit(page, form, values={"new_password": password}, unchecked=unchecked)

    def press(self, page: Page, button_id: str) -> Page:
        """Press a button."""
        form = page.form_with(button=button_id)
        return _page(self.browser.submit(page, form, form.button(id=button_id)))

    @property
    def afterwards(self) -> Person:
        """The person with the new password."""
        return Person(self.person.email, NEW_PASSWORD, self.person.id, self.person.totp_secret)


def wrong(code: str) -> str:
    """Six digits that are not the code."""
    return f"{(int(code) + 1) % 10**6:06}"


def _page(shown: Any) -> Page:
    if not isinstance(shown, Page):
        raise TypeError(f"expected a page, but the browser was sent to {shown}")
    return shown
