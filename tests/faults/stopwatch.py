"""Asking a server that is in trouble: how long it takes, and whether it is back."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LONGEST = 10
"""Seconds within which everything is answered, whatever is broken (I5)."""


class Stopwatch:
    """Times every question; `slowest` is in seconds."""

    def __init__(self) -> None:
        self.slowest = 0.0

    def ask(self, question: Callable[[], T]) -> T:
        """The answer. Raises AssertionError if it took too long."""
        begun = time.monotonic()
        answer = question()
        took = time.monotonic() - begun
        self.slowest = max(self.slowest, took)
        assert took < LONGEST, f"an answer after {took:.1f} s: {answer!r}"
        return answer


def eventually(holds: Callable[[], bool], seconds: float = 60) -> float:
    """Wait until something holds; returns how many seconds it took. Raises AssertionError."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds, f"not within {seconds:.0f} s"
        time.sleep(0.1)
    return time.monotonic() - begun
