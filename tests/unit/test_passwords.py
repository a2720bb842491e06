"""Passwords: Argon2id, pepper, equal cost (LG1), bounded cost, odd input (LG6)."""

import threading
import time
import unicodedata
from typing import Any

import pytest
import time_machine
from argon2 import PasswordHasher
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from idp.core.clock import now
from idp.core.crypto import SecretRing
from idp.core.errors import Invalid, NotFound, Unavailable
from idp.core.events import Event
from idp.core.setting_sections import PasswordSettings
from idp.identity.credentials import password_hashes as module
from idp.identity.credentials.password_hashes import Patience
from idp.identity.credentials.passwords import Passwords, WeakPassword
from idp.storage.db import reading, transaction
from idp.storage.tables import PasswordCredential
from tests.helpers.identity import CHEAP, SECRET, House

GOOD = "correct horse battery staple"
OTHER = "a quiet river bends twice"


def stored(user_id: str) -> Any:
    with reading() as session:
        return session.execute(
            select(PasswordCredential.hash, PasswordCredential.pepper_id, PasswordCredential.changed_at).where(
                PasswordCredential.user_id == user_id
            )
        ).one()


def test_set_and_verify(house: House) -> None:
    user = house.person()
    assert not house.passwords.has_password(user.id)
    assert not house.passwords.verify(user.id, GOOD)
    house.passwords.set(user.id, GOOD)
    assert house.passwords.has_password(user.id)
    assert house.passwords.verify(user.id, GOOD)
    for wrong in (GOOD + " ", GOOD.upper(), GOOD[:-1], "", OTHER):
        assert not house.passwords.verify(user.id, wrong)
    house.passwords.set(user.id, OTHER)
    assert house.passwords.verify(user.id, OTHER)
    assert not house.passwords.verify(user.id, GOOD)
    assert [event.details["replaced"] for event in house.events(Event.PASSWORD_SET)] == [True, False]


def test_the_hash_is_argon2id_salted_and_peppered(house: House) -> None:
    alice, bob = house.person(), house.person("bob@example.com")
    house.passwords.set(alice.id, GOOD)
    house.passwords.set(bob.id, GOOD)
    first, second = stored(alice.id), stored(bob.id)
    assert first.hash.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert first.hash != second.hash
    assert first.pepper_id == house.secrets.current("password-pepper").id
    # without the pepper even the right password does not match
    with pytest.raises(Exception, match="match"):
        PasswordHasher().verify(first.hash, GOOD)


def test_default_cost_is_the_recommended_one() -> None:
    made = Passwords(PasswordSettings(), SecretRing([SECRET]), None)._hashes._dummy  # type: ignore[arg-type]
    assert made.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


ODD = (
    "x" * 1_000_000,
    "🦄" * 300_000,
    "a" + "\u0316\u0301" * 500_000,
    "has a NUL \0 in the middle",
    GOOD + "\0",
    "\ud800 lone surrogate half",
    "",
)


def test_lg6_odd_passwords_are_refused_or_wrong(house: House) -> None:
    user = house.person()
    house.passwords.set(user.id, GOOD)
    for password in ODD:
        started = time.perf_counter()
        assert not house.passwords.verify(user.id, password)
        assert not house.passwords.verify(None, password)
        with pytest.raises(WeakPassword) as caught:
            house.passwords.set(user.id, password)
        assert time.perf_counter() - started < 1
        assert caught.value.violations
        assert password[:100] not in str(caught.value) or not password
    assert house.passwords.verify(user.id, GOOD)


def test_lg6_nothing_is_truncated(house: House) -> None:
    user = house.person()
    long = "the owl and the pussycat went to sea " * 6
    house.passwords.set(user.id, long)
    assert house.passwords.verify(user.id, long)
    assert not house.passwords.verify(user.id, long[:-1])
    assert not house.passwords.verify(user.id, long[:72])


def test_lg6_emoji_and_unicode_forms(house: House) -> None:
    user = house.person()
    password = "🐎🔋 déjà vu à la crème 夏の夜"
    house.passwords.set(user.id, unicodedata.normalize("NFD", password))
    assert house.passwords.verify(user.id, unicodedata.normalize("NFC", password))


def test_a_password_from_before_a_lower_limit_still_works(house: House) -> None:
    user = house.person()
    long = "the owl and the pussycat went to sea " * 6
    house.passwords.set(user.id, long)
    stricter = Passwords(CHEAP.model_copy(update={"maximum_length": 64}), house.secrets, house.audit)
    assert stricter.verify(user.id, long)


def test_policy_is_enforced_with_context(house: House) -> None:
    user = house.person()
    with pytest.raises(WeakPassword) as caught:
        house.passwords.set(user.id, "AliceLiddell2024", ["Alice Liddell"])
    assert [violation.code for violation in caught.value.violations] == ["context"]
    assert isinstance(caught.value, Invalid)
    assert caught.value.field == "password"
    assert not house.passwords.has_password(user.id)
    with pytest.raises(NotFound):
        house.passwords.set("nobody", GOOD)


