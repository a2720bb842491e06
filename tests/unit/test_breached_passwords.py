"""Passwords from data breaches: asked for without being told, and decided without the service if need be."""

import hashlib
import time
from collections.abc import Iterator

import pytest

from idp.core.errors import ConfigurationError
from idp.core.events import Event
from idp.core.fetch import Fetcher
from idp.core.setting_sections import Fetch
from idp.core.settings import load_settings
from idp.identity.credentials import breached_passwords as module
from idp.identity.credentials.breached_passwords import BreachedPasswords
from idp.identity.credentials.passwords import Passwords, WeakPassword
from idp.storage.db import reading, transaction
from tests.helpers.command_line import Ask, Run, ask, environment, failure, run
from tests.helpers.identity import CHEAP, House
from tests.helpers.range_server import MOODS, RangeService, range_service

__all__ = ["ask", "environment", "run"]

LEAKED = "the quick brown fox jumps over"
UNKNOWN = "a quiet river bends twice"


@pytest.fixture
def service() -> Iterator[RangeService]:
    """A service that knows one password."""
    with range_service() as service:
        service.knows(LEAKED)
        yield service


def asking(service: RangeService, *, timeout: float = 1.0, loopback: bool = True) -> BreachedPasswords:
    return BreachedPasswords(Fetcher(Fetch(timeout=timeout), allow_loopback=loopback), service.url)


def test_only_five_digits_of_the_hash_leave_the_house(service: RangeService) -> None:
    assert asking(service).contains(LEAKED) is True
    digest = hashlib.sha1(LEAKED.encode()).hexdigest().upper()
    assert service.asked == [(f"/range/{digest[:5]}", "true")]


def test_unknown_and_padded_passwords_are_free(service: RangeService) -> None:
    service.knows(UNKNOWN, 0)  # as the padding is
    assert asking(service).contains(UNKNOWN) is False


@pytest.mark.parametrize("mood", [mood for mood in MOODS if mood != "well"])
def test_an_answer_that_is_none_leaves_it_to_the_bundled_list(service: RangeService, mood: str, house: House) -> None:
    service.mood = mood
    passwords = Passwords(CHEAP, house.secrets, house.audit, asking(service, timeout=0.3))
    user = house.person()
    started = time.monotonic()
    passwords.set(user.id, LEAKED)
    assert time.monotonic() - started < 2
    with pytest.raises(WeakPassword) as caught:
        passwords.set(user.id, "passwordpassword2024")
    assert [found.code for found in caught.value.violations] == ["common"]
    (event,) = house.events(Event.PASSWORD_SET)
    assert event.details["breach_check"] == "bundled"


def test_the_trail_says_who_decided(house: House, service: RangeService) -> None:
    user = house.person()
    passwords = Passwords(CHEAP, house.secrets, house.audit, asking(service))
    with pytest.raises(WeakPassword) as caught:
        passwords.set(user.id, LEAKED)
    assert [found.code for found in caught.value.violations] == ["breached"]
    assert LEAKED not in str(caught.value)
    passwords.set(user.id, UNKNOWN)
    house.passwords.set(user.id, UNKNOWN)
    assert [event.details["breach_check"] for event in house.events(Event.PASSWORD_SET)] == ["bundled", "service"]


def test_what_the_policy_refuses_is_not_asked_about(house: House, service: RangeService) -> None:
    passwords = Passwords(CHEAP, house.secrets, house.audit, asking(service))
    for password in ("short", "passwordpassword", "x" * 1_000_000):
        with pytest.raises(WeakPassword):
            passwords.prepare(password)
    assert service.asked == []


def test_nobody_is_asked_inside_a_transaction(house: House, service: RangeService) -> None:
    breached = asking(service)
    for block in (transaction, reading):
        with block(), pytest.raises(RuntimeError):
            breached.contains(LEAKED)
    assert service.asked == []


def test_an_answer_is_believed_for_a_while(service: RangeService, monkeypatch: pytest.MonkeyPatch) -> None:
    breached = asking(service)
    for _ in range(3):
        assert breached.contains(LEAKED) is True
    assert len(service.asked) == 1
    later = time.monotonic() + module.ANSWER_LIFETIME
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    monkeypatch.setattr(breached._fetcher, "get_text", lambda *_: "")
    assert breached.contains(LEAKED) is False


def test_few_answers_are_kept(service: RangeService) -> None:
    breached = asking(service)
    for number in range(module._MOST_ANSWERS + 5):
        breached.contains(f"password number {number}")
    assert len(breached._answers) <= module._MOST_ANSWERS


def test_a_dead_service_costs_nothing_after_two_tries(service: RangeService) -> None:
    service.mood = "failing"
    breached = asking(service)
    for number in range(10):
        assert breached.contains(f"password number {number}") is None
    assert len(service.asked) == module.FAILURES_TO_STOP
    # After a rest one question is let through, to see; it fails, and the next rest begins.
    breached._rests_until = 0.0
    for number in range(5):
        assert breached.contains(f"another password {number}") is None
    assert len(service.asked) == module.FAILURES_TO_STOP + 1
    service.mood = "well"
    breached._rests_until = 0.0
    assert breached.contains(LEAKED) is True
    assert breached.contains(UNKNOWN) is False


def test_dc1_the_service_is_not_sought_inside_the_network(service: RangeService) -> None:
    """In production an address of this machine is not asked, unless the operator allows that network."""
    assert asking(service, loopback=False).contains(LEAKED) is None
    assert service.asked == []


def test_production_asks_and_development_does_not() -> None:
    secure = {
        "IDP_ENVIRONMENT": "production",
        "IDP_ISSUER": "https://id.example.com",
        "IDP_SECRET_KEY": "s" * 43,
        "IDP_KEY_ENCRYPTION_KEY": "A" * 43,
    }
    assert load_settings(secure).checks_breaches
    assert not load_settings({}).checks_breaches
    assert not load_settings({**secure, "IDP_PASSWORDS__BREACH_CHECK": "off"}).checks_breaches
    assert load_settings({"IDP_PASSWORDS__BREACH_CHECK": "on"}).checks_breaches
    for url in ("ftp://x/range", "api.pwnedpasswords.com", "https://x/range?a=b"):
        with pytest.raises(ConfigurationError, match="BREACH_CHECK_URL"):
            load_settings({"IDP_PASSWORDS__BREACH_CHECK_URL": url})


def test_the_command_line_asks_as_configured(
    run: Run, ask: Ask, service: RangeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDP_PASSWORDS__BREACH_CHECK", "on")
    monkeypatch.setenv("IDP_PASSWORDS__BREACH_CHECK_URL", service.url)
    refused = run("user", "create", "--email", "ada@example.com", "--password-stdin", stdin=LEAKED + "\n")
    assert "data breach" in failure(refused)
    ask("user", "create", "--email", "ada@example.com", "--password-stdin", stdin=UNKNOWN + "\n")
    (event,) = ask("audit", "tail", "--event", "password:set")
    assert event["details"]["breach_check"] == "service"
