"""The table, as Markdown, and the same as JSON."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.measurement import Result

COLUMNS = (
    "scenario", "provider", "/s", "p50 ms", "p99 ms", "CPU µs", "stores' CPU µs", "memory MB", "share of limit",
    "in CPU time", "× peer", "in CPU time",
)  # fmt: skip
_NAMES = 2


def table(results: Sequence[Result]) -> str:
    """One line for each scenario and provider."""
    rows = [COLUMNS, *(_row(result) for result in results)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(COLUMNS))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    notes = [
        f"- {result.scenario}, {result.subject}: " + ", ".join(f"{name} {value:,.2f}" for name, value in notes.items())
        for result in results
        if (notes := result.notes)
    ]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def _row(result: Result) -> tuple[str, ...]:
    def number(value: float | None, digits: int = 0) -> str:
        return "–" if value is None else f"{value:,.{digits}f}"

    def percent(value: float | None) -> str:
        return "–" if value is None else f"{value:.0%}"

    return (
        result.scenario,
        result.subject,
        number(result.rate, 0 if result.rate >= 10 else 1),
        number(result.p50_ms, 2 if result.p50_ms < 100 else 0),
        number(result.p99_ms, 2 if result.p99_ms < 100 else 0),
        number(result.cpu_us),
        number(result.store_cpu_us),
        number(result.memory_mb),
        percent(result.limit_share),
        percent(result.limit_cpu_share),
        number(result.against_peer, 2),
        number(result.cpu_against_peer, 2),
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        value.ljust(width) if index < _NAMES else value.rjust(width)
        for index, (value, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "| " + " | ".join(cells) + " |"


def document(results: Sequence[Result], machine: Mapping[str, Any]) -> str:
    """Everything, as JSON."""
    return json.dumps({"machine": dict(machine), "results": [asdict(result) for result in results]}, indent=2)


def machine(disk_flush_us: float) -> dict[str, Any]:
    """Where the numbers come from."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": models[0].partition(":")[2].strip() if models else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_at_start": os.getloadavg()[0],
        "disk_flush_us": disk_flush_us,
    }
