"""Guessing limits: LG2 (one counter per account), LG3 (parallel guesses), LG4 (lockout as an attack)."""

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from idp.core.clock import now
from idp.core.setting_sections import Throttle as ThrottleSettings
from idp.services.limits.addresses import address_group
from idp.services.limits.surge import Alarm
from idp.services.limits.throttle import Throttle, Verdict, unknown_account
from idp.storage.db import reading, transaction
from idp.storage.tables import ThrottleRow
from tests.helpers.database import application_context, processes

ALLOWED = Verdict(True)


@pytest.fixture
def throttle(app: Flask) -> Throttle:
    return Throttle(ThrottleSettings())


def guesses(throttle: Throttle, times: int, account: str = "u1", device: str | None = None) -> list[Verdict]:
    return [throttle.attempt(account, device, None) for _ in range(times)]


def fail(throttle: Throttle, account: str | None, address: str, device: str | None = None) -> Verdict:
    """A wrong guess, if it is looked at."""
    verdict = throttle.attempt(account, device, address)
    if verdict.allowed:
        throttle.failed(address)
    return verdict


def rows() -> dict[str, int]:
    """Every counter but that of all failures together."""
    with reading() as session:
        counters = session.execute(select(ThrottleRow.key, ThrottleRow.failures)).all()
    return {counter.key: counter.failures for counter in counters if not counter.key.startswith("surge")}


def test_five_failures_are_free_then_delays_double_to_an_hour(throttle: Throttle) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        assert guesses(throttle, 5) == [ALLOWED] * 5
        for delay in (30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600):
            assert throttle.attempt("u1", None, None) == Verdict(False, delay)
            clock.shift(delay - 1)
            assert throttle.attempt("u1", None, None) == Verdict(False, 1)
            clock.shift(1)
            assert throttle.attempt("u1", None, None) == ALLOWED


def test_refused_guesses_are_not_counted(throttle: Throttle) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        guesses(throttle, 5)
        before = rows()
        assert not any(verdict.allowed for verdict in guesses(throttle, 50))
        assert throttle.attempt("u1", None, "192.0.2.1") == Verdict(False, 30)
        assert rows() == before
        clock.shift(30)
        assert throttle.attempt("u1", None, None) == ALLOWED


def test_a_right_guess_clears_the_account_and_not_the_address(throttle: Throttle) -> None:
    for number in range(3):
        fail(throttle, f"victim{number}", "192.0.2.1")
    for _ in range(3):
        fail(throttle, "u1", "192.0.2.1", "laptop")
    throttle.succeeded(throttle.attempt("u1", "laptop", "192.0.2.1"))
    counted = rows()
    assert not any(key.startswith("account:u1") for key in counted)
    # An attacker's own account does not launder others.
    assert counted["address:192.0.2.1/32"] == 6


def test_lg4_what_is_under_way_is_no_failure_of_the_address(throttle: Throttle) -> None:
    """An office signs in at nine o'clock, from behind one address."""
    people = [f"u{number}" for number in range(60)]
    verdicts = [throttle.attempt(person, None, "192.0.2.1") for person in people]
    assert all(verdict.allowed for verdict in verdicts)
    for verdict in verdicts:
        throttle.succeeded(verdict)
    assert rows() == {}


