"""Hashes of other systems: read, bounded, computed as those systems did, and verified once (LG1, LG6)."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import delete, select

from idp.core.crypto import SecretRing
from idp.core.errors import Invalid
from idp.core.events import Event
from idp.identity.credentials import password_hashes
from idp.identity.credentials.legacy_hashes import LegacyHash, Recipe, derive, read_hash
from idp.identity.credentials.legacy_hashes.notations import firebase_hash
from idp.identity.credentials.legacy_hashes.recipe import from_stored
from idp.identity.credentials.passwords import Passwords, WeakPassword
from idp.storage.db import reading, transaction
from idp.storage.tables import FormerPassword, PasswordCredential, UserRow
from tests.helpers.identity import CHEAP, House
from tests.helpers.legacy_hashes import LONG, PASSWORD

VECTORS: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("legacy_hashes.json").read_text())
BCRYPT = VECTORS[PASSWORD]["bcrypt 2b"]
GOOD = "correct horse battery staple"
CUT_AT_72 = {"bcrypt 2a", "bcrypt 2b", "bcrypt 2y", "django bcrypt"}


def matches(legacy: LegacyHash, password: str) -> bool:
    return derive(legacy.recipe, password.encode()) == legacy.digest


def stored(user_id: str) -> Any:
    columns = (PasswordCredential.hash, PasswordCredential.scheme, PasswordCredential.changed_at)
    with reading() as connection:
        return connection.execute(select(*columns).where(PasswordCredential.user_id == user_id)).one()


@pytest.mark.parametrize("name", VECTORS[PASSWORD])
@pytest.mark.parametrize("password", [PASSWORD, LONG], ids=["short", "long"])
def test_what_the_software_of_others_hashed_is_verified(name: str, password: str) -> None:
    legacy = read_hash(VECTORS[password][name])
    assert matches(legacy, password)
    for wrong in (password + "x", password[1:], password.upper(), ""):
        cut = name in CUT_AT_72 and wrong[:72] == password[:72]
        assert matches(legacy, wrong) == cut


def test_firebase_hashes_as_firebase_publishes_them() -> None:
    """The example of github.com/firebase/scrypt, and the one of the Admin SDK's integration tests."""
    key = base64.b64decode("jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==")
    for password, salt, digest in (
        (
            "user1password",
            base64.b64decode("42xEC+ixf3L2lw=="),
            "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
        ),
        (
            "password",
            b"NaCl",
            "V358E8LdWJXAO7muq0CufVpEOXaj8aFiC7T/rcaGieN04q/ZPJ08WhJEHGjj9lz/2TT+/86N5VjVoc5DdBhBiw==",
        ),
    ):
        legacy = firebase_hash(key, b"\x07", 8, 14, salt=salt, digest=base64.b64decode(digest))
        assert matches(legacy, password)
        assert not matches(legacy, password + "x")
        # The project's signer key is used up: nothing that is stored contains it.
        assert key not in legacy.recipe.salt + legacy.digest
    with pytest.raises(Invalid):
        firebase_hash(key[:-1], b"\x07", 8, 14, salt=b"NaCl", digest=base64.b64decode(digest))


def test_loose_bits_of_an_old_bcrypt_salt_are_nobodys_business() -> None:
    """Old systems wrote salts whose last character has more bits than are read; the library refuses those."""
    strict = "$2b$05$" + "a" * 21 + "u"
    digest = derive(Recipe("bcrypt", b"a" * 21 + b"u", 31, {"rounds": 5}), b"secret").decode()
    assert matches(read_hash(strict + digest), "secret")
    assert matches(read_hash(strict[:-1] + "z" + digest), "secret")


