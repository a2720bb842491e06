"""The password policy: long, not guessed first, and nothing crashes it (LG6)."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.core.errors import Invalid
from idp.core.setting_sections import PasswordSettings
from idp.identity.credentials.password_policy import check, common_passwords, normalize

DEFAULTS = PasswordSettings()
FLOOR = PasswordSettings(minimum_length=8)


def codes(password: str, settings: PasswordSettings = DEFAULTS, *context: str) -> list[str]:
    return [violation.code for violation in check(password, settings, context)]


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "a quiet river bends twice",
        "kq7-zub-99w-mop-x",
        "тихо шумит зелёный лес",
        "夏の夜の静かな波の音を聴く人々",
        "🐎🔋📎✂️🦄🌵🎲🎻🥐🛶🧭🪁🪵🧦🪗",
        "no rules about digits or capitals",
        "spaces at both ends are kept  ",
    ],
)
def test_a_long_password_is_fine(password: str) -> None:
    assert check(password, DEFAULTS) == []


def test_lengths_are_in_code_points_and_inclusive() -> None:
    base = "zu vögeln gehören Flügel"
    assert codes(base[:14]) == ["too_short"]
    assert codes(base[:15]) == []
    violation = check(base[:14], DEFAULTS)[0]
    assert violation.params == {"minimum": 15}
    # 15 emoji are 60 bytes; 15 characters all the same
    assert "too_short" not in codes("🦄🌵🎲🎻🥐🛶🧭🪁🪵🧦🪗🐎🔋📎🐢")
    long = ("the owl and the pussycat went to sea in a beautiful pea green boat " * 5)[:256]
    assert codes(long) == []
    assert check(long + "!", DEFAULTS)[0].params == {"maximum": 256}


def test_composed_and_decomposed_are_one_password() -> None:
    composed, decomposed = "déjà vu à la crème", unicodedata.normalize("NFD", "déjà vu à la crème")
    assert composed != decomposed
    assert normalize(composed) == normalize(decomposed)
    # length counts after composing
    assert codes(unicodedata.normalize("NFD", "ééééèèèèêêêê"), FLOOR) == ["repetitive"]
    assert codes(unicodedata.normalize("NFD", "éèêëāăąȧ")[:15]) == ["too_short"]


def test_only_nfc_nothing_is_trimmed_or_folded() -> None:
    assert normalize(" Ab ﬁ ") == " Ab ﬁ "


@pytest.mark.parametrize("bad", ["has a NUL \0 in the middle", "\ud800 is half a character", "tail \udfff"])
def test_lg6_unusable_characters(bad: str) -> None:
    assert codes(bad) == ["invalid_characters"]
    with pytest.raises(Invalid):
        normalize(bad)


def test_lg6_a_megabyte_is_refused_at_once() -> None:
    for monster in ("x" * 1_000_000, "a" + "\u0316\u0301" * 500_000):
        started = time.perf_counter()
        assert codes(monster) == ["too_long"]
        with pytest.raises(Invalid):
            normalize(monster)
        assert time.perf_counter() - started < 0.05


@pytest.mark.parametrize(
    "password",
    [
        "password", "PASSWORD", "Password1", "password2024", "P@ssw0rd", "p@$$w0rd2024!!", "!!password!!",
        "iloveyou", "qwertyuiop", "letmein123", "administrator2025", "iloveyouforever", "thisismypassword",
        "passwordpassword", "correcthorsebatterystaple", "1qaz2wsx3edc4rfv", "Summer2025!", "dragonmaster",
        "ｐａｓｓｗｏｒｄ",
    ],
)  # fmt: skip
def test_common_passwords_also_in_disguise(password: str) -> None:
    assert "common" in codes(password, FLOOR)


@pytest.mark.parametrize(
    "password", ["xkxkxkxkxkxkxkxkxkxk", "hug hug hug hug hug hug", "zzzzzzzzzzzzzzzzzzzz", "abababab"]
)
def test_repetition(password: str) -> None:
    assert set(codes(password, FLOOR)) & {"repetitive", "common"}


@pytest.mark.parametrize(
    "password",
    ["efghijklmnopqrstu", "98765432109876543", "lkjhgfdsapoiuytrewq", "56789qwertzuiop", "2wsx3edc4rfv5tgb"],
)
def test_sequences(password: str) -> None:
    assert set(codes(password, FLOOR)) & {"sequence", "common"}


def test_context_words() -> None:
    context = ("alice.liddell@example.com", "Alice Liddell", "Meridian")
    assert "context" in codes("alice.liddell@example.com", DEFAULTS, *context)
    assert "context" in codes("AliceLiddell2024", DEFAULTS, *context)
    assert "context" in codes("Alice-Liddell!!!", DEFAULTS, *context)
    assert "context" in codes("meridian--------meridian", DEFAULTS, *context)
    assert codes("alice saw a white rabbit", DEFAULTS, *context) == []
    assert codes("anything at all goes", DEFAULTS, "", "a", "of", "\ud800") == []


def test_the_blocklist_is_what_the_policy_needs() -> None:
    words = common_passwords()
    assert len(words) > 5000
    assert all(len(word) >= 8 and word == word.casefold() for word in words)
    assert "correct horse battery staple" not in words


@given(st.text(alphabet=st.characters(), max_size=300), st.lists(st.text(max_size=10), max_size=3))
def test_never_crashes(password: str, context: list[str]) -> None:
    for violation in check(password, FLOOR, context):
        assert violation.code


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300))
def test_normalize_is_idempotent(password: str) -> None:
    assert normalize(normalize(password)) == normalize(password)