class TestWithdrawn:
    """A guess that nobody looked at costs nothing, and gives nothing either."""

    def test_it_leaves_no_trace(self, throttle: Throttle) -> None:
        for _ in range(20):
            verdict = throttle.attempt("u1", "laptop", "192.0.2.1")
            assert verdict.allowed
            throttle.withdrawn(verdict)
        assert rows() == {}

    def test_it_gives_back_its_own_reservation_alone(self, throttle: Throttle) -> None:
        guesses(throttle, 3)
        verdict = throttle.attempt("u1", None, None)
        throttle.withdrawn(verdict)
        assert rows() == {"account:u1": 3, "account:u1:unknown": 3}
        assert [verdict.allowed for verdict in guesses(throttle, 3)] == [True, True, False]

    def test_the_delay_that_it_began_ends(self, throttle: Throttle) -> None:
        with time_machine.travel(now(), tick=False) as clock:
            guesses(throttle, 4)
            verdict = throttle.attempt("u1", None, None)
            assert not throttle.attempt("u1", None, None).allowed
            throttle.withdrawn(verdict)
            clock.shift(1)
            assert [verdict.allowed for verdict in guesses(throttle, 2)] == [True, False]

    def test_a_delay_that_another_guess_began_stays(self, throttle: Throttle) -> None:
        with time_machine.travel(now(), tick=False) as clock:
            guesses(throttle, 4)
            slow = throttle.attempt("u1", None, None)
            clock.shift(30)
            assert throttle.attempt("u1", None, None).allowed
            throttle.withdrawn(slow)
            clock.shift(1)
            assert not throttle.attempt("u1", None, None).allowed

    def test_a_newer_counter_owes_it_nothing(self, throttle: Throttle) -> None:
        with time_machine.travel(now(), tick=False) as clock:
            verdict = throttle.attempt("u1", None, None)
            throttle.unlock("u1")
            clock.shift(1)
            guesses(throttle, 2)
            throttle.withdrawn(verdict)
        assert rows() == {"account:u1": 2, "account:u1:unknown": 2}

    def test_a_refused_guess_has_nothing_to_give_back(self, throttle: Throttle) -> None:
        guesses(throttle, 5)
        throttle.withdrawn(throttle.attempt("u1", None, None))
        assert rows() == {"account:u1": 5, "account:u1:unknown": 5}


def test_the_account_is_switched_off_after_a_hundred_failures_in_a_row(throttle: Throttle) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        allowed = 0
        while throttle.attempt("u1", None, None).allowed:
            allowed += 1
            clock.shift(3600)
        assert allowed == 100
        assert throttle.is_disabled("u1")
        assert throttle.attempt("u1", None, "192.0.2.1") == Verdict(False, 0, disabled=True)
        assert "address:192.0.2.1/32" not in rows()
        clock.shift(timedelta(days=300))
        assert throttle.attempt("u1", None, None).disabled
        throttle.unlock("u1")
        assert not throttle.is_disabled("u1")
        assert throttle.attempt("u1", None, None) == ALLOWED


def test_lg4_a_known_browser_has_a_budget_of_its_own_and_then_is_a_stranger(throttle: Throttle) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        while throttle.attempt("u1", None, None).allowed:
            clock.shift(3600)
        own = 0
        while (verdict := throttle.attempt("u1", "laptop", None)).allowed:
            own += 1
            clock.shift(3600)
        assert own == 20
        assert verdict.disabled
        assert throttle.attempt("u1", "phone", None).allowed, "each browser of theirs has one"


def test_a_known_browser_waits_for_itself_alone(throttle: Throttle) -> None:
    with time_machine.travel(now(), tick=False):
        assert [verdict.allowed for verdict in guesses(throttle, 6, device="laptop")] == [True] * 5 + [False]
        assert rows() == {"account:u1:laptop": 5}
        assert throttle.attempt("u1", None, None).allowed
        throttle.succeeded(throttle.attempt("u1", "phone", None))
        assert rows() == {"account:u1:laptop": 5, "account:u1": 1, "account:u1:unknown": 1}


def test_a_right_guess_gives_a_browser_its_budget_back(throttle: Throttle) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        for _ in range(20):
            throttle.attempt("u1", "laptop", None)
            clock.shift(3600)
        verdict = throttle.attempt("u1", "laptop", None)
        assert rows() == {"account:u1:laptop": 20, "account:u1": 1, "account:u1:unknown": 1}
        throttle.succeeded(verdict)
        assert rows() == {}


def test_one_guess_alone_is_the_one_that_locks(throttle: Throttle) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        locks = []
        for _ in range(110):
            locks.append(throttle.attempt("u1", None, None).locks)
            clock.shift(3600)
    assert [number for number, is_last in enumerate(locks, 1) if is_last] == [100]