UNAFFORDABLE = [
    "$2b$31$" + "a" * 53,
    "$2b$15$" + "a" * 53,
    "$2b$03$" + "a" * 53,
    "pbkdf2_sha256$999999999$salt$" + "A" * 43 + "=",
    "pbkdf2_sha256$0$salt$" + "A" * 43 + "=",
    "pbkdf2:sha1:4000000$salt$" + "ab" * 128,  # seven blocks of iterations each
    "scrypt$1073741824$salt$8$1$" + "A" * 43 + "=",
    "scrypt$1048576$salt$8$1$" + "A" * 43 + "=",
    "scrypt$16383$salt$8$1$" + "A" * 43 + "=",
    "scrypt$2$salt$999999999$1$" + "A" * 43 + "=",
    "scrypt$1024$salt$8$999999999$" + "A" * 43 + "=",
    "scrypt:32768:8:0$salt$" + "ab" * 32,
    "$scrypt$ln=40,r=8,p=1$c2FsdA$" + "A" * 43,
    "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$" + "A" * 43,
    "$argon2id$v=19$m=262144,t=999999,p=1$c2FsdHNhbHQ$" + "A" * 43,
    "$argon2id$v=19$m=65536,t=2,p=64$c2FsdHNhbHQ$" + "A" * 43,
    "$argon2id$v=18$m=64,t=2,p=1$c2FsdHNhbHQ$" + "A" * 43,
    "$argon2id$v=19$m=64,t=2,p=1$c2Fs$" + "A" * 43,
    "pbkdf2_sha256$1000$" + "s" * 2000 + "$" + "A" * 43 + "=",
    "pbkdf2_sha256$1000$salt$QUJD",  # a digest of three bytes would be soon matched by chance
]


@pytest.mark.parametrize("text", UNAFFORDABLE)
def test_lg6_a_hash_that_costs_too_much_is_refused_unread(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(Invalid) as caught:
        read_hash(text)
    assert time.perf_counter() - started < 0.05
    assert "AAAA" not in str(caught.value)


def test_lg6_costs_are_bounded_also_behind_the_import(house: House) -> None:
    """Whoever can write to the database cannot make a sign-in compute for an hour."""
    greedy = Recipe("scrypt", b"salt", 32, {"n": 2**30, "r": 8, "p": 1})
    with pytest.raises(Invalid):
        derive(greedy, b"x")
    user = house.person()
    house.passwords.adopt(user.id, LegacyHash(greedy, b"d" * 32))
    started = time.perf_counter()
    assert not house.passwords.verify(user.id, GOOD)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    "text",
    [
        "md5$salt$4fb692cb4a597376e54a17bc51ea2891",
        "sha1$a$b",
        "{SSHA}abc",
        "$1$abc$def",
        "$6$abc$def",
        "unsalted_md5$$x",
    ],
)
def test_fast_hashes_are_not_taken_over(text: str) -> None:
    with pytest.raises(Invalid, match="too fast"):
        read_hash(text)


@given(
    st.one_of(
        st.text(max_size=200),
        st.builds(
            lambda name, position, junk: VECTORS[PASSWORD][name][:position] + junk + VECTORS[PASSWORD][name][position:],
            st.sampled_from(sorted(VECTORS[PASSWORD])),
            st.integers(0, 80),
            st.text(alphabet=st.characters(codec=None), max_size=5),
        ),
    )
)
@example("$2b$")
@example("$argon2id$")
@example("x" * 1_000_000)
@example("$pbkdf2-sha256$1$$" + "A" * 43)
def test_any_text_is_a_hash_or_invalid(text: str) -> None:
    try:
        legacy = read_hash(text)
    except Invalid:
        return
    assert from_stored(legacy.recipe.stored(b"m" * 32)) == (legacy.recipe, b"m" * 32)


@given(st.text(max_size=300))
def test_any_stored_text_is_a_recipe_or_invalid(text: str) -> None:
    with pytest.raises(Invalid):
        from_stored("$legacy$" + text)


# ---- what becomes of them --------------------------------------------------------------------------------


def test_an_adopted_hash_is_verified_once_and_replaced_by_argon2id(house: House) -> None:
    user = house.person()
    legacy = read_hash(BCRYPT)
    assert house.passwords.adopt(user.id, legacy)
    assert not house.passwords.has_own_password(user.id)
    before = stored(user.id)
    assert (before.scheme, before.hash.split("$")[2]) == ("bcrypt", "bcrypt")
    for wrong in ("", GOOD, PASSWORD + "x"):
        assert not house.passwords.verify(user.id, wrong)
    assert stored(user.id) == before
    version = house.passwords.verify(user.id, PASSWORD)
    after = stored(user.id)
    assert after.hash.startswith("$argon2id$")
    assert after.scheme is None
    assert house.passwords.verify(user.id, PASSWORD) == version
    assert stored(user.id) == after
    assert not house.passwords.verify(user.id, PASSWORD + "x")
    (adopted,), (rehashed,) = house.events(Event.PASSWORD_SET), house.events(Event.PASSWORD_REHASHED)
    assert (adopted.details["scheme"], rehashed.details["scheme"]) == ("bcrypt", "bcrypt")


