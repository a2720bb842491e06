"""Lockout as an attack, and attacks that lockouts are for: LG3, LG4. Over HTTP, with real limits."""

import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine

from idp.core.clock import now
from idp.core.events import Event
from tests.helpers.browser import Browser, Page, Person, current_code
from tests.helpers.forgetful import NEW_PASSWORD, Forgetful
from tests.helpers.inbox import letters
from tests.security.attacks import an_address, guess, must_be_page
from tests.security.test_sign_in_hardening import House, enter_code

WRONG, LIMITED, IN = 422, 429, 303


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(
        tmp_path,
        IDP_THROTTLE__ADDRESS_FAILURES="20",
        IDP_THROTTLE__ANOMALY_FAILURES="60",
        IDP_TRUSTED_PROXIES="127.0.0.1/32",
    )
    yield house
    house.administrator.close()


@pytest.fixture
def owner(house: House) -> Person:
    return house.administrator.create_user()


def stranger(house: House) -> Browser:
    """A browser that nobody has seen, somewhere on the internet."""
    return house.browser(**{"X-Forwarded-For": an_address()})


def tries(browser: Browser, email: str, password: str) -> int:
    return guess(browser, must_be_page(browser.open("/signin/"), "login"), email, password).status_code


def attack(house: House, email: str, guesses: int, clock: time_machine.Traveller) -> list[int]:
    """Wrong passwords, each from another address, patiently: after each delay the next."""
    answers = []
    for _ in range(guesses):
        answers.append(tries(stranger(house), email, secrets.token_hex(8)))
        clock.shift(3601)
    return answers


def events(house: House, event: Event, user_id: str | None = None) -> int:
    with house.provider() as provider:
        return len(provider.audit.tail(500, event, user_id))


def test_lg4_150_guesses_lock_strangers_out_and_never_the_owner(house: House, owner: Person) -> None:
    own = house.browser()
    assert tries(own, owner.email, owner.password) == IN
    with time_machine.travel(now(), tick=False) as clock:
        answers = attack(house, owner.email, 150, clock)
        assert answers == [WRONG] * 100 + [LIMITED] * 50
        # From a browser of their own: in, also after mistyping.
        again = house.browser()
        again.http.cookies.update(own.http.cookies)
        again.http.cookies.delete("idp-session")
        assert tries(again, owner.email, "mistyped") == WRONG
        assert tries(again, owner.email, owner.password) == IN
        # From a new one: not even with the right password, until they open the account again.
        assert tries(stranger(house), owner.email, owner.password) == LIMITED
        told = [letter for letter in letters(again, owner.email) if letter.subject == "Your account was locked"]
        assert len(told) == 1, "one mail for each lock, not for each guess"
        assert (events(house, Event.ACCOUNT_LOCKED, owner.id), events(house, Event.ACCOUNT_UNLOCKED, owner.id)) == (
            1,
            0,
        )


@pytest.fixture
def locked(house: House, owner: Person) -> Iterator[Person]:
    """Somebody whose account was locked a moment ago."""
    with time_machine.travel(now(), tick=False) as clock:
        attack(house, owner.email, 100, clock)
        yield owner


def test_the_mailed_link_opens_the_account_again(house: House, locked: Person) -> None:
    browser = house.browser()
    shown = browser.page("/signin/")
    refused = browser.log_in(shown, locked)
    assert isinstance(refused, Page)
    assert refused.status == LIMITED
    assert "Open the account again with the link" in refused.text
    assert any(link.endswith("/forgotten") for link in refused.links)
    link = next(letter for letter in letters(browser, locked.email) if "locked" in letter.subject).link("/link/unlock")
    page = browser.page(link)
    assert tries(stranger(house), locked.email, locked.password) == LIMITED, "looking opens nothing"
    browser.submit(page, page.form_with(button="unlock-submit"))
    assert tries(stranger(house), locked.email, locked.password) == IN
    with house.provider() as provider:
        record = provider.audit.tail(1, Event.ACCOUNT_UNLOCKED)[0]
    assert (record.actor, record.details["was_locked"]) == (f"user:{locked.id}", True)


def test_lg4_who_opened_it_stays_in_while_the_attack_goes_on(house: House, locked: Person) -> None:
    browser = house.browser()
    link = letters(browser, locked.email)[0].link("/link/unlock")
    page = browser.page(link)
    browser.submit(page, page.form_with(button="unlock-submit"))
    assert [tries(stranger(house), locked.email, "wrong") for _ in range(6)] == [WRONG] * 5 + [LIMITED]
    assert tries(browser, locked.email, locked.password) == IN


