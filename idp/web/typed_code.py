"""Codes of six digits, as people type or paste them."""

from flask import request
from flask_babel import LazyString

from idp.web import texts

_LONGEST = 64
_BETWEEN = str.maketrans("", "", " \t-\u00a0\u2010\u2011\u2012\u2013")
"""What mails and authenticator apps put between the digits, and people copy along."""


def typed_code() -> tuple[str, LazyString | None]:
    """The code that was sent with the form, and what is wrong with its form, if anything."""
    code = request.form.get("code", "")[:_LONGEST].strip().translate(_BETWEEN)
    if not code:
        return code, texts.ENTER_CODE
    is_a_code = code.isascii() and code.isdigit() and len(code) == 6
    return code, None if is_a_code else texts.CODE_FORMAT
