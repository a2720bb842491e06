"""One form for one password, whatever keyboard it was typed on. Pure."""

import unicodedata
from typing import Final

from idp.core.errors import Invalid

LONGEST_INPUT: Final = 4096
"""Code points before normalization. Beyond this nothing is computed: normalizing can be made slow."""


def normalize(password: str) -> str:
    """The password in NFC, so that it is the same from every keyboard (NIST SP 800-63B §3.1.1.2).

    Raises Invalid for what no keyboard types: NUL, lone surrogates, more than 4096 characters.
    """
    if len(password) > LONGEST_INPUT:
        raise Invalid("the password is too long", "password")
    if "\0" in password or any("\ud800" <= character <= "\udfff" for character in password):
        raise Invalid("the password contains a character that cannot be used", "password")
    return unicodedata.normalize("NFC", password)
