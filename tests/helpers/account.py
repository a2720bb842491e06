"""A person on their account pages."""

from datetime import timedelta

from sqlalchemy import update

from idp.core.clock import now
from idp.storage.db import transaction
from idp.storage.tables import SessionRow
from tests.helpers.browser import Browser, Callback, Page, Person
from tests.helpers.server import Server

NEW_PASSWORD = "seven green lanterns hum softly"


def opened(browser: Browser, path: str, person: Person) -> Page:
    """The page at which somebody arrives who opens an account page, signing in on the way if asked to."""
    page = a_page(browser.authorize(path, person))
    assert page.status == 200, page
    return page


def press(
    browser: Browser, page: Page, button: str, values: dict[str, str] | None = None, *, unchecked: tuple[str, ...] = ()
) -> Page:
    """Fill in the form with this button, press it, and see what comes."""
    form = page.form_with(button=button)
    return a_page(browser.submit(page, form, form.button(id=button), values, unchecked=unchecked))


def change_password(
    browser: Browser, page: Page, current: str, new: str = NEW_PASSWORD, *, unchecked: tuple[str, ...] = ()
) -> Page:
    """Fill in the page for a new password."""
    return press(browser, page, "password-change", {"password": current, "new_password": new}, unchecked=unchecked)


def a_page(shown: Page | Callback, name: str | None = None) -> Page:
    """The page that is shown, of this name. Raises AssertionError."""
    assert isinstance(shown, Page), f"the browser was sent to {shown}"
    assert name is None or shown.data_page == name, shown
    return shown


def let_time_pass(server: Server, person: Person, seconds: int) -> None:
    """The person's sessions were authenticated so much longer ago."""
    with server.administrator.provider() as provider:
        for session in provider.sessions.list(person.id):
            with transaction() as connection:
                connection.execute(
                    update(SessionRow)
                    .where(SessionRow.id == session.id)
                    .values(auth_time=min(session.auth_time, now()) - timedelta(seconds=seconds))
                )