def test_lg4_a_known_browser_does_not_pay_for_its_neighbours(throttle: Throttle) -> None:
    for number in range(21):
        fail(throttle, f"victim{number}", "192.0.2.1")
    assert not throttle.attempt("u1", None, "192.0.2.1").allowed
    assert throttle.attempt("u1", "laptop", "192.0.2.1").allowed


class TestSurge:
    """One try at each of many accounts, from many addresses."""

    @pytest.fixture
    def throttle(self, app: Flask) -> Throttle:
        return Throttle(ThrottleSettings(anomaly_failures=200, anomaly_window=600))

    def test_the_alarm_is_raised_once_in_a_window_and_says_how_many(self, throttle: Throttle) -> None:
        with time_machine.travel(now(), tick=False) as clock:
            for _ in range(2):
                alarms = [throttle.failed(f"192.0.2.{number % 250}") for number in range(450)]
                raised = [(number, alarm) for number, alarm in enumerate(alarms, 1) if alarm is not None]
                assert raised == [(200, Alarm(200, 200, 600))]
                assert throttle.alarm_lasts_until() == now() + timedelta(seconds=600)
                clock.shift(600)
                assert throttle.alarm_lasts_until() is None

    def test_few_failures_raise_none(self, throttle: Throttle) -> None:
        with time_machine.travel(now(), tick=False) as clock:
            for _ in range(4):
                assert [throttle.failed(None) for _ in range(199)] == [None] * 199
                clock.shift(600)

    def test_new_browsers_have_a_quarter_then_and_known_ones_what_they_had(self, throttle: Throttle) -> None:
        for number in range(5):
            fail(throttle, f"victim{number}", "198.51.100.7")
        assert throttle.attempt("u1", None, "198.51.100.7").allowed
        for _ in range(200):
            throttle.failed(None)
        assert throttle.alarm_lasts_until() is not None
        assert not throttle.attempt("u1", None, "198.51.100.7").allowed
        assert throttle.attempt("u1", "laptop", "198.51.100.7").allowed
        assert throttle.attempt("u1", None, "198.51.100.8").allowed, "an address without failures"


def test_the_hundred_are_in_a_row(throttle: Throttle) -> None:
    for _ in range(60):
        assert guesses(throttle, 4) == [ALLOWED] * 4
        throttle.succeeded(throttle.attempt("u1", None, None))
    assert not throttle.is_disabled("u1")


def test_lg2_accounts_are_counted_apart_and_whole(throttle: Throttle) -> None:
    """The caller names the account by its id: aliases and spellings of an address share one counter."""
    guesses(throttle, 5)
    assert not throttle.attempt("u1", None, None).allowed
    assert throttle.attempt("u10", None, None).allowed
    assert throttle.attempt("u", None, None).allowed
    throttle.unlock("u")
    assert not throttle.attempt("u1", None, None).allowed
    throttle.unlock("%")
    throttle.unlock("u_")
    assert not throttle.attempt("u1", None, None).allowed


def test_unknown_identifiers_are_throttled_like_users_but_not_stored(throttle: Throttle) -> None:
    account = unknown_account("nobody@example.com")
    assert account == unknown_account("nobody@example.com") != unknown_account("nobody2@example.com")
    with time_machine.travel(now(), tick=False):
        known = [throttle.attempt("u1", None, None) for _ in range(7)]
        unknown = [throttle.attempt(account, None, None) for _ in range(7)]
    assert known == unknown
    assert not any("nobody" in key for key in rows())


def test_lg4_a_stranger_does_not_lock_the_owner_out_of_a_known_device(throttle: Throttle) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        for _ in range(12):
            throttle.attempt("u1", None, None)
            clock.shift(600)
        assert not throttle.attempt("u1", None, None).allowed
        assert throttle.attempt("u1", "laptop", None).allowed


