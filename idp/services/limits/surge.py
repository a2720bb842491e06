"""The signal that too many sign-ins fail, whoever they are at and wherever they come from (LG4).

One try at each of ten thousand accounts from as many addresses stays below every other limit. Counted in a few rows
instead of one, so that failures on several workers seldom wait for one another.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from sqlalchemy import Connection, Table, func, select

from idp.services.limits.counter import Counter
from idp.storage.tables import ThrottleRow

ALARM_KEY: Final = "surge"
_SHARDS: Final = tuple(f"surge:{number}" for number in range(16))
_rows = cast(Table, ThrottleRow.__table__)
_TOTAL: Final = select(func.coalesce(func.sum(_rows.c.failures), 0)).where(_rows.c.key.in_(_SHARDS))
_ADDRESSES: Final = select(func.count()).where(_rows.c.key.startswith("address:"))


@dataclass(frozen=True, slots=True)
class Alarm:
    """What was counted when it was raised. `window` is in seconds."""

    failures: int
    addresses: int
    window: int


class Surge:
    """Counts all failures, and raises an alarm once in a window in which there are `threshold` of them."""

    def __init__(self, threshold: int, window: int) -> None:
        self._threshold = threshold
        self._window = window
        self._failures = Counter(timedelta(seconds=window))
        self._alarm = Counter(timedelta(seconds=window), limit=1)

    def count(self, connection: Connection, moment: datetime) -> Alarm | None:
        """Count one failure; the alarm if this one raises it. To be called in a write transaction.

        The alarm then lasts for one window: its row (ALARM_KEY) has not expired.
        """
        self._failures.reserve(connection, secrets.choice(_SHARDS), moment)
        failures = connection.execute(_TOTAL.where(_rows.c.expires_at > moment)).scalar_one()
        if failures < self._threshold or self._alarm.reserve(connection, ALARM_KEY, moment) is None:
            return None
        addresses = connection.execute(_ADDRESSES.where(_rows.c.expires_at > moment)).scalar_one()
        return Alarm(int(failures), addresses, self._window)