class _Counting:
    """Counts how often Argon2 runs."""

    def __init__(self, passwords: Passwords) -> None:
        self.hasher = passwords._hashes._hasher
        self.calls: list[str] = []
        self.running = self.most = 0
        self.lock = threading.Lock()
        self.slow = 0.0

    def verify(self, encoded: str, secret: bytes) -> bool:
        with self.lock:
            self.calls.append("verify " + encoded.split("$")[3])
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            time.sleep(self.slow)
            return bool(self.hasher.verify(encoded, secret))
        finally:
            with self.lock:
                self.running -= 1

    def hash(self, secret: bytes) -> str:
        self.calls.append("hash")
        return str(self.hasher.hash(secret))

    def check_needs_rehash(self, encoded: str) -> bool:
        return bool(self.hasher.check_needs_rehash(encoded))


def test_lg1_unknown_users_cost_one_verification_of_the_same_parameters(house: House) -> None:
    user, bare = house.person(), house.person("bare@example.com")
    house.passwords.set(user.id, GOOD)
    counting = _Counting(house.passwords)
    house.passwords._hashes._hasher = counting  # type: ignore[assignment]
    for someone in (user.id, bare.id, "unknown", None):
        assert not house.passwords.verify(someone, OTHER)
    assert counting.calls == ["verify m=64,t=1,p=1"] * 4


def test_the_dummy_matches_nothing(house: House) -> None:
    for guess in ("", GOOD, house.passwords._hashes._dummy):
        assert not house.passwords.verify(None, guess)


def test_hash_parameters_are_renewed_after_success_only(house: House) -> None:
    user = house.person()
    house.passwords.set(user.id, GOOD)
    before = stored(user.id)
    dearer = Passwords(
        CHEAP.model_copy(update={"argon2_memory_kib": 128, "argon2_iterations": 2}),
        house.secrets,
        house.audit,
    )
    assert not dearer.verify(user.id, OTHER)
    assert stored(user.id) == before
    assert dearer.verify(user.id, GOOD)
    after = stored(user.id)
    assert "$m=128,t=2,p=1$" in after.hash
    assert after.changed_at == before.changed_at
    assert dearer.verify(user.id, GOOD)
    assert stored(user.id) == after
    (event,) = house.events(Event.PASSWORD_REHASHED)
    assert (event.user_id, event.actor) == (user.id, "system")


def test_the_pepper_follows_the_secret_key(house: House) -> None:
    user = house.person()
    house.passwords.set(user.id, GOOD)
    fresh = "the second secret key, forty characters!"
    rotated = Passwords(CHEAP, SecretRing([fresh, SECRET]), house.audit)
    assert rotated.verify(user.id, GOOD)
    assert stored(user.id).pepper_id == SecretRing([fresh]).current("password-pepper").id
    alone = Passwords(CHEAP, SecretRing([fresh]), house.audit)
    assert alone.verify(user.id, GOOD)


def test_a_lost_pepper_is_false_and_loud(house: House, caplog: pytest.LogCaptureFixture) -> None:
    user = house.person()
    house.passwords.set(user.id, GOOD)
    stranger = Passwords(CHEAP, SecretRing(["an entirely different secret key, forty!"]), house.audit)
    assert not stranger.verify(user.id, GOOD)
    assert "IDP_PREVIOUS_SECRET_KEYS" in caplog.text
    assert GOOD not in caplog.text


def test_a_damaged_hash_is_false(house: House) -> None:
    user = house.person()
    house.passwords.set(user.id, GOOD)
    for damaged in ("", "x", "$argon2id$v=19$m=64,t=1,p=1$AAAA$", "$2b$12$abcdefghijklmnopqrstuv"):
        with transaction() as session:
            session.execute(update(PasswordCredential).values(hash=damaged))
        assert not house.passwords.verify(user.id, GOOD)


def test_renewal_does_not_overwrite_a_newer_password(house: House) -> None:
    user = house.person()
    house.passwords.set(user.id, GOOD)
    outdated = house.passwords._load(user.id)
    assert outdated is not None
    house.passwords.set(user.id, OTHER)
    house.passwords._renew(user.id, outdated, GOOD, Patience())
    assert house.passwords.verify(user.id, OTHER)
    assert not house.passwords.verify(user.id, GOOD)
    assert house.events(Event.PASSWORD_REHASHED) == []


