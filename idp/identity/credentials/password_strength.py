"""How hard a password is to guess, and what would make it harder: advice for the person who chooses one.

zxcvbn counts the guesses that somebody needs who tries words, names, dates and patterns in the order of their
likelihood. Pure: no database, no Flask, and no sentences; `web/texts` has a sentence for each code.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Final

from zxcvbn_rs_py import zxcvbn

from idp.core.errors import Invalid
from idp.identity.credentials.password_normalization import normalize

STRONGEST: Final = 4

_LONGEST_LOOKED_AT = 32
"""Beyond this the count says nothing new, and text made of stand-ins for letters (`4@8(`) takes seconds, during which
no other thread of the process runs."""
_MOST_CONTEXT_WORDS = 32
_LONGEST_CONTEXT_WORD = 64

# By the names that the library has for them.
_WARNINGS: Mapping[str, str] = MappingProxyType({
    "StraightRowsOfKeysAreEasyToGuess": "keyboard_row",
    "ShortKeyboardPatternsAreEasyToGuess": "keyboard_pattern",
    "RepeatsLikeAaaAreEasyToGuess": "repeated_character",
    "RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess": "repeated_unit",
    "ThisIsATop10Password": "common",
    "ThisIsATop100Password": "common",
    "ThisIsACommonPassword": "common",
    "ThisIsSimilarToACommonlyUsedPassword": "like_a_common_one",
    "SequencesLikeAbcAreEasyToGuess": "sequence",
    "RecentYearsAreEasyToGuess": "recent_year",
    "AWordByItselfIsEasyToGuess": "single_word",
    "DatesAreOftenEasyToGuess": "date",
    "NamesAndSurnamesByThemselvesAreEasyToGuess": "name",
    "CommonNamesAndSurnamesAreEasyToGuess": "name",
})  # fmt: skip

_SUGGESTIONS: Mapping[str, str] = MappingProxyType({
    "UseAFewWordsAvoidCommonPhrases": "use_a_few_words",
    "NoNeedForSymbolsDigitsOrUppercaseLetters": "no_need_for_symbols",
    "AddAnotherWordOrTwo": "add_another_word",
    "CapitalizationDoesntHelpVeryMuch": "capitals_help_little",
    "AllUppercaseIsAlmostAsEasyToGuessAsAllLowercase": "all_capitals_help_little",
    "ReversedWordsArentMuchHarderToGuess": "reversed_words_help_little",
    "PredictableSubstitutionsDontHelpVeryMuch": "substitutions_help_little",
    "UseALongerKeyboardPatternWithMoreTurns": "longer_keyboard_pattern",
    "AvoidRepeatedWordsAndCharacters": "avoid_repeats",
    "AvoidSequences": "avoid_sequences",
    "AvoidRecentYears": "avoid_recent_years",
    "AvoidYearsThatAreAssociatedWithYou": "avoid_your_years",
    "AvoidDatesAndYearsThatAreAssociatedWithYou": "avoid_your_dates",
})  # fmt: skip

WARNINGS: Final = tuple(dict.fromkeys(_WARNINGS.values()))
"""Every code that `Feedback.warning` may be."""
SUGGESTIONS: Final = tuple(_SUGGESTIONS.values())
"""Every code that may be among `Feedback.suggestions`."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What there is to say of a password: 0 (guessed at once) to 4, and codes that `web/texts` has sentences for."""

    score: int
    warning: str | None = None
    suggestions: tuple[str, ...] = ()


def feedback(password: str, context_words: Iterable[str] = ()) -> Feedback:
    """How strong a password is; `context_words` are what an attacker knows of the person and the place.

    What cannot be a password at all has score 0 and no advice: the policy says what is wrong with it.
    """
    try:
        text = normalize(password)
    except Invalid:
        return Feedback(0)
    words = _guessed_first(context_words)
    found = zxcvbn(text[:_LONGEST_LOOKED_AT], words)
    if len(text) > _LONGEST_LOOKED_AT and found.feedback is not None:
        # Whatever is weak about its beginning: a long password is as strong as its stronger end.
        found = max(found, zxcvbn(text[-_LONGEST_LOOKED_AT:], words), key=lambda one: int(one.score))
    advice = found.feedback
    if advice is None:
        return Feedback(int(found.score))
    return Feedback(
        int(found.score),
        _WARNINGS.get(_name(advice.warning)),
        tuple(_SUGGESTIONS[name] for name in map(_name, advice.suggestions) if name in _SUGGESTIONS),
    )


def _name(member: object) -> str:
    # The library's enumerations are Rust's: their members have no `name`.
    return repr(member).rpartition(".")[2]


def _guessed_first(context_words: Iterable[str]) -> list[str]:
    words: list[str] = []
    for phrase in islice(context_words, _MOST_CONTEXT_WORDS):
        printable = phrase[:_LONGEST_CONTEXT_WORD].encode("utf-8", "ignore").decode("utf-8")
        words += [printable, *printable.replace("@", " ").replace(".", " ").split()]
    return words
