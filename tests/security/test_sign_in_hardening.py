"""Sign-in under bad luck: overload, races, other tabs, late clicks. In this process, to choose the moment of each."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import httpx
import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from idp.app import create_app
from idp.core.clock import now
from idp.core.errors import Unavailable
from idp.core.events import Event
from idp.core.setting_sections import Throttle as ThrottleSettings
from idp.core.settings import load_settings
from idp.services.limits.throttle import Throttle
from idp.storage.db import reading
from idp.storage.tables import SessionRow, ThrottleRow
from idp.web.provider import EXTENSION, Provider, current_provider
from tests.helpers.administrator import Administrator
from tests.helpers.browser import Browser, Callback, Page, Person, current_code
from tests.helpers.relying_party import RelyingParty
from tests.helpers.server import TEST_SETTINGS, fresh_secrets
from tests.security.attacks import FORM, guess, in_parallel, must_be_page

ISSUER = "http://127.0.0.1:8000"
WRONG, LIMITED, CHANGED, DOWN = 422, 429, 409, 503
NEW_PASSWORD = "seven grey herons at dusk"


class House:
    """The provider in this process, and whoever runs it."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.settings = {
            **TEST_SETTINGS,
            **fresh_secrets(),
            "IDP_ISSUER": ISSUER,
            "IDP_DATABASE_URL": f"sqlite:///{directory / 'idp.db'}",
            "IDP_KEYS_DIR": str(directory),
            **settings,
        }
        self.app: Flask = create_app(load_settings(self.settings))
        #: Its services, to put obstacles in their way; to use one oneself takes `provider()`.
        self.services: Provider = self.app.extensions[EXTENSION]
        self.administrator = Administrator(self.settings)
        self.administrator.__dict__["_app"] = self.app

    def browser(self, **headers: str) -> Browser:
        """A browser with an empty cookie jar."""
        browser = Browser(ISSUER)
        browser.http = httpx.Client(
            transport=httpx.WSGITransport(app=self.app), headers={**browser.http.headers, **headers}
        )
        return browser

    def client(self, **options: Any) -> RelyingParty:
        """A first-party app, whose server reaches the provider in this process too."""
        party = self.administrator.create_client(skip_consent=True, **options)
        party.__dict__["http"] = self.browser().http
        return party

    @contextmanager
    def provider(self) -> Iterator[Provider]:
        """The services themselves."""
        with self.app.app_context():
            yield current_provider()

    def count(self, table: Any) -> int:
        """How many rows a table has."""
        with self.provider(), reading() as connection:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

    def throttles(self) -> dict[str, int]:
        """Every counter."""
        with self.provider(), reading() as connection:
            rows = connection.execute(select(ThrottleRow.key, ThrottleRow.failures)).all()
        return {row.key: row.failures for row in rows}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.administrator.close()


@pytest.fixture
def person(house: House) -> Person:
    return house.administrator.create_user()


@pytest.fixture
def app_of_theirs(house: House) -> RelyingParty:
    return house.client(client_uri="https://shop.example/")


def at_login(browser: Browser, party: RelyingParty, **params: str) -> Page:
    return must_be_page(browser.open(party.authorization_request(**params).url), "login")


def posted(browser: Browser, page: Page, person: Person) -> httpx.Response:
    """Send the sign-in form; redirects are not followed."""
    return guess(browser, page, person.email, person.password)


def enter_code(browser: Browser, page: Page, code: str) -> httpx.Response:
    form = page.form_with(field="code")
    fields = {**dict(form.fields), "code": code}
    return browser.http.post(urljoin(page.url, form.action), content=urlencode(fields), headers=FORM)


def subject_of(house: House, party: RelyingParty, callback: Page | Callback) -> str:
    """Whom the code that the app was given is for."""
    assert isinstance(callback, Callback), callback
    assert "code" in callback.params, callback.params
    with house.provider() as provider:
        record = provider.audit.tail(1, Event.AUTHORIZATION_GRANTED)[0]
    assert record.client_id == party.client_id
    return str(record.user_id)


# Overload