def test_a_version_names_one_password(house: House) -> None:
    """Renewing the hash keeps it, every change makes another, even if the clock stands still."""
    user = house.person()
    with time_machine.travel(now(), tick=False):
        versions = []
        for password in (GOOD, OTHER, GOOD):
            house.passwords.set(user.id, password)
            versions.append(house.passwords.verify(user.id, password))
    assert all(versions)
    assert len(set(versions)) == 3
    dearer = Passwords(CHEAP.model_copy(update={"argon2_iterations": 2}), house.secrets, house.audit)
    assert dearer.verify(user.id, GOOD) == versions[-1]
    assert "t=2" in stored(user.id).hash
    assert dearer.verify(user.id, GOOD) == versions[-1]


def test_never_hashed_inside_a_transaction(house: House) -> None:
    user = house.person()
    house.passwords.set(user.id, GOOD)
    prepared = house.passwords.prepare(OTHER)
    with transaction(), pytest.raises(RuntimeError):
        house.passwords.prepare(OTHER)
    with transaction():
        house.passwords.store(user.id, prepared)
        with pytest.raises(RuntimeError):
            house.passwords.prepare(OTHER)
        with pytest.raises(RuntimeError):
            house.passwords.verify(user.id, OTHER)
    assert house.passwords.verify(user.id, OTHER)


def test_concurrency_is_bounded(house: House) -> None:
    user = house.person()
    bounded = Passwords(CHEAP.model_copy(update={"argon2_concurrency": 2}), house.secrets, house.audit)
    bounded.set(user.id, GOOD)
    counting = _Counting(bounded)
    counting.slow = 0.02
    bounded._hashes._hasher = counting  # type: ignore[assignment]
    assert all(house.at_once(6, lambda _: bounded.verify(user.id, GOOD)))
    assert counting.most <= 2


def test_overload_is_unavailable_not_a_hang(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    user = house.person()
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.01)
    crowded = Passwords(CHEAP.model_copy(update={"argon2_concurrency": 1}), house.secrets, house.audit)
    crowded.set(user.id, GOOD)
    crowded._hashes._turns.acquire()
    with pytest.raises(Unavailable):
        crowded.verify(user.id, GOOD)
    crowded._hashes._turns.release()
    assert crowded.verify(user.id, GOOD)


def test_several_turns_do_not_add_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal hashes twice, a password with a history many times: all of it has one limit."""
    monkeypatch.setattr(module, "LONGEST_WORK", 0.3)
    strict = CHEAP.model_copy(update={"argon2_concurrency": 1, "history": 10})
    crowded = Passwords(strict, house.secrets, house.audit)
    user = house.person()
    counting = _Counting(crowded)
    for number in range(6):
        crowded.set(user.id, f"{GOOD} {number}")
    crowded._hashes._hasher = counting  # type: ignore[assignment]
    counting.slow = 0.2
    crowded._hashes._turns.acquire()
    threading.Timer(0.2, crowded._hashes._turns.release).start()
    started = time.monotonic()
    with pytest.raises(Unavailable):
        house.at_once(3, lambda _: crowded.prepare(OTHER, user_id=user.id))
    assert time.monotonic() - started < 3


def test_first_passwords_in_parallel(house: House) -> None:
    user = house.person()
    house.at_once(4, lambda number: house.passwords.set(user.id, f"{GOOD} {number}"))
    assert sum(house.passwords.verify(user.id, f"{GOOD} {number}") is not None for number in range(4)) == 1
    assert house.count(PasswordCredential) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1, max_size=120))
@example("🦄🌵🎲🎻🥐🛶🧭🪁")
@example("e\u0301 e\u0301 o\u0308 a\u030a zwei Wege")
@example("\u202e von rechts nach links \u2066")
@example("\U0010ffff\ufffe\u200b kein Zeichen ist keines")
@example("ﬁve lıgatures ßß ǅ ͅ")
def test_lg6_any_password_that_is_accepted_opens_in_any_spelling(house: House, password: str) -> None:
    lax = Passwords(CHEAP.model_copy(update={"minimum_length": 8}), house.secrets, house.audit)
    user = house.users.find_by_email("alice@example.com") or house.person()
    try:
        prepared = lax.prepare(password)
    except WeakPassword:
        return
    lax.store(user.id, prepared)
    for form in ("NFC", "NFD"):
        assert lax.verify(user.id, unicodedata.normalize(form, password))
    assert lax.verify(user.id, password)
    canonical = unicodedata.normalize("NFC", password)
    for wrong in (password + "x", canonical[:-1], canonical.swapcase() + "!", " " + password):
        assert (lax.verify(user.id, wrong) is not None) == (unicodedata.normalize("NFC", wrong) == canonical)


def test_ky1_no_password_in_the_trail_or_in_reprs(house: House) -> None:
    user = house.person()
    house.passwords.set(user.id, GOOD)
    house.passwords.verify(user.id, GOOD)
    assert GOOD not in str(house.audit.tail(100))
    assert GOOD not in repr(house.passwords.prepare(GOOD))
