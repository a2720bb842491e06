"""What a check found, and how findings come about."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from idp.cli.output import text

OK, WARNING, PROBLEM = "ok", "warning", "problem"

Faults = Iterator[tuple[str, str]]
"""What is wrong with one thing: a level and a message for each fault."""

_LONGEST_QUOTE = 80


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `level` is ok, warning or problem. A topic stands before a dot in `check`."""

    check: str
    level: str
    message: str

    @property
    def topic(self) -> str:
        """What the check belongs to, "" if nothing."""
        return self.check.rpartition(".")[0]

    @property
    def name(self) -> str:
        """The check within its topic."""
        return self.check.rpartition(".")[2]


def judged(check: str, fine: str, faults: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """A finding for each fault, or one that says that all is `fine`."""
    found = [Finding(check, level, message) for level, message in faults]
    yield from found or [Finding(check, OK, fine)]


def quoted(value: Any) -> str:
    """A stranger's value inside a message: no longer than is useful."""
    shown = repr(value[: _LONGEST_QUOTE * 2]) if isinstance(value, str) else repr(value)
    return shown if len(shown) <= _LONGEST_QUOTE else shown[: _LONGEST_QUOTE - 1] + "…"


def listed(values: Iterable[str], most: int = 5) -> str:
    """Some names in a row; of many, the first ones."""
    names = [shortened(name) for name in values]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def shortened(name: str) -> str:
    """A stranger's name for something, without control characters and lone surrogates."""
    shown = text(name[: _LONGEST_QUOTE * 2])
    return shown if len(shown) <= _LONGEST_QUOTE else shown[: _LONGEST_QUOTE - 1] + "…"
