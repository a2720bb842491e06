"""The way into the account pages: sign in, prove it again, and land where one wanted to go."""

import ast
import inspect
from pathlib import Path

from idp.account import guard
from idp.account import routes as account_routes
from tests.helpers.browser import Browser, Page, Person
from tests.helpers.server import Server


def opened(browser: Browser, path: str, person: Person) -> Page:
    """The page at which a person arrives who opens an account page."""
    page = browser.authorize(path, person)
    assert isinstance(page, Page), page
    return page


def test_a_stranger_signs_in_first_and_lands_on_the_page_they_wanted(
    server: Server, browser: Browser, person: Person
) -> None:
    assert browser.page("/account/").data_page == "login"
    page = opened(browser, "/account/?from=a%20letter&x=%7Bid%7D", person)
    assert (page.status, page.data_page) == (200, "account-overview")
    assert page.url == f"{server.issuer}/account/?from=a%20letter&x=%7Bid%7D"
    assert person.email in page.text


def test_who_is_signed_in_is_not_asked_again(browser: Browser, person: Person) -> None:
    opened(browser, "/account/", person)
    page = browser.page("/account/")
    assert page.data_page == "account-overview"
    assert len(browser.history) == 1


def test_a_second_factor_enrolled_since_is_asked_for(server: Server, browser: Browser) -> None:
    person = server.create_user()
    opened(browser, "/account/", person)
    with server.administrator.provider() as provider:
        provider.totp.enrol(person.id)
    assert browser.page("/account/").data_page == "totp"


def test_the_start_page_leads_to_the_account(browser: Browser, person: Person) -> None:
    opened(browser, "/signin/", person)
    home = browser.page("/")
    assert "/account/" in home.links


def test_every_account_view_passes_the_guard_and_every_form_has_a_page() -> None:
    """Read from the URL table, so that nobody can add a view and forget."""
    deferred = account_routes.blueprint.deferred_functions
    assert deferred, "the table is empty"
    views: dict[str, object] = {}
    for function in deferred:
        cells = inspect.getclosurevars(function).nonlocals
        views[cells["endpoint"]] = cells["view_func"]
        methods = cells["options"].get("methods") or ("GET",)
        assert getattr(cells["view_func"], "is_account_page", False), cells["endpoint"]
        if "GET" not in methods:
            assert cells["view_func"].form_endpoint, f"{cells['endpoint']}: no page to come back to"
    assert "overview" in views


def test_only_the_guard_knows_the_session_of_the_browser() -> None:
    """A view is given its Account; one that looks for itself could forget what the guard checks."""
    for path in sorted(Path(inspect.getfile(guard)).parent.glob("**/*.py")):
        imported = {
            alias.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        if path.name != "guard.py":
            assert "current_session" not in imported, path
