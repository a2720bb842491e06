"""The way into the account pages: sign in, prove it again, and land where one wanted to go."""

import ast
import inspect
from pathlib import Path

from idp.account import guard
from idp.account import routes as account_routes
from tests.helpers.account import a_page, let_time_pass, opened, press
from tests.helpers.browser import Browser, Person
from tests.helpers.server import Server


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


def test_what_matters_wants_a_fresh_authentication(server: Server, browser: Browser, person: Person) -> None:
    assert opened(browser, "/account/password", person).data_page == "account-password"
    let_time_pass(server, person, 301)
    assert browser.page("/account/security").data_page == "account-security"
    asked = browser.page("/account/password?from=letter")
    assert asked.data_page == "login"
    assert person.email in asked.html
    page = a_page(browser.log_in(asked, person), "account-password")
    assert page.url == f"{server.issuer}/account/password?from=letter"


def test_a_fresh_authentication_is_one_with_every_factor(server: Server, browser: Browser) -> None:
    person = server.create_user(totp=True)
    opened(browser, "/account/", person)
    let_time_pass(server, person, 301)
    asked = browser.page("/account/password")
    assert a_page(browser.log_in(asked, person)).data_page == "totp"
    assert browser.page("/account/password").data_page == "login", "half of it is not enough"


def test_a_form_that_comes_too_late_is_not_carried_out_and_not_lost_silently(
    server: Server, browser: Browser, person: Person
) -> None:
    page = opened(browser, "/account/password", person)
    let_time_pass(server, person, 301)
    typed = {"password": person.password, "new_password": "what nobody else may see"}
    asked = press(browser, page, "password-change", typed)
    assert asked.data_page == "login"
    back = a_page(browser.log_in(asked, person), "account-password")
    assert "Nothing was changed. Send it again." in back.text
    assert typed["new_password"] not in back.html
    assert "Nothing was changed" not in browser.page("/account/password").text, "said once"
    again = server.browser()
    opened(again, "/account/", person)


def test_a_button_that_comes_too_late_leads_to_its_page(server: Server, browser: Browser, person: Person) -> None:
    other = server.browser()
    opened(other, "/account/", person)
    page = opened(browser, "/account/sessions", person)
    with server.administrator.provider() as provider:
        own, elsewhere = provider.sessions.list(person.id)
        provider.sessions.end(own.id, "test")
    asked = press(browser, page, "end-session-2")
    assert asked.data_page == "login"
    back = a_page(browser.log_in(asked, person), "account-sessions")
    assert "Nothing was changed" in back.text
    with server.administrator.provider() as provider:
        assert elsewhere.id in {session.id for session in provider.sessions.list(person.id)}


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
