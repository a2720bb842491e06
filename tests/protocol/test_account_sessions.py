"""The page that shows where a person is signed in."""

import time

import jwt

from tests.helpers.account import a_page, opened, press
from tests.helpers.browser import Browser, Person
from tests.helpers.server import Server
from tests.protocol.expectations import on_each_backend
from tests.protocol.logout_receiver import logout_receiver
from tests.security.attacks import events

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)


def mails(server: Server, person: Person) -> list[str]:
    """Which mails the person was sent."""
    with server.administrator.provider() as provider:
        messages = [message for message in provider.outbox.list(limit=1000) if message.user_id == person.id]
        return [provider.mail.open(message).template for message in messages]


@on_each_backend
def test_each_browser_is_named_and_this_one_marked(server: Server, person: Person) -> None:
    phone = server.browser(headers={"User-Agent": IPHONE})
    desk = server.browser(headers={"User-Agent": FIREFOX})
    opened(phone, "/account/", person)
    page = opened(desk, "/account/sessions", person)
    assert "Firefox · Windows This device" in page.text
    assert "Safari · iOS" in page.text
    assert "127.0.0.1" in page.text
    assert page.text.count("Signed in with Password") == 2
    assert page.text.index("Firefox") < page.text.index("Safari"), "this one first"


@on_each_backend
def test_one_browser_is_signed_out_and_no_other(server: Server, browser: Browser, person: Person) -> None:
    first, second = server.browser(), server.browser()
    opened(first, "/account/", person)
    opened(second, "/account/", person)
    page = opened(browser, "/account/sessions", person)
    after = press(browser, page, "end-session-2")
    assert "That browser is signed out." in after.text
    # The list is by last use: the second of this page was the latest of the others.
    assert second.page("/account/").data_page == "login"
    assert first.page("/account/").data_page == "account-overview"
    again = press(browser, page, "end-session-2")
    assert again.data_page == "account-sessions", "pressing twice is no error"


def test_signing_out_everywhere_else_leaves_this_browser(server: Server, browser: Browser, person: Person) -> None:
    others = [server.browser() for _ in range(3)]
    for other in others:
        opened(other, "/account/", person)
    page = opened(browser, "/account/sessions", person)
    after = press(browser, page, "sign-out-others")
    assert "You are signed out everywhere else." in after.text
    assert {other.page("/account/").data_page for other in others} == {"login"}
    assert browser.page("/account/sessions").text.count("Signed in with") == 1


def test_the_own_session_can_be_ended_like_any_other(server: Server, browser: Browser, person: Person) -> None:
    page = opened(browser, "/account/password", person)
    with server.administrator.provider() as provider:
        (own,) = provider.sessions.list(person.id)
    token = dict(page.form_with(button="password-change").fields)["csrf_token"]
    shown = a_page(browser.post(f"/account/sessions/{own.id}/end", {"csrf_token": token}), "home")
    assert person.email not in shown.text
    assert not browser.cookies.get("idp-session")


def test_apps_of_a_session_are_told_and_its_tokens_are_worth_nothing(server: Server, person: Person) -> None:
    with logout_receiver() as receiver, server.worker():
        party = server.create_client(backchannel_logout_uri=receiver.uri)
        other, browser = server.browser(), server.browser()
        tokens = party.tokens(other, person)
        page = opened(browser, "/account/sessions", person)
        press(browser, page, "end-session-2")
        assert not party.is_active(tokens["access_token"])
        assert party.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
        until = time.monotonic() + 20
        while not receiver.tokens:
            assert time.monotonic() < until, "no logout token came"
            time.sleep(0.1)
    claims = jwt.decode(receiver.tokens[0], options={"verify_signature": False})
    assert claims["sid"] == tokens["claims"]["sid"]
    (event,) = events(server, "session:revoked", user_id=person.id)
    assert event["reason"] == "revoked_by_user"


# The notice of a new device


def test_a_browser_never_seen_with_the_account_is_told_of_by_mail(server: Server, person: Person) -> None:
    first = server.browser()
    opened(first, "/account/", person)
    assert mails(server, person) == [], "the first sign-in of all is no news"
    opened(server.browser(), "/account/", person)
    assert mails(server, person) == ["new_device"]
    details = events(server, "sign_in:succeeded", user_id=person.id)
    assert [event["new_device"] for event in details] == [True, False]


def test_a_browser_that_has_signed_in_before_is_not_new(server: Server, person: Person) -> None:
    browser = server.browser()
    opened(browser, "/account/", person)
    del browser.cookies["idp-session"]
    opened(browser, "/account/", person)
    assert mails(server, person) == []


def test_a_browser_of_somebody_else_is_new(server: Server, person: Person) -> None:
    opened(server.browser(), "/account/", person)
    shared = server.browser()
    opened(shared, "/account/", server.create_user())
    server.create_client(skip_consent=True).tokens(shared, person, prompt="login")
    assert mails(server, person) == ["new_device"]


def test_of_very_many_sessions_the_latest_are_shown_and_all_can_be_ended(
    server: Server, browser: Browser, person: Person
) -> None:
    opened(browser, "/account/", person)
    with server.administrator.provider() as provider:
        for _ in range(120):
            provider.sessions.open(person.id, ("pwd",), "urn:idp:pwd")
    page = browser.page("/account/sessions")
    assert page.text.count("Signed in with") == 100
    assert "21 more that were used longer ago are not shown." in page.text
    assert page.text.index("This device") < page.text.index("Last seen"), "this one is never left out"
    press(browser, page, "sign-out-others")
    with server.administrator.provider() as provider:
        assert len(provider.sessions.list(person.id)) == 1
