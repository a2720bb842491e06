"""The page behind a mailed link: looking does nothing, the button works once. Tried with the link that unlocks."""

from urllib.parse import parse_qs, urlsplit

import pytest

from idp.core.events import Event
from tests.helpers.browser import Browser, Page, Person
from tests.helpers.inbox import letters
from tests.helpers.server import Server
from tests.protocol.expectations import on_each_backend


def locked_out(server: Server) -> tuple[Person, str]:
    """Somebody whose account was locked, and the link that they were mailed."""
    person = server.create_user()
    with server.administrator.provider() as provider:
        user = provider.users.get(person.id)
        assert user is not None
        provider.lockout.announce(user)
    return person, letters(server.issuer, person.email)[0].link("/link/unlock")


def pressed(browser: Browser, page: Page) -> Page:
    shown = browser.submit(page, page.form_with(button="unlock-submit"))
    assert isinstance(shown, Page)
    return shown


@on_each_backend
def test_the_button_uses_the_link_and_looking_does_not(server: Server, browser: Browser) -> None:
    person, link = locked_out(server)
    for _ in range(3):
        page = browser.page(link)
        assert (page.status, page.data_page) == (200, "mailed-link")
    assert person.email not in page.html
    assert f"{person.email[0]}••• @example.com" in page.text
    assert pressed(browser, page).data_page == "unlocked"
    for again in (browser.page(link), pressed(browser, page)):
        assert (again.status, again.data_page) == (410, "error")
        assert any(urlsplit(target).path == "/signin/" for target in again.links)
    with server.administrator.provider() as provider:
        assert provider.audit.tail(1, Event.ACCOUNT_UNLOCKED)[0].actor == f"user:{person.id}"


def test_the_link_is_built_from_the_issuer(server: Server) -> None:
    _, link = locked_out(server)
    assert link.startswith(f"{server.issuer}/link/unlock?token=")


@pytest.mark.parametrize("token", ["", "nonsense", "a" * 5000, "%00", "%ff"])
def test_what_is_no_token_is_answered_like_one_that_is_over(server: Server, browser: Browser, token: str) -> None:
    shown = browser.open(f"/link/unlock?token={token}")
    assert isinstance(shown, Page)
    assert (shown.status, shown.data_page) == (410, "error")


def test_rs8_a_head_request_and_a_prefetch_use_nothing(server: Server, browser: Browser) -> None:
    _, link = locked_out(server)
    assert browser.http.head(link).status_code == 200
    assert browser.http.get(link, headers={"Purpose": "prefetch", "Sec-Purpose": "prefetch"}).status_code == 200
    assert pressed(browser, browser.page(link)).data_page == "unlocked"


def test_the_button_needs_the_token_of_our_form(server: Server, browser: Browser) -> None:
    _, link = locked_out(server)
    token = parse_qs(urlsplit(link).query)["token"][0]
    refused = browser.post("/link/unlock", {"token": token})
    assert isinstance(refused, Page)
    assert refused.status == 400
    assert pressed(browser, browser.page(link)).data_page == "unlocked"


def test_nobody_is_told_the_address_of_the_page(server: Server, browser: Browser) -> None:
    _, link = locked_out(server)
    page = browser.page(link)
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    token = parse_qs(urlsplit(link).query)["token"][0]
    action = page.form_with(button="unlock-submit").action
    assert token not in action
    outside = [target for target in page.links if urlsplit(target).netloc not in ("", urlsplit(server.issuer).netloc)]
    assert outside == []


def test_the_language_can_be_switched_on_the_page(server: Server, browser: Browser) -> None:
    _, link = locked_out(server)
    german = next(target for target in browser.page(link).links if "/language/de" in target)
    page = browser.page(german)
    assert '<html lang="de"' in page.html
    assert pressed(browser, page).data_page == "unlocked"


def test_a_newer_link_replaces_the_one_before(server: Server, browser: Browser) -> None:
    person, link = locked_out(server)
    with server.administrator.provider() as provider:
        user = provider.users.get(person.id)
        assert user is not None
        provider.lockout.announce(user)
    assert browser.page(link).status == 410
    newest = letters(server.issuer, person.email)[0].link("/link/unlock")
    assert pressed(browser, browser.page(newest)).data_page == "unlocked"


def test_the_browser_that_unlocks_is_one_of_theirs_from_then_on(server: Server, browser: Browser) -> None:
    person, link = locked_out(server)
    pressed(browser, browser.page(link))
    request = server.create_client().authorization_request(prompt="select_account")
    assert person.email in browser.page(request.url).text.replace(" @", "@")
    stranger = server.browser().page(request.url)
    assert stranger.data_page == "login"


def test_a_link_that_was_mailed_to_a_former_address_opens_nothing(server: Server, browser: Browser) -> None:
    person, link = locked_out(server)
    with server.administrator.provider() as provider:
        provider.users.change_email(person.id, f"new-{person.email}", verified=True)
    assert pressed(browser, browser.page(link)).status == 410
    with server.administrator.provider() as provider:
        assert provider.audit.tail(1, Event.ACCOUNT_UNLOCKED, person.id) == []
