"""What people may write about themselves: every script there is, and nothing that only pretends to be text.

Names, streets and nicknames end up on pages, in mail, in logs and in other people's applications. Characters that
turn the direction of what stands beside them, that nobody can see, or that end a line could make any of these say what
nobody wrote.
"""

import re
import unicodedata
from typing import Final

_FORBIDDEN_CATEGORIES: Final = {
    "Cc": "a control character",
    "Cs": "half a character",
    "Co": "a character of private use",
    "Zl": "a line separator",
    "Zp": "a line separator",
}
# Embeddings, overrides and isolates turn text that is not theirs (Trojan Source). The marks U+200E, U+200F and U+061C
# stay: they only settle where a neutral character belongs, and people write them.
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Joiners (U+200C, U+200D) stay as well: Persian, the scripts of India and most emoji need them.
_UNSEEN: Final = frozenset(
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060\u2061\u2062\u2063\u2064"
    "\u206a\u206b\u206c\u206d\u206e\u206f\u2800\u3164\ufeff\uffa0\ufff9\ufffa\ufffb"
)
_TAGS: Final = range(0xE0000, 0xE0080)
_FLAG: Final = re.compile("\U0001f3f4[\U000e0030-\U000e007a]{2,8}\U000e007f")
"""The flag of a region, such as Scotland: the one thing that tag characters are still for."""
_MARGIN: Final = "\u200c\u200d\u200e\u200f\u061c \t\u00a0"
_MOST_MARKS: Final = 8
"""Combining marks in a row; no orthography stacks as many."""


def plain_text(raw: str, *, lines: bool = False) -> str:
    """The text in NFC, without white space and joiners around it; empty if nothing is left that can be seen.

    With `lines` it may have several. Raises ValueError with what is wrong with it: "a control character".
    """
    text = unicodedata.normalize("NFC", raw.replace("\r\n", "\n") if lines else raw).strip().strip(_MARGIN)
    marks = 0
    for character in _FLAG.sub("", text):
        category = unicodedata.category(character)
        if category in _FORBIDDEN_CATEGORIES and not (lines and character == "\n"):
            raise ValueError(_FORBIDDEN_CATEGORIES[category])
        if character in _TURNING:
            raise ValueError("a character that turns the direction of writing")
        if character in _UNSEEN or ord(character) in _TAGS:
            raise ValueError("a character that cannot be seen")
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks > _MOST_MARKS:
            raise ValueError("too many marks on one letter")
    return text if any(unicodedata.category(character)[0] not in "MZC" for character in text) else ""