def test_the_database_alone_has_nothing_to_try_passwords_on(house: House) -> None:
    """Neither the digest nor anything computed from it without our secret is stored."""
    user = house.person()
    legacy = read_hash(BCRYPT)
    house.passwords.adopt(user.id, legacy)
    text = stored(user.id).hash
    for digest in (legacy.digest.decode(), base64.b64encode(legacy.digest).decode(), legacy.digest.hex()):
        assert digest not in text
    thief = Passwords(CHEAP, SecretRing(["somebody else's secret key, forty characters!"]), house.audit)
    assert not thief.verify(user.id, PASSWORD)
    assert legacy.digest.decode() not in repr(legacy)


def test_the_secret_key_can_be_changed_before_they_come(house: House) -> None:
    user = house.person()
    house.passwords.adopt(user.id, read_hash(BCRYPT))
    ring = SecretRing(["the second secret key, forty characters!", "the first secret key, forty characters!!"])
    assert Passwords(CHEAP, ring, house.audit).verify(user.id, PASSWORD)


def test_a_password_of_ours_is_never_replaced_by_an_old_one(house: House) -> None:
    user = house.person()
    house.passwords.set(user.id, GOOD)
    assert not house.passwords.adopt(user.id, read_hash(BCRYPT))
    assert house.passwords.verify(user.id, GOOD)
    assert not house.passwords.verify(user.id, PASSWORD)


def test_adopting_again_changes_only_what_differs(house: House) -> None:
    user = house.person()
    assert house.passwords.adopt(user.id, read_hash(BCRYPT))
    before = stored(user.id)
    assert not house.passwords.adopt(user.id, read_hash(BCRYPT))
    assert stored(user.id) == before
    assert house.passwords.adopt(user.id, read_hash(VECTORS[PASSWORD]["argon2 ID"]))
    assert house.passwords.verify(user.id, PASSWORD)


def test_lg6_bcrypt_cuts_once_and_never_again(house: House) -> None:
    """The old system looked at 72 bytes; after the first sign-in the whole password counts."""
    user = house.person()
    house.passwords.adopt(user.id, read_hash(VECTORS[LONG]["bcrypt 2b"]))
    assert len(LONG) > 72
    assert house.passwords.verify(user.id, LONG)
    assert house.passwords.verify(user.id, LONG)
    assert not house.passwords.verify(user.id, LONG[:72])
    assert not house.passwords.verify(user.id, LONG[:72] + "something else")


def test_lg6_an_old_password_counts_as_it_was_typed_then(house: House) -> None:
    """Other systems did not normalize: both the composed and the decomposed spelling get in."""
    composed, decomposed = "déjà vu à la crème", "de\u0301ja\u0300 vu a\u0300 la cre\u0300me"
    for number, hashed in enumerate((composed, decomposed)):
        recipe = Recipe("pbkdf2-sha256", b"salt", 32, {"iterations": 10})
        legacy = LegacyHash(recipe, derive(recipe, hashed.encode()))
        user = house.person(f"typed-{number}@example.com")
        house.passwords.adopt(user.id, legacy)
        if hashed == composed:
            assert house.passwords.verify(user.id, decomposed)
        else:
            assert not house.passwords.verify(user.id, composed)
        assert house.passwords.verify(user.id, hashed)
        assert house.passwords.verify(user.id, composed)
        assert house.passwords.verify(user.id, decomposed)


@pytest.mark.parametrize("monster", ["x" * 1_000_000, "NUL \0 inside", "\ud800", PASSWORD + "\0"])
def test_lg6_odd_passwords_meet_an_old_hash(house: House, monster: str) -> None:
    user = house.person()
    house.passwords.adopt(user.id, read_hash(BCRYPT))
    started = time.perf_counter()
    assert not house.passwords.verify(user.id, monster)
    assert time.perf_counter() - started < 1
    assert house.passwords.verify(user.id, PASSWORD)