def test_lg4_stuffing_many_accounts_from_one_address(throttle: Throttle) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        verdicts = [fail(throttle, f"u{number}", "198.51.100.7") for number in range(200)]
        assert [verdict.allowed for verdict in verdicts] == [True] * 20 + [False] * 180
        assert verdicts[-1] == Verdict(False, 600)
        assert "account:u20" not in rows()
        assert throttle.attempt("u20", None, "198.51.100.8").allowed
        clock.shift(599)
        assert throttle.attempt("u21", None, "198.51.100.7") == Verdict(False, 1)
        clock.shift(1)
        assert throttle.attempt("u21", None, "198.51.100.7").allowed


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.1", "192.0.2.1/32"),
        (" 192.0.2.1 ", "192.0.2.1/32"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ("::FFFF:c000:201", "192.0.2.1/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0DB8:0001:0002::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("192.0.2.1:443", "unreadable"),
        ("192.0.2.01", "unreadable"),
        ("evil\r\n", "unreadable"),
    ],
)
def test_addresses_are_grouped_by_who_holds_them(address: str, group: str) -> None:
    assert address_group(address) == group


def test_spellings_of_an_address_share_a_counter(throttle: Throttle) -> None:
    for number, address in enumerate(["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"] * 7):
        verdict = fail(throttle, f"u{number}", address)
    assert not verdict.allowed
    for number in range(21):
        verdict = fail(throttle, f"u{number}", f"2001:db8::{number:x}:1")
    assert not verdict.allowed


def test_nothing_to_count_is_allowed(throttle: Throttle) -> None:
    assert throttle.attempt(None, None, None) == ALLOWED
    throttle.succeeded(ALLOWED)
    throttle.withdrawn(ALLOWED)
    assert rows() == {}


def test_names_of_any_length_and_alphabet(throttle: Throttle) -> None:
    for name in ("x" * 5000, "ü" * 80, "a\x00b", "\ud800", "a:b"):
        assert guesses(throttle, 6, account=name, device=name)[-1].retry_after > 0
        throttle.unlock(name)
        assert throttle.attempt(name, name, name).allowed


def test_a_day_without_failures_starts_afresh(throttle: Throttle) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        guesses(throttle, 5)
        clock.shift(30)
        guesses(throttle, 1)
        clock.shift(86400)
        assert guesses(throttle, 5) == [ALLOWED] * 5
        assert rows()["account:u1"] == 11


def test_purge_deletes_what_no_longer_counts(throttle: Throttle) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        fail(throttle, "u1", "192.0.2.1")
        assert throttle.purge() == 0
        clock.shift(601)
        assert throttle.purge() == 2, "the address, and a share of all failures"
        clock.shift(86400)
        assert throttle.purge() == 1
        assert rows() == {"account:u1": 1}


def test_lg1_guesses_at_nobody_are_remembered_for_as_long_as_others(throttle: Throttle) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        for account in (unknown_account("nobody@example.com"), "u1"):
            throttle.attempt(account, None, None)
        for days, left in ((364, 2), (2, 0)):
            clock.shift(timedelta(days=days))
            throttle.purge()
            assert len(rows()) == left


class TestLimited:
    def test_a_key_may_be_used_so_often_in_a_window(self, throttle: Throttle) -> None:
        with time_machine.travel(now(), tick=False) as clock:
            assert [throttle.limited("totp:u1", 3, 3600) for _ in range(5)] == [False] * 3 + [True] * 2
            assert not throttle.limited("totp:u2", 3, 3600)
            clock.shift(3599)
            assert throttle.limited("totp:u1", 3, 3600)
            clock.shift(1)
            assert not throttle.limited("totp:u1", 3, 3600)

    def test_a_use_can_be_given_back_but_not_below_zero(self, throttle: Throttle) -> None:
        for _ in range(3):
            throttle.release("totp:u1")
        assert [throttle.limited("totp:u1", 2, 60) for _ in range(3)] == [False, False, True]
        throttle.release("totp:u1")
        assert [throttle.limited("totp:u1", 2, 60) for _ in range(2)] == [False, True]

    def test_it_says_when_to_come_again(self, throttle: Throttle) -> None:
        with time_machine.travel(now(), tick=False) as clock:
            assert throttle.reopens_in("totp:u1") == 1, "at once"
            throttle.limited("totp:u1", 1, 60)
            assert throttle.reopens_in("totp:u1") == 60
            clock.shift(45.5)
            assert throttle.reopens_in("totp:u1") == 15
            clock.shift(60)
            assert throttle.reopens_in("totp:u1") == 1

    def test_it_does_not_meet_the_other_counters(self, throttle: Throttle) -> None:
        throttle.limited("account:u1", 100, 60)
        assert rows() == {"limit:account:u1": 1}