def test_a_new_lock_is_told_of_anew(house: House, locked: Person) -> None:
    browser = house.browser()
    page = browser.page(letters(browser, locked.email)[0].link("/link/unlock"))
    browser.submit(page, page.form_with(button="unlock-submit"))
    with time_machine.travel(now(), tick=False) as clock:
        attack(house, locked.email, 100, clock)
    assert len([letter for letter in letters(browser, locked.email) if "locked" in letter.subject]) == 2


def test_the_unlock_link_works_for_a_day(house: House, locked: Person) -> None:
    browser = house.browser()
    link = letters(browser, locked.email)[0].link("/link/unlock")
    # The last guess of the attack was an hour ago.
    with time_machine.travel(now() + timedelta(hours=22, minutes=58), tick=False):
        assert browser.page(link).status == 200
    with time_machine.travel(now() + timedelta(hours=23), tick=False):
        assert browser.page(link).status == 410


def test_an_operator_opens_it(house: House, locked: Person) -> None:
    with house.provider() as provider:
        assert provider.lockout.unlock(locked.id)
        assert not provider.lockout.unlock(locked.id)
    assert tries(stranger(house), locked.email, locked.password) == IN


def test_a_reset_opens_it(house: House, locked: Person) -> None:
    forgetful = Forgetful(locked, house.browser())
    forgetful.choose(forgetful.enter(forgetful.ask()))
    assert tries(stranger(house), locked.email, NEW_PASSWORD) == IN


def test_lg1_an_address_that_nobody_has_is_locked_with_the_same_words_and_for_as_long(
    house: House, owner: Person
) -> None:
    shown = []
    for email in (owner.email, "nobody@example.com"):
        with time_machine.travel(now(), tick=False) as clock:
            answers = attack(house, email, 101, clock)
            clock.shift(timedelta(days=30))
            browser = house.browser()
            refused = browser.log_in(browser.page("/signin/"), Person(email, "wrong"))
        assert isinstance(refused, Page)
        shown.append((answers, refused.status, refused.text.replace(email, "")))
    assert shown[0] == shown[1]
    assert letters(house.browser(), "nobody@example.com") == []


def test_lg4_codes_and_passwords_are_counted_apart(house: House) -> None:
    """Who guesses one-time codes does not lock the password, nor the other way round."""
    person = house.administrator.create_user(totp=True)
    with time_machine.travel(now(), tick=False):
        wrong = "000000" if current_code(person) != "000000" else "111111"
        for _ in range(2):
            browser = stranger(house)
            page = must_be_page(browser.log_in(browser.page("/signin/"), person), "totp")
            assert [enter_code(browser, page, wrong).status_code for _ in range(5)] == [WRONG] * 5
        counted = house.throttles()
        assert counted[f"limit:totp:{person.id}"] == 10
        assert not [key for key in counted if key.startswith(("account:", "address:", "surge"))]
        # Codes are used up for an hour; passwords are not.
        assert [tries(stranger(house), person.email, "wrong") for _ in range(4)] == [WRONG] * 4
        assert tries(stranger(house), person.email, person.password) == IN
        assert house.throttles()[f"limit:totp:{person.id}"] == 10


def test_lg4_one_try_at_each_of_many_accounts_raises_an_alarm(house: House, owner: Person) -> None:
    known = house.browser(**{"X-Forwarded-For": "203.0.113.7"})
    assert tries(known, owner.email, owner.password) == IN
    with time_machine.travel(now(), tick=False) as clock:
        for number in range(5):
            assert tries(house.browser(**{"X-Forwarded-For": "203.0.113.7"}), f"mate{number}@example.com", "x") == WRONG
        for number in range(60):
            assert tries(stranger(house), f"victim{number}@example.com", "Winter2026!") == WRONG
        assert events(house, Event.SIGN_IN_ANOMALY) == 1
        with house.provider() as provider:
            told = provider.audit.tail(1, Event.SIGN_IN_ANOMALY)[0].details
        assert told == {"failures": 60, "addresses": 56, "window": 600}
        # Addresses have a quarter of their failures now; whoever is known is let in as ever.
        assert tries(house.browser(**{"X-Forwarded-For": "203.0.113.7"}), "next@example.com", "x") == LIMITED
        other = house.browser(**{"X-Forwarded-For": "203.0.113.7"})
        other.http.cookies.update(known.http.cookies)
        other.http.cookies.delete("idp-session")
        assert tries(other, owner.email, owner.password) == IN
        assert tries(stranger(house), owner.email, owner.password) == IN, "from an address without failures"
        clock.shift(601)
        assert tries(house.browser(**{"X-Forwarded-For": "203.0.113.7"}), "next@example.com", "x") == WRONG
        assert events(house, Event.SIGN_IN_ANOMALY) == 1
