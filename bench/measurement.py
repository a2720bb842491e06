"""Rounds: limit, one provider, limit, the next provider, and so on, so that noise meets them all alike.

Every ratio is formed within a round and its median over the rounds is reported; of plain numbers too, the median.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench import limits
from bench.meter import processor_seconds, worker_memory_mb
from bench.scenarios import Measure, Scenario
from bench.subjects import Subject

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement of one provider, beside the limit taken before and after it."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """Processor time of the provider's processes for one unit of work."""
    store_cpu_us: float
    """The same of PostgreSQL and Redis."""
    memory_mb: float
    limit_share: float | None
    """Units a second, as a share of what the limit would allow."""
    limit_cpu_share: float | None
    """The limit's own processor time, as a share of the provider's and its stores'."""
    notes: dict[str, float]


@dataclass(frozen=True, slots=True)
class Result:
    """What a scenario came to for one provider: medians over the rounds."""

    scenario: str
    unit: str
    subject: str
    is_peer: bool
    rounds: int
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    store_cpu_us: float
    memory_mb: float
    limit_share: float | None
    limit_cpu_share: float | None
    against_peer: float | None
    """Units a second, as a multiple of the peer's in the same round."""
    cpu_against_peer: float | None
    """How many times as much processor time the peer (with its store) needs for a unit."""
    notes: dict[str, float] = field(default_factory=dict)


def run(scenario: Scenario, subjects: Sequence[Subject], *, rounds: int, seconds: float, say: Say) -> list[Result]:
    """Measure a scenario on running providers."""
    prepared = [(subject, scenario.prepare(subject)) for subject in subjects]
    for _, measure in prepared:
        measure(1)  # caches, connections, the just-in-time compiler
    taken: dict[str, list[Round]] = {subject.name: [] for subject in subjects}
    before = _limit(scenario)
    for number in range(rounds):
        for subject, measure in prepared:
            one, before = _round(scenario, subject, measure, seconds, before)
            taken[subject.name].append(one)
            say(f"  {number + 1}/{rounds} {subject.name}: {one.rate:,.0f}/s, {one.cpu_us:,.0f} µs")
    peer = next((taken[subject.name] for subject in subjects if subject.is_peer), None)
    return [_result(scenario, subject, taken[subject.name], peer) for subject in subjects]


def _limit(scenario: Scenario) -> limits.Limit | None:
    return None if scenario.limit is None else limits.measure(scenario.limit, scenario.cores)


def _round(
    scenario: Scenario, subject: Subject, measure: Measure, seconds: float, before: limits.Limit | None
) -> tuple[Round, limits.Limit | None]:
    used = processor_seconds([subject.root()]), processor_seconds(subject.stores)
    reading = measure(seconds)
    own = processor_seconds([subject.root()]) - used[0]
    stores = processor_seconds(subject.stores) - used[1]
    after = _limit(scenario)
    sample = reading.sample
    cpu_us, store_cpu_us = own / sample.count * 1e6, stores / sample.count * 1e6
    share = cpu_share = None
    if before is not None and after is not None:
        limit = limits.mean(before, after)
        share = sample.rate * scenario.operations / limit.rate
        total = cpu_us + store_cpu_us
        cpu_share = limit.cpu_us * scenario.operations / total if scenario.meters_server and total else None
    one = Round(
        sample.rate, sample.p50, sample.p99, cpu_us, store_cpu_us, worker_memory_mb(subject.root()), share, cpu_share,
        reading.notes,
    )  # fmt: skip
    return one, after


def _result(scenario: Scenario, subject: Subject, taken: Sequence[Round], peer: Sequence[Round] | None) -> Result:
    against = cpu_against = None
    if peer is not None and not subject.is_peer:
        against = statistics.median(one.rate / other.rate for one, other in zip(taken, peer, strict=True))
        cpu_against = statistics.median(
            (other.cpu_us + other.store_cpu_us) / (one.cpu_us + one.store_cpu_us)
            for one, other in zip(taken, peer, strict=True)
        )
    return Result(
        scenario=scenario.name,
        unit=scenario.unit,
        subject=subject.name,
        is_peer=subject.is_peer,
        rounds=len(taken),
        rate=statistics.median(one.rate for one in taken),
        p50_ms=statistics.median(one.p50_ms for one in taken),
        p99_ms=statistics.median(one.p99_ms for one in taken),
        cpu_us=statistics.median(one.cpu_us for one in taken),
        store_cpu_us=statistics.median(one.store_cpu_us for one in taken),
        memory_mb=statistics.median(one.memory_mb for one in taken),
        limit_share=_median([one.limit_share for one in taken]),
        limit_cpu_share=_median([one.limit_cpu_share for one in taken]),
        against_peer=against,
        cpu_against_peer=cpu_against,
        notes={name: statistics.median(one.notes[name] for one in taken) for name in taken[0].notes},
    )


def _median(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return statistics.median(present) if present else None
