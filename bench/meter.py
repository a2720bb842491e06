"""What a tree of processes uses: processor time and memory, from /proc."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(roots: Iterable[int]) -> float:
    """User and system time of the processes and all their descendants, including those that ended."""
    return sum(_ticks(pid) for root in roots for pid in family(root)) / _TICKS


def _ticks(pid: int) -> int:
    # Behind the name in parentheses: state is field 0, utime 11, stime 12, cutime 13, cstime 14.
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0
    return sum(int(value) for value in fields[11:15])


def family(root: int) -> list[int]:
    """A process and its descendants."""
    found = [root]
    for pid in found:
        for thread in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += [int(child) for child in thread.read_text().split()]
            except FileNotFoundError:
                continue
    return found


def worker_memory_mb(root: int) -> float:
    """Resident memory of the largest worker process, shared pages included, in MB."""
    workers = family(root)[1:] or [root]
    return max(_resident_kib(pid) for pid in workers) * 1024 / 1e6


def _resident_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)
