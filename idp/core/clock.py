"""The one place that reads the time."""

from datetime import UTC, datetime


def now() -> datetime:
    """The current instant, timezone-aware, in UTC."""
    return datetime.now(UTC)


def timestamp(instant: datetime) -> int:
    """A NumericDate (RFC 7519 §2): whole seconds since the epoch."""
    return int(instant.timestamp())


def from_timestamp(seconds: int) -> datetime:
    """The instant of a NumericDate."""
    return datetime.fromtimestamp(seconds, UTC)
