"""Asking a server with several worker processes so often that each of them has answered."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tests.helpers.server import Server

T = TypeVar("T")

ASKED_AT_ONCE = 6
ROUNDS = 5


def worker_pids(server: Server) -> list[int]:
    """The process ids of the worker processes."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def cpu_ticks(pid: int) -> int:
    """How long a process has computed, in clock ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def in_parallel(ask: Callable[[], T], times: int, threads: int = 16) -> list[T]:
    """What many callers at once are answered. Each makes a connection of its own, to whichever worker."""
    with ThreadPoolExecutor(min(times, threads)) as pool:
        return [future.result() for future in [pool.submit(ask) for _ in range(times)]]


def seconds_until_everywhere(ask: Callable[[], T], expected: T, patience: float = 30) -> float:
    """Ask until all workers answer as expected, round after round. Raises AssertionError.

    The answer is the age at which the last other answer was still given: what a reader may have seen. One round proves
    little, since a busy moment may send all of it to the same worker.
    """
    begun = last_other = time.monotonic()
    agreed = 0
    while agreed < ROUNDS:
        asked_at = time.monotonic()
        answers = in_parallel(ask, ASKED_AT_ONCE)
        if all(answer == expected for answer in answers):
            agreed += 1
            continue
        agreed, last_other = 0, asked_at
        if asked_at - begun > patience:
            raise AssertionError(f"after {patience:.0f} s still {answers}, not {expected}")
    return last_other - begun