def test_settings_decide(app: Flask) -> None:
    throttle = Throttle(
        ThrottleSettings(
            free_failures=1,
            first_delay=10,
            longest_delay=10,
            disable_after=5,
            address_failures=2,
            address_window=60,
        )
    )
    with time_machine.travel(now(), tick=False) as clock:
        for _ in range(5):
            assert throttle.attempt("u1", None, None).allowed
            clock.shift(10)
        assert throttle.attempt("u1", None, None).disabled
        assert throttle.attempt("u2", None, None).allowed
        assert throttle.attempt("u2", None, None) == Verdict(False, 10)


def test_a_refusal_leaves_the_callers_transaction_intact(throttle: Throttle) -> None:
    guesses(throttle, 5)
    with transaction():
        throttle.limited("before", 5, 60)
        assert not throttle.attempt("u1", None, "192.0.2.1").allowed
        throttle.limited("after", 5, 60)
    assert {"limit:before", "limit:after"} <= set(rows())
    assert "address:192.0.2.1/32" not in rows()


def test_the_reservation_falls_with_the_callers_transaction(throttle: Throttle) -> None:
    with contextlib.suppress(LookupError), transaction():
        throttle.attempt("u1", None, None)
        raise LookupError
    assert rows() == {}


# LG3: however many guesses arrive at once, on however many processes, five are looked at.


def guess_from_a_process(url: str, times: int, account: str | None, address: str | None) -> int:
    """How many of `times` guesses, on two threads, were allowed."""
    with application_context(url) as app:
        throttle = Throttle(ThrottleSettings())

        def guess(number: int) -> bool:
            with app.app_context():
                verdict = throttle.attempt(account or f"{os.getpid()}-{number}", None, address)
                if verdict.allowed:
                    throttle.failed(address)
                return verdict.allowed

        with ThreadPoolExecutor(2) as pool:
            return sum(pool.map(guess, range(times)))


def guess_everywhere(url: str, account: str | None, address: str | None) -> int:
    with processes(3) as pool:
        running = [pool.submit(guess_from_a_process, url, 12, account, address) for _ in range(3)]
        return sum(job.result(timeout=60) for job in running)


@pytest.mark.slow
def test_lg3_parallel_guesses_at_one_account(url: str, app: Flask) -> None:
    assert guess_everywhere(url, "u1", None) == 5
    assert rows() == {"account:u1": 5, "account:u1:unknown": 5}


@pytest.mark.slow
def test_lg3_parallel_guesses_from_one_address(url: str, app: Flask) -> None:
    # Three processes with two threads each have six guesses under way at most.
    looked_at = guess_everywhere(url, None, "203.0.113.9")
    assert 20 <= looked_at < 20 + 6
    with reading() as session:
        accounts = session.execute(
            select(func.count()).select_from(ThrottleRow).where(ThrottleRow.key.startswith("account:"))
        ).scalar_one()
    assert rows()["address:203.0.113.9/32"] == looked_at
    assert accounts == 2 * looked_at


def test_lg3_guesses_and_successes_never_wait_in_a_circle(app: Flask, throttle: Throttle) -> None:
    """Crossing accounts, devices and addresses on several threads: all finish, and none fails."""
    errors: list[BaseException] = []

    def mix(number: int) -> None:
        with app.app_context():
            try:
                for step in range(12):
                    account, device = f"u{(number + step) % 2}", f"d{(number * step) % 2}"
                    address = f"192.0.2.{(number + step) % 3}"
                    verdict = throttle.attempt(account, device, address)
                    throttle.failed(address)
                    throttle.withdrawn(verdict)
                    throttle.succeeded(verdict)
                    if step % 5 == 0:
                        throttle.unlock(account)
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=mix, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
