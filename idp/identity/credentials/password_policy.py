"""What a new password must be like (NIST SP 800-63B §3.1.1.2): long, and not one that attackers try first.

There are no rules of composition and no expiry. Pure: no database, no Flask.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from idp.core.errors import Invalid
from idp.core.setting_sections import PasswordSettings
from idp.identity.credentials.password_normalization import LONGEST_INPUT, normalize
from idp.identity.credentials.password_strength import feedback

__all__ = ["LONGEST_INPUT", "Violation", "check", "common_passwords", "minimum_length", "normalize"]

_FEWEST_DISTINCT = 4
_LONGEST_UNIT = 8
_FEWEST_RUNS = 5
_SHORTEST_CONTEXT_WORD = 4
_FEWEST_BESIDE_CONTEXT = 8
_BLOCKLIST = Path(__file__).with_name("common_passwords.txt")
_AFFIX = re.compile(r"[\W\d_]{0,6}")
_NOT_A_WORD = re.compile(r"[\W_]+")
_DISGUISES = str.maketrans("0134578@$!", "oieastbasi")
_MEANINGS: Final = {
    "too_short": "it needs at least {minimum} characters",
    "too_long": "it may have at most {maximum} characters",
    "invalid_characters": "it contains a character that no keyboard types",
    "common": "it is among those that attackers try first",
    "repetitive": "it repeats a few characters over and over",
    "sequence": "it follows the alphabet, the digits or the keyboard",
    # The word itself is not said: it is a piece of the password.
    "context": "it contains the name or address of the user, or the name of this service, and little else",
    "guessable": "it is too easy to guess",
    # The two that are found out elsewhere: by a question to a service, and to the database.
    "breached": "it is among the passwords that data breaches brought to light",
    "reused": "it was the user's password before",
}
_WALKS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "azertyuiop",
    "yxcvbnm",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik",
)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a password breaks; `params` fill the message that the page shows for `code`.

    Codes: `too_short` (minimum), `too_long` (maximum), `invalid_characters`, `common`, `repetitive`,
    `sequence`, `context` (word), `guessable`, `breached`, `reused`.
    """

    code: str
    params: dict[str, int | str] = field(default_factory=dict)

    @property
    def meaning(self) -> str:
        """The rule in words for an operator; the pages have words of their own."""
        return _MEANINGS[self.code].format_map(self.params)


def minimum_length(settings: PasswordSettings, *, with_mfa: bool = False) -> int:
    """Fewest code points of a new password; fewer if it opens nothing without a second factor (`with_mfa`)."""
    if with_mfa:
        return min(settings.minimum_length, settings.minimum_length_with_mfa)
    return settings.minimum_length


def check(
    password: str, settings: PasswordSettings, context_words: Iterable[str] = (), *, with_mfa: bool = False
) -> list[Violation]:
    """The rules that `password` breaks; empty if it may be used. Lengths are in code points.

    `context_words` are what an attacker knows of the person and the place: name, address, product name.
    `with_mfa` says that this person is never signed in by the password alone.
    """
    words = tuple(context_words)
    if len(password) > LONGEST_INPUT:
        return [Violation("too_long", {"maximum": settings.maximum_length})]
    try:
        text = normalize(password)
    except Invalid:
        return [Violation("invalid_characters")]
    if len(text) > settings.maximum_length:
        return [Violation("too_long", {"maximum": settings.maximum_length})]
    violations = []
    shortest = minimum_length(settings, with_mfa=with_mfa)
    if len(text) < shortest:
        violations.append(Violation("too_short", {"minimum": shortest}))
    folded = unicodedata.normalize("NFKC", text).casefold()
    if _is_common(folded):
        violations.append(Violation("common"))
    elif _is_repetitive(folded):
        violations.append(Violation("repetitive"))
    elif _is_sequence(folded):
        violations.append(Violation("sequence"))
    word = _context_word(folded, words)
    if word is not None:
        violations.append(Violation("context", {"word": word}))
    if not violations and feedback(text, words).score < settings.minimum_score:
        violations.append(Violation("guessable"))
    return violations


@cache
def common_passwords() -> frozenset[str]:
    """The passwords, case-folded and at least eight characters long, that are guessed first."""
    return frozenset(_BLOCKLIST.read_text(encoding="utf-8").split())


def _is_common(folded: str) -> bool:
    """True also behind a disguise (`p@ssw0rd`), or with a year or an exclamation mark around it."""
    common = common_passwords()
    core = folded
    prefix = _AFFIX.match(core)
    if prefix is not None:
        core = core[prefix.end() :]
    suffix = _AFFIX.match(core[::-1])
    if suffix is not None and suffix.end():
        core = core[: -suffix.end()]
    forms = {folded, core, folded.translate(_DISGUISES), core.translate(_DISGUISES)}
    return not common.isdisjoint(forms)


def _is_repetitive(folded: str) -> bool:
    """Few different characters, or one short unit over and over (`abcabcabcabcabc`)."""
    if len(set(folded)) < _FEWEST_DISTINCT:
        return True
    longest = min(_LONGEST_UNIT, len(folded) // 2)
    return any(folded[unit:] == folded[:-unit] for unit in range(1, longest + 1))


def _is_sequence(folded: str) -> bool:
    """A walk along the alphabet, the digits or a row of keys, in fewer than five pieces."""
    if len(folded) < 2 * _FEWEST_RUNS - 2:
        return False
    runs = 1 + sum(pair not in _steps() for pair in pairwise(folded))
    return runs < _FEWEST_RUNS


@cache
def _steps() -> frozenset[tuple[str, str]]:
    forward = {pair for walk in _WALKS for pair in pairwise(walk)}
    return frozenset(forward | {(right, left) for left, right in forward})


def _context_word(folded: str, context_words: Iterable[str]) -> str | None:
    """The word without which little would be left of the password."""
    bare = _NOT_A_WORD.sub("", folded)
    for phrase in context_words:
        for word in {phrase, *re.split(r"[\W_]+", phrase)}:
            plain = _NOT_A_WORD.sub("", unicodedata.normalize("NFKC", word).casefold())
            if len(plain) < _SHORTEST_CONTEXT_WORD or plain not in bare:
                continue
            if len(bare.replace(plain, "")) < _FEWEST_BESIDE_CONTEXT:
                return word
    return None
