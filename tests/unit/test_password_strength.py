"""Advice on passwords: every code has a sentence in every language, and nothing that is typed breaks it."""

import time
from collections.abc import Iterator

import pytest
import zxcvbn_rs_py
from flask import Flask
from flask_babel import Babel, force_locale
from hypothesis import given
from hypothesis import strategies as st

from idp.core.resources import translations_dir
from idp.core.setting_sections import PasswordSettings
from idp.identity.credentials import password_policy, password_strength
from idp.identity.credentials.password_policy import Violation, check
from idp.identity.credentials.password_strength import SUGGESTIONS, WARNINGS, feedback
from idp.web import texts

PARAMS: dict[str, dict[str, int | str]] = {
    "too_short": {"minimum": 15},
    "too_long": {"maximum": 256},
    "context": {"word": "100%sure"},
}


@pytest.fixture(params=["en", "de"])
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    """Texts are asked for in one language after the other."""
    app = Flask("texts")
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(translations_dir())
    Babel(app)
    with app.test_request_context(), force_locale(request.param):
        yield request.param


def test_the_library_finds_nothing_that_has_no_code() -> None:
    for kind, known in (
        (zxcvbn_rs_py.Warning, password_strength._WARNINGS),
        (zxcvbn_rs_py.Suggestion, password_strength._SUGGESTIONS),
    ):
        assert {name for name in dir(kind) if name[0].isupper()} == set(known)


def test_every_code_has_a_sentence(language: str) -> None:
    problems = [texts.password_problem(Violation(code, PARAMS.get(code, {}))) for code in password_policy._MEANINGS]
    sentences = [
        *problems,
        *(texts.password_warning(warning) for warning in WARNINGS),
        *(texts.password_suggestion(suggestion) for suggestion in SUGGESTIONS),
    ]
    assert len(set(sentences)) == len(sentences)
    assert not any("%" in sentence for sentence in sentences)
    assert ("Password must be 15 characters or more" in problems) == (language == "en")
    assert ("Das Passwort muss mindestens 15 Zeichen haben" in problems) == (language == "de")


def test_advice_says_what_is_weak() -> None:
    assert feedback("qwertyuiop").warning == "common"
    assert feedback("aaaaaaaaaaaaaaaa").warning == "repeated_character"
    assert feedback("abcabcabcabc").warning == "repeated_unit"
    weak = feedback("p@ssword")
    assert weak.score < 2
    assert "substitutions_help_little" in weak.suggestions
    strong = feedback("correct horse battery staple")
    assert (strong.score, strong.warning, strong.suggestions) == (4, None, ())


def test_what_an_attacker_knows_of_the_person_makes_a_password_weaker() -> None:
    password = "zwiebelkuchen-montgomery"
    known = feedback(password, ["zwiebelkuchen.montgomery@example.com"])
    assert known.score < feedback(password).score


def test_a_minimum_score_refuses_what_is_long_and_easy() -> None:
    easy = "monkey monkey dragon"
    assert feedback(easy).score < 4
    assert check(easy, PasswordSettings()) == []
    assert [found.code for found in check(easy, PasswordSettings(minimum_score=4))] == ["guessable"]
    assert check("correct horse battery staple", PasswordSettings(minimum_score=4)) == []


def test_twelve_characters_do_with_a_second_factor() -> None:
    twelve = "kq7-zub-99wm"
    assert [found.params for found in check(twelve, PasswordSettings())] == [{"minimum": 15}]
    assert check(twelve, PasswordSettings(), with_mfa=True) == []
    assert [found.params for found in check(twelve[:11], PasswordSettings(), with_mfa=True)] == [{"minimum": 12}]
    # Never more than alone, whatever the settings say.
    assert check(twelve[:10], PasswordSettings(minimum_length=10), with_mfa=True) == []


def test_lg6_a_megabyte_costs_nothing() -> None:
    for monster in ("x" * 1_000_000, "🦄" * 300_000, "a" + "\u0316\u0301" * 500_000):
        started = time.perf_counter()
        assert feedback(monster, [monster] * 100).score == 0
        assert time.perf_counter() - started < 0.1


def test_lg6_no_text_takes_seconds() -> None:
    """Stand-ins for letters have the library try every combination of them, and it lets no other thread run."""
    letters = "4@8({[<3691!|0$57+%2"
    for step in range(1, len(letters), 2):
        hostile = "".join(letters[number * step % len(letters)] + letters[number % 20] for number in range(128))
        started = time.process_time()
        feedback(hostile)
        assert time.process_time() - started < 0.5


def test_a_long_password_is_as_strong_as_its_stronger_end() -> None:
    strong = "correct horse battery staple"
    assert feedback("a" * 64).score < 2
    assert feedback("a" * 40 + strong).score == 4
    assert feedback(strong + "a" * 40).score == 4


@given(st.text(max_size=300), st.lists(st.text(max_size=80), max_size=3))
def test_any_text_gets_an_answer(password: str, words: list[str]) -> None:
    found = feedback(password, words)
    assert 0 <= found.score <= password_strength.STRONGEST
    assert found.warning is None or found.warning in WARNINGS
    assert set(found.suggestions) <= set(SUGGESTIONS)


@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_lone_surrogates_are_no_exception(password: str) -> None:
    feedback(password, [password])