def test_an_overload_costs_nobody_a_try(
    house: House, person: Person, app_of_theirs: RelyingParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = house.browser()
    page = at_login(browser, app_of_theirs)
    with monkeypatch.context() as overload:

        def overloaded(*_: object) -> None:
            raise Unavailable("too many passwords are being checked at once")

        overload.setattr(house.services.passwords, "verify", overloaded)
        assert [posted(browser, page, person).status_code for _ in range(6)] == [DOWN] * 6
    assert house.throttles() == {}
    assert posted(browser, page, person).status_code == 303


def test_an_overload_does_not_forgive_what_was_looked_at(
    house: House, person: Person, app_of_theirs: RelyingParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = house.browser()
    page = at_login(browser, app_of_theirs)
    statuses = []
    for _ in range(5):
        with monkeypatch.context() as overload:
            overload.setattr(house.services.passwords, "_load", _raise_unavailable)
            assert posted(browser, page, person).status_code == DOWN
        statuses.append(guess(browser, page, person.email, "wrong").status_code)
    assert statuses == [WRONG] * 5
    assert posted(browser, page, person).status_code == LIMITED


def _raise_unavailable(*_: object, **__: object) -> None:
    raise Unavailable("not now")


def test_a_fault_costs_no_one_time_code(
    house: House, app_of_theirs: RelyingParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = house.administrator.create_user(totp=True)
    browser = house.browser()
    page = must_be_page(browser.log_in(at_login(browser, app_of_theirs), person), "totp")
    with monkeypatch.context() as fault:
        fault.setattr(house.services.totp, "verify", _raise_unavailable)
        assert [enter_code(browser, page, "123456").status_code for _ in range(12)] == [DOWN] * 12
    assert set(house.throttles().values()) <= {0}
    assert isinstance(browser.enter_code(page, current_code(person)), Callback)


def test_lg4_many_people_sign_in_at_one_moment_from_one_address(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are under way before the first is done: none has failed yet."""
    crowd = 30
    people = [house.administrator.create_user() for _ in range(crowd)]
    browsers = [house.browser() for _ in people]
    pages = [must_be_page(browser.open("/signin/"), "login") for browser in browsers]
    arrived, verify = threading.Barrier(crowd), house.services.passwords.verify

    def wait_for_all(user_id: str | None, password: str) -> str | None:
        arrived.wait(20)
        return verify(user_id, password)

    monkeypatch.setattr(house.services.passwords, "verify", wait_for_all)
    throttle = Throttle(ThrottleSettings(address_failures=20))
    monkeypatch.setitem(house.app.extensions, EXTENSION, replace(house.services, throttle=throttle))
    statuses = in_parallel(crowd, lambda number: posted(browsers[number], pages[number], people[number]).status_code)
    assert statuses == [303] * crowd


# One decision, one transaction


def failing_at(provider: Provider, patch: pytest.MonkeyPatch, event: Event) -> None:
    """The disk is full at the moment when this event is to be recorded."""
    record = provider.audit.record

    def fail(what: Event, **details: Any) -> None:
        if what is event:
            raise Unavailable("the disk is full")
        record(what, **details)

    patch.setattr(provider.audit, "record", fail)


@pytest.mark.parametrize("event", [Event.SIGN_IN_SUCCEEDED, Event.SESSION_STARTED])
def test_no_session_without_its_record(
    house: House, person: Person, app_of_theirs: RelyingParty, monkeypatch: pytest.MonkeyPatch, event: Event
) -> None:
    browser = house.browser()
    page = at_login(browser, app_of_theirs)
    guess(browser, page, person.email, "wrong")
    before = house.throttles()
    with monkeypatch.context() as fault:
        failing_at(house.services, fault, event)
        assert posted(browser, page, person).status_code == DOWN
    assert house.count(SessionRow) == 0
    assert house.throttles() == before
    assert posted(browser, page, person).status_code == 303
    assert f"account:{person.id}" not in house.throttles()


@pytest.mark.parametrize("event", [Event.SIGN_IN_FAILED, Event.SIGN_IN_THROTTLED])
def test_a_refusal_and_its_record_are_one(
    house: House, person: Person, app_of_theirs: RelyingParty, monkeypatch: pytest.MonkeyPatch, event: Event
) -> None:
    browser = house.browser()
    page = at_login(browser, app_of_theirs)
    for _ in range(4 if event is Event.SIGN_IN_FAILED else 5):
        guess(browser, page, person.email, "wrong")
    before = house.throttles()
    with monkeypatch.context() as fault:
        failing_at(house.services, fault, event)
        assert guess(browser, page, person.email, "wrong").status_code == DOWN
    after = house.throttles()
    # The guess was looked at, so the account remembers it in any case; the address only together with the record.
    changed = {key for key in after if after[key] != before.get(key)}
    assert not any(key.startswith("address:") for key in changed)
    assert bool(changed) is (event is Event.SIGN_IN_FAILED)


def test_no_code_is_used_up_without_its_record(
    house: House, app_of_theirs: RelyingParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = house.administrator.create_user(totp=True)
    browser = house.browser()
    page = must_be_page(browser.log_in(at_login(browser, app_of_theirs), person), "totp")
    with time_machine.travel(now(), tick=False):
        with monkeypatch.context() as fault:
            failing_at(house.services, fault, Event.MFA_SUCCEEDED)
            assert enter_code(browser, page, current_code(person)).status_code == DOWN
        assert isinstance(browser.enter_code(page, current_code(person)), Callback)


# A password that changes meanwhile (LO3, SE5)


@contextmanager
def changing_after_verification(
    provider: Provider, person: Person, patch: pytest.MonkeyPatch, *, by: timedelta
) -> Iterator[None]:
    """While a password is looked at, the user's is changed, by a machine whose clock differs."""
    verify = provider.passwords.verify

    def slow(user_id: str | None, password: str) -> str | None:
        verdict = verify(user_id, password)
        with time_machine.travel(now() + by):
            provider.lifecycle.set_password(person.id, NEW_PASSWORD)
        return verdict

    with patch.context() as race:
        race.setattr(provider.passwords, "verify", slow)
        yield


@pytest.mark.parametrize("clock", [timedelta(seconds=-5), timedelta(0), timedelta(seconds=5)])
def test_se5_a_changed_password_opens_nothing(
    house: House, person: Person, app_of_theirs: RelyingParty, monkeypatch: pytest.MonkeyPatch, clock: timedelta
) -> None:
    browser = house.browser()
    page = at_login(browser, app_of_theirs)
    with changing_after_verification(house.services, person, monkeypatch, by=clock):
        shown = must_be_page(browser.log_in(page, person), "login")
    assert shown.status == CHANGED
    assert "Your account was changed" in shown.text
    assert house.count(SessionRow) == 0
    changed = Person(person.email, NEW_PASSWORD, person.id)
    assert subject_of(house, app_of_theirs, browser.log_in(shown, changed)) == person.id


def test_se5_between_the_password_and_the_code(house: House, app_of_theirs: RelyingParty) -> None:
    person = house.administrator.create_user(totp=True)
    browser = house.browser()
    page = must_be_page(browser.log_in(at_login(browser, app_of_theirs), person), "totp")
    with house.provider() as provider, time_machine.travel(now() - timedelta(seconds=5)):
        provider.lifecycle.set_password(person.id, NEW_PASSWORD)
    shown = must_be_page(browser.enter_code(page, current_code(person)), "login")
    assert shown.status == CHANGED
    assert "Your account was changed" in shown.text
    assert house.count(SessionRow) == 0
    changed = Person(person.email, NEW_PASSWORD, person.id)
    must_be_page(browser.log_in(shown, changed), "totp")


def test_a_session_kept_through_a_password_change_takes_a_code(house: House, app_of_theirs: RelyingParty) -> None:
    person = house.administrator.create_user()
    browser = house.browser()
    browser.callback(app_of_theirs.authorization_request().url, person)
    with house.provider() as provider:
        session = provider.sessions.list(person.id)[0]
        provider.lifecycle.set_password(person.id, NEW_PASSWORD, except_session_id=session.id)
        seed = provider.totp.enrol(person.id)
    person = Person(person.email, NEW_PASSWORD, person.id, seed)
    page = must_be_page(browser.open(app_of_theirs.authorization_request().url), "totp")
    assert isinstance(browser.enter_code(page, current_code(person)), Callback)
    with house.provider() as provider:
        assert [(kept.id, kept.amr) for kept in provider.sessions.list(person.id)] == [
            (session.id, ("pwd", "otp", "mfa"))
        ]


# Another tab


def test_a_second_tab_signs_in_whom_it_says(house: House, person: Person, app_of_theirs: RelyingParty) -> None:
    other, browser = house.administrator.create_user(), house.browser()
    first, second = at_login(browser, app_of_theirs), at_login(browser, app_of_theirs)
    assert subject_of(house, app_of_theirs, browser.log_in(first, person)) == person.id
    wrong = must_be_page(browser.log_in(second, Person(other.email, "wrong")), "login")
    assert wrong.status == WRONG
    assert subject_of(house, app_of_theirs, browser.log_in(wrong, other)) == other.id
    with house.provider() as provider:
        assert provider.sessions.list(person.id) == [], "one session per browser"


def test_a_second_tab_of_the_same_person_is_done(house: House, person: Person, app_of_theirs: RelyingParty) -> None:
    browser = house.browser()
    first, second = at_login(browser, app_of_theirs), at_login(browser, app_of_theirs)
    browser.log_in(first, person)
    # Signed in already: whatever stands in the password field is not even looked at.
    shouting = Person(f" {person.email.upper()} ", "wrong")
    assert subject_of(house, app_of_theirs, browser.log_in(second, shouting)) == person.id


def test_back_from_the_code_page_to_sign_in_as_somebody_else(house: House, app_of_theirs: RelyingParty) -> None:
    person, other = house.administrator.create_user(totp=True), house.administrator.create_user()
    browser = house.browser()
    login = at_login(browser, app_of_theirs)
    must_be_page(browser.log_in(login, person), "totp")
    must_be_page(browser.log_in(login, person), "totp")
    assert subject_of(house, app_of_theirs, browser.log_in(login, other)) == other.id


def test_a_hinted_person_stays_the_only_one(house: House, person: Person, app_of_theirs: RelyingParty) -> None:
    other, browser = house.administrator.create_user(), house.browser()
    claims = f'{{"id_token":{{"sub":{{"value":"{person.id}"}}}}}}'
    login = at_login(browser, app_of_theirs, claims=claims)
    browser.callback(app_of_theirs.authorization_request().url, person)
    assert subject_of(house, app_of_theirs, browser.log_in(login, other)) == person.id


# Late


def test_cancelling_late_tells_the_app(house: House, app_of_theirs: RelyingParty) -> None:
    browser = house.browser()
    login = at_login(browser, app_of_theirs)
    with time_machine.travel(now() + timedelta(minutes=50)):
        answer = browser.open(login.url.replace("/login", "/cancel"))
        assert isinstance(answer, Callback), answer
        assert answer["error"] == "access_denied"


def test_a_finished_sign_in_has_not_expired(house: House, person: Person) -> None:
    party = house.client()
    browser = house.browser()
    request = party.authorization_request()
    login = must_be_page(browser.open(request.url), "login")
    browser.log_in(login, person)
    page = must_be_page(browser.open(login.url), "error")
    assert "expired" not in page.html
    assert "over" in page.title
    again = [link for link in page.links if urlsplit(link).path.endswith("/authorize")]
    assert again, page.links
    assert isinstance(browser.open(again[0]), Callback)
    assert "expired" in must_be_page(browser.open("/signin/nothing/login"), "error").title


# What is kept


def test_no_interaction_is_named_in_the_database(house: House, app_of_theirs: RelyingParty) -> None:
    person = house.administrator.create_user(totp=True)
    browser = house.browser()
    page = must_be_page(browser.log_in(at_login(browser, app_of_theirs), person), "totp")
    enter_code(browser, page, "000000")
    interaction = urlsplit(page.url).path.split("/")[2]
    keys = list(house.throttles())
    assert any(key.startswith("limit:totp:") for key in keys)
    assert not any(interaction[:16] in key for key in keys)


# The language


def test_a_persons_own_language_comes_after_the_apps_wish(house: House, app_of_theirs: RelyingParty) -> None:
    german = house.administrator.create_user(locale="de-AT")
    browser = house.browser()
    browser.callback(app_of_theirs.authorization_request().url, german)
    assert '<html lang="de"' in browser.page("/").html
    wish = app_of_theirs.authorization_request(prompt="login", ui_locales="en")
    assert '<html lang="en"' in browser.page(wish.url).html
    assert '<html lang="en"' in browser.page("/oauth2/logout?ui_locales=en").html
    browser.open("/language/en?next=/")
    assert '<html lang="en"' in browser.page("/").html, "picked a moment ago"


# Half a sign-in


def test_mf1_a_password_alone_opens_nothing(house: House, app_of_theirs: RelyingParty) -> None:
    person = house.administrator.create_user(totp=True)
    browser = house.browser()
    page = must_be_page(browser.log_in(at_login(browser, app_of_theirs), person), "totp")
    assert house.count(SessionRow) == 0
    assert not browser.cookies.get("idp-session")
    silent = browser.open(app_of_theirs.authorization_request(prompt="none").url)
    assert isinstance(silent, Callback)
    assert silent["error"] == "login_required"
    # Nor does it help a sign-in that was begun beside it.
    at_login(browser, app_of_theirs)
    assert isinstance(browser.enter_code(page, current_code(person)), Callback)


def test_mf3_five_codes_a_sign_in_and_ten_an_hour(house: House, app_of_theirs: RelyingParty) -> None:
    person = house.administrator.create_user(totp=True)
    with time_machine.travel(now(), tick=False) as clock:
        wrong = "000000" if current_code(person) != "000000" else "111111"
        for _ in range(2):
            browser = house.browser()
            page = must_be_page(browser.log_in(at_login(browser, app_of_theirs), person), "totp")
            assert [enter_code(browser, page, wrong).status_code for _ in range(6)] == [WRONG] * 5 + [LIMITED]
            # That sign-in has to begin again, with the password.
            must_be_page(browser.open(page.url), "login")
        browser = house.browser()
        page = must_be_page(browser.log_in(at_login(browser, app_of_theirs), person), "totp")
        assert [enter_code(browser, page, current_code(person)).status_code for _ in range(8)] == [LIMITED] * 8
        clock.shift(3600)
        browser = house.browser()
        page = must_be_page(browser.log_in(at_login(browser, app_of_theirs), person), "totp")
        assert isinstance(browser.enter_code(page, current_code(person)), Callback)
