"""What a verification of the audit trail finds."""

from dataclasses import dataclass, field
from enum import StrEnum


class Problem(StrEnum):
    """What can be wrong with a chain."""

    ALTERED = "altered"
    """An event, or its seal, is not what it was when it was sealed."""
    MISSING = "missing"
    """Events were deleted, and no checkpoint covers them."""
    TRUNCATED = "truncated"
    """Something says that the chain once went on further than it does."""
    FORKED = "forked"
    """A signed head knows another hash for this place: the chain was made anew, or goes on behind its end."""
    INSERTED = "inserted"
    """An event pretends to have been sealed, and has no place in the chain."""
    ERASURE_FORGED = "erasure forged"
    """Somebody's data was removed from an event, or put into its place, and no erasure tells of it."""
    ERASURE_UNDONE = "erasure undone"
    """An erasure tells of this place, and the data is there: a backup from before it was restored, for example."""
    STATEMENT = "statement"
    """A signed head or checkpoint is not to be believed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; `sequence` is the place, if it has one."""

    stream: str
    sequence: int | None
    problem: Problem
    detail: str


@dataclass(slots=True)
class StreamReport:
    """What was verified of one stream."""

    stream: str
    first: int | None = None
    """The first place that is still there."""
    last: int | None = None
    events: int = 0
    checkpoint: int | None = None
    """Up to this place the chain was deleted as its time had come."""
    heads: int = 0
    """Signed heads that agree with the chain."""
    erasures: int = 0
    """Events that tell of an erasure."""
    erased: int = 0
    """Events that somebody was erased from."""


@dataclass(slots=True)
class Report:
    """The outcome of a verification."""

    streams: list[StreamReport] = field(default_factory=list)
    unsealed: int = 0
    """Events that wait for their place in the chain: what happens to these cannot be noticed yet."""
    oldest_unsealed_seconds: int | None = None
    problems: int = 0
    findings: list[Finding] = field(default_factory=list)
    """The first of the problems, in the order of the chain."""

    @property
    def is_intact(self) -> bool:
        """True if nothing is wrong."""
        return not self.problems
