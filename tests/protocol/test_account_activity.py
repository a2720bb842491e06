"""The page of a person's own security log."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import update

from idp.account.activity_texts import HIDDEN, SENTENCES
from idp.core.clock import now
from idp.core.events import Event
from idp.storage.db import transaction
from idp.storage.tables import AuditEvent
from tests.helpers.account import change_password, opened
from tests.helpers.browser import Browser, Person
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import Server
from tests.protocol.expectations import on_each_backend

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0"


def test_every_event_is_a_sentence_or_left_out_on_purpose() -> None:
    assert not SENTENCES.keys() & HIDDEN
    assert SENTENCES.keys() | HIDDEN == set(Event)


@on_each_backend
def test_what_a_person_did_is_told_with_device_and_address(server: Server, person: Person) -> None:
    browser = server.browser(headers={"User-Agent": FIREFOX})
    page = opened(browser, "/account/password", person)
    change_password(browser, page, "not it")
    change_password(browser, page, person.password)
    log = browser.page("/account/activity")
    wanted = ("Password changed", "A change was not made: wrong current password", "Signed in", "Account created")
    told = log.text.partition("change your password.")[2]
    places = [told.index(sentence) for sentence in wanted]
    assert places == sorted(places), "the latest first"
    assert "Firefox · Windows · 127.0.0.1" in log.text


def test_a_strangers_guess_shows(server: Server, browser: Browser, person: Person) -> None:
    stranger = server.browser(headers={"User-Agent": "curl/8.9"})
    stranger.log_in(stranger.page("/account/"), Person(person.email, "a wild guess of mine"))
    log = opened(browser, "/account/activity", person)
    assert "Sign-in failed: wrong password" in log.text
    assert "curl" in log.text


def test_apps_are_named(server: Server, browser: Browser, person: Person) -> None:
    party = server.create_client(client_name="Meridian 100%s")
    party.tokens(browser, person)
    log = opened(browser, "/account/activity", person)
    assert "Meridian 100%s allowed to use the account" in log.text
    assert "Signed in to Meridian 100%s" in log.text
    with server.administrator.provider() as provider:
        provider.clients.delete(party.client_id)
    until = time.monotonic() + 10
    while "Signed in to an app that is gone" not in browser.page("/account/activity").text:
        assert time.monotonic() < until, "the server never noticed that the client is gone"


def test_who_runs_the_service_stays_unnamed(server: Server, browser: Browser, person: Person) -> None:
    """Neither the operator's name nor where they sat."""
    boss = server.create_user(name="Mallory Boss")
    with server.administrator.provider() as provider:
        provider.users.update(person.id, actor=f"user:{boss.id}", nickname="Kit")
        provider.sessions.end_all(person.id, "revoked", actor="operator")
    log = opened(browser, "/account/activity", person)
    assert log.text.count("by an administrator") >= 2
    assert "Profile changed" in log.text
    for secret in (boss.id, boss.email, "Mallory", "operator"):
        assert secret not in log.html, secret


def test_nobody_sees_what_others_did_or_what_they_did_to_others(
    server: Server, browser: Browser, person: Person
) -> None:
    other = server.create_user()
    opened(server.browser(headers={"User-Agent": FIREFOX}), "/account/", other)
    with server.administrator.provider() as provider:
        provider.users.update(other.id, actor=f"user:{person.id}", nickname="Kit")
    log = opened(browser, "/account/activity", person)
    assert "Account created" in log.text
    assert "Profile changed" not in log.text
    assert "Firefox" not in log.text


def test_ninety_days_and_no_more(server: Server, browser: Browser, person: Person) -> None:
    opened(browser, "/account/", person)
    with server.administrator.provider(), transaction() as connection:
        own = AuditEvent.user_id == person.id
        created = AuditEvent.event == Event.USER_CREATED.value
        connection.execute(update(AuditEvent).where(own, created).values(at=now() - timedelta(days=90, seconds=5)))
    log = browser.page("/account/activity")
    assert "Signed in" in log.text
    assert "Account created" not in log.text


@on_each_backend
def test_page_by_page_nothing_is_missed_and_nothing_told_twice(server: Server, browser: Browser) -> None:
    person = server.create_user()
    opened(browser, "/account/", person)
    with server.administrator.provider() as provider, transaction() as connection:
        for number in range(60):
            provider.audit.record(Event.TERMS_ACCEPTED, user_id=person.id, document="terms", version=str(number))
        # All at one instant: only their ids tell them apart.
        connection.execute(
            update(AuditEvent)
            .where(AuditEvent.user_id == person.id, AuditEvent.event == Event.TERMS_ACCEPTED.value)
            .values(at=now() - timedelta(hours=1))
        )
    page, seen, pages = browser.page("/account/activity"), 0, 1
    while True:
        seen += page.text.count("Terms accepted")
        older = [link for link in page.links if link.startswith("/account/activity?after=")]
        if not older:
            break
        page, pages = browser.page(older[0]), pages + 1
    assert seen == 60
    assert pages == 3
    assert "Back to the latest" in page.text


@pytest.mark.parametrize("after", ["", "x", "%00", "é", "MSAA", "OTk5OTk5OTk5OTk5OTk5OTk5OTkgeA", "A" * 3000])
def test_a_made_up_place_leads_nowhere(after: str, browser: Browser, person: Person) -> None:
    opened(browser, "/account/", person)
    assert browser.page(f"/account/activity?after={after}").status == 404


def test_a_place_in_somebody_elses_log_shows_only_ones_own(server: Server, browser: Browser, person: Person) -> None:
    """AU5."""
    other, elsewhere = server.create_user(), server.browser(headers={"User-Agent": FIREFOX})
    opened(elsewhere, "/account/", other)
    with server.administrator.provider() as provider, transaction():
        for _ in range(40):
            provider.audit.record(Event.PREFERENCES_CHANGED, user_id=other.id)
    theirs = next(link for link in elsewhere.page("/account/activity").links if "after=" in link)
    opened(browser, "/account/", person)
    shown = browser.page(theirs)
    assert "Preferences changed" not in shown.text
    assert "Account created" in shown.text, "their place is later than this"


def test_times_are_the_persons_own(server: Server, browser: Browser) -> None:
    person = server.create_user(zoneinfo="Asia/Tokyo", locale="de")
    log = opened(browser, "/account/activity", person)
    assert "Zeitzone: Japanische Zeit" in log.text
    assert "Angemeldet" in log.text
    nowhere = server.create_user()
    assert "Coordinated Universal Time" in opened(server.browser(), "/account/activity", nowhere).text


def test_what_is_between_an_app_and_us_is_left_out(
    relying_party: RelyingParty, browser: Browser, person: Person
) -> None:
    tokens = relying_party.tokens(browser, person)
    for _ in range(3):
        tokens |= relying_party.refreshed(tokens["refresh_token"])
    log = opened(browser, "/account/activity", person)
    assert "Signed in to" in log.text
    assert "token" not in log.text.lower()
