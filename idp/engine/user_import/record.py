"""A person as another system describes them, and the reading of single values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from idp.core.errors import Invalid
from idp.identity.credentials.legacy_hashes import LegacyHash

LONGEST_VALUE: Final = 4096

_TRUE = frozenset({"true", "t", "yes", "1"})
_FALSE = frozenset({"false", "f", "no", "0"})
_MILLISECONDS_FROM = 100_000_000_000
"""A number of seconds would be in the year 5138 by then."""


class NotAPerson(Exception):
    """The entry describes something that is no user, such as the service account of a client. The text says what."""


@dataclass(frozen=True, slots=True)
class ImportedUser:
    """What a source knows of a person. `claims` are not validated yet; `notes` say what was left behind, and why."""

    email: str | None
    email_verified: bool = False
    is_active: bool = True
    id: str | None = None
    created_at: datetime | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    password: LegacyHash | None = field(default=None, repr=False)
    totp_seed: str | None = field(default=None, repr=False)
    roles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def text(row: Mapping[str, Any], name: str) -> str | None:
    """A text of the row; None if it is absent, empty or no text."""
    value = row.get(name)
    if not isinstance(value, str) or len(value) > LONGEST_VALUE:
        return None
    return value.strip() or None


def flag(row: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """A truth value, also as CSV writes it. Raises Invalid for what could be either."""
    value = row.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else str(value)[:8]
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Invalid(f"'{name}' is neither true nor false", name)


def texts(value: object) -> tuple[str, ...]:
    """The texts in a list, or those that white space separates."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def instant(value: object) -> datetime | None:
    """A moment that is past: seconds or milliseconds since 1970, or ISO 8601. None for anything else."""
    try:
        if isinstance(value, str) and not value.strip().isdigit():
            moment = datetime.fromisoformat(value.strip())
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        elif isinstance(value, int | float | str) and not isinstance(value, bool):
            number = float(value)
            moment = datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS_FROM else number, UTC)
        else:
            return None
        return moment.astimezone(UTC) if datetime(1970, 1, 1, tzinfo=UTC) < moment <= datetime.now(UTC) else None
    except (ValueError, OverflowError, OSError):
        return None


def member(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object within the row; empty if there is none."""
    value = row.get(name)
    return value if isinstance(value, Mapping) else {}


def present(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The claims that have a value."""
    return {name: value for name, value in claims.items() if value not in (None, "", {})}
