"""The table of checks in explanation/architecture.md."""

import sys
from collections.abc import Iterator

from docs.generate.markdown import code, sentence, table
from idp.oauth.checks.request_object import unpack
from idp.oauth.pipeline import AFTER_REDIRECT, BEFORE_REDIRECT, Check


def checks_table() -> str:
    """The authorization endpoint's checks in their order."""
    return table(("#", "check", "what it settles", "a failure is told"), _rows())


def _rows() -> Iterator[tuple[str, str, str, str]]:
    for number, check in enumerate((*BEFORE_REDIRECT, *AFTER_REDIRECT), 1):
        where = "on a page" if check in BEFORE_REDIRECT else "to the client"
        if check is unpack:
            where = "later, to the client"
        yield str(number), code(_name(check)), sentence(sys.modules[check.__module__].__doc__), where


def _name(check: Check) -> str:
    return check.__module__.rpartition(".")[2]