def test_lg1_every_refusal_costs_the_same_while_there_are_old_hashes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, bare, old = (house.person(f"{name}@example.com") for name in ("own", "bare", "old"))
    house.passwords.set(own.id, GOOD)
    house.passwords.adopt(old.id, read_hash(BCRYPT))
    work: list[str] = []
    real_own, real_legacy = password_hashes.PasswordHashes._matches_own, password_hashes.derive

    def count_own(self: Any, encoded: str, *more: Any) -> bool:
        work.append("argon2id " + encoded.split("$")[3])
        return real_own(self, encoded, *more)

    def count_legacy(recipe: Recipe, password: bytes) -> bytes:
        work.append(f"{recipe.scheme} {dict(recipe.costs)}")
        return real_legacy(recipe, password)

    monkeypatch.setattr(password_hashes.PasswordHashes, "_matches_own", count_own)
    monkeypatch.setattr(password_hashes, "derive", count_legacy)
    for somebody in (own.id, bare.id, old.id, "unknown", None):
        for wrong in ("wrong", "x" * 5000):
            work.clear()
            assert not house.passwords.verify(somebody, wrong)
            assert sorted(work) == ["argon2id m=64,t=1,p=1", "bcrypt {'rounds': 5}"], somebody
        # Decomposed, it is tried in two spellings: for everybody, or the clock would tell whose hash is old.
        work.clear()
        assert not house.passwords.verify(somebody, "wro\u0301ng")
        assert sorted(work) == ["argon2id m=64,t=1,p=1", "bcrypt {'rounds': 5}", "bcrypt {'rounds': 5}"], somebody
    # With the last of them gone, the additional work goes too.
    assert house.passwords.verify(old.id, PASSWORD)
    house.passwords._sample.forget()
    work.clear()
    assert not house.passwords.verify(None, "wrong")
    assert work == ["argon2id m=64,t=1,p=1"]


def test_a_new_password_ends_an_old_hash(house: House) -> None:
    user = house.person()
    house.passwords.adopt(user.id, read_hash(BCRYPT))
    house.passwords.set(user.id, GOOD)
    assert stored(user.id).scheme is None
    assert not house.passwords.verify(user.id, PASSWORD)


def test_parallel_first_sign_ins_all_succeed(house: House) -> None:
    user = house.person()
    house.passwords.adopt(user.id, read_hash(BCRYPT))
    assert all(house.at_once(4, lambda _: house.passwords.verify(user.id, PASSWORD)))
    assert len(house.events(Event.PASSWORD_REHASHED)) == 1


# ---- former passwords ------------------------------------------------------------------------------------


def test_the_last_passwords_are_not_chosen_again(house: House) -> None:
    user = house.person()
    strict = Passwords(CHEAP.model_copy(update={"history": 3}), house.secrets, house.audit)
    chosen = [f"{GOOD} number {number}" for number in range(5)]
    for password in chosen:
        strict.set(user.id, password)
        for former in chosen[max(0, chosen.index(password) - 2) : chosen.index(password) + 1]:
            with pytest.raises(WeakPassword) as caught:
                strict.set(user.id, former)
            assert [found.code for found in caught.value.violations] == ["reused"]
    strict.set(user.id, chosen[0])  # four passwords ago
    # Nobody else is told that somebody has it.
    strict.set(house.person("other@example.com").id, chosen[0])


def test_former_passwords_are_pruned_and_go_with_the_user(house: House) -> None:
    user = house.person()
    strict = Passwords(CHEAP.model_copy(update={"history": 3}), house.secrets, house.audit)
    for number in range(6):
        strict.set(user.id, f"{GOOD} number {number}")
    assert house.count(FormerPassword) == 2
    house.passwords.set(user.id, GOOD)  # by now the settings ask for none
    assert house.count(FormerPassword) == 0
    strict.set(user.id, f"{GOOD} once more")
    assert house.count(FormerPassword) == 1
    with transaction() as connection:
        connection.execute(delete(UserRow).where(UserRow.id == user.id))
    assert house.count(FormerPassword) == 0


def test_an_old_hash_is_remembered_too(house: House) -> None:
    user = house.person()
    recipe = Recipe("pbkdf2-sha256", b"salt", 32, {"iterations": 10})
    house.passwords.adopt(user.id, LegacyHash(recipe, derive(recipe, GOOD.encode())))
    strict = Passwords(CHEAP.model_copy(update={"history": 2}), house.secrets, house.audit)
    with pytest.raises(WeakPassword):
        strict.set(user.id, GOOD)
    strict.set(user.id, f"{GOOD} and more")
    with pytest.raises(WeakPassword):
        strict.set(user.id, GOOD)
