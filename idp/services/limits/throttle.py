"""Guessing limits (NIST SP 800-63B-4 §3.2.2), decided by the database in one statement per counter.

A guess reserves its failure with the account before the password is looked at, and a right one gives it back.
However many guesses at one account arrive at once, on however many workers, no more of them are looked at than the
limits allow.

A network address is charged only when a guess has failed: many people sign in at one moment from behind one
address, and what is under way is no failure. Beyond its limit an address gets at most as many guesses as the
servers answer at one moment.

A browser that has signed in to the account before has a budget of its own: neither what strangers guess at the account
nor what they guess from its address refuses it (LG4). Who has used that budget up is a stranger from then on.
"""

import hashlib
import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Connection, Table, Update, bindparam, case, delete, null, or_, select, update

from idp.core.clock import now
from idp.core.setting_sections import Throttle as ThrottleSettings
from idp.services.limits.addresses import address_group
from idp.services.limits.counter import Counter
from idp.services.limits.surge import ALARM_KEY, Alarm, Surge
from idp.storage.batches import delete_in_batches
from idp.storage.db import reading, transaction
from idp.storage.tables import ThrottleRow

_rows = cast(Table, ThrottleRow.__table__)
# Built once: building a statement costs more than running it.
_FORGET = delete(_rows).where(_rows.c.key == bindparam("at_key"))
_PRESENT = select(_rows.c.key, _rows.c.failures, _rows.c.expires_at).where(
    _rows.c.key.in_([bindparam("at_key"), bindparam("alarm")]), _rows.c.expires_at > bindparam("at")
)

_ACCOUNT_MEMORY = timedelta(days=365)
"""How long the failures that switch an account off stay counted after the last of them. As long where there is no such
account: one that opened sooner by itself would tell the two apart (LG1)."""
_DEVICE_MEMORY = timedelta(days=1)
"""How long after its last failure a device starts afresh; longer than the longest delay."""
_HARDENED = 4
_LONGEST_PART = 72
_UNKNOWN = "unknown:"


@dataclass(frozen=True, slots=True)
class Verdict:
    """May this guess be looked at? `retry_after` is in seconds, 0 if allowed or if waiting will not help."""

    allowed: bool
    retry_after: int = 0
    disabled: bool = False
    """The account had so many failures in a row that only a mailed link, a reset or an operator opens it again."""
    locks: bool = field(default=False, compare=False)
    """If this guess is wrong, it is the one that switches the account off."""
    reserved_at: datetime | None = field(default=None, compare=False)
    keys: tuple[str, ...] = field(default=(), compare=False)
    """Where and when an allowed guess has reserved its failure."""
    exhausted: tuple[str, ...] = field(default=(), compare=False)
    """The budget of the browser, if that is used up."""


class _Refused(Exception):
    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict


class Throttle:
    """Counts failed sign-ins by account, by browser that is known to it, by network address, and all of them."""

    def __init__(self, settings: ThrottleSettings) -> None:
        self._disable_after = settings.disable_after
        self._free_failures = settings.free_failures
        self._account = Counter(_ACCOUNT_MEMORY, limit=settings.disable_after, sliding=True)
        delays = _delays(settings.free_failures, settings.first_delay, settings.longest_delay)
        memory = max(_DEVICE_MEMORY, timedelta(seconds=2 * settings.longest_delay))
        self._strangers = Counter(memory, delays=delays, sliding=True)
        self._known_device = Counter(_ACCOUNT_MEMORY, limit=settings.known_device_failures, delays=delays, sliding=True)
        self._known_device_failures = settings.known_device_failures
        self._surge = Surge(settings.anomaly_failures, settings.anomaly_window)
        self._address = Counter(timedelta(seconds=settings.address_window))
        self._address_failures = settings.address_failures

    def attempt(self, account: str | None, device: str | None, address: str | None) -> Verdict:
        """May this guess be looked at? If so, reserve one failure for it.

        Call it before the password is verified; afterwards `succeeded`, `failed`, or `withdrawn` if it could
        not be looked at. `account` is the user id, or `unknown_account(...)` where there is no such user, so
        that both look alike. `device` names a browser that has signed in to this account before.
        """
        moment = now()
        try:
            with transaction() as connection, connection.begin_nested():
                exhausted: tuple[str, ...] = ()
                if account and device:
                    key = _device_key(account, device)
                    if self._is_let_in(connection, key, moment):
                        return Verdict(True, reserved_at=moment, keys=(key,))
                    exhausted = (key,)
                return self._stranger(connection, account, address, moment, exhausted)
        except _Refused as refusal:
            return refusal.verdict

    def _is_let_in(self, connection: Connection, key: str, moment: datetime) -> bool:
        """Reserve a failure of a known browser; False if it has none left. Raises _Refused while it has to wait."""
        if self._known_device.reserve(connection, key, moment) is not None:
            return True
        row = connection.execute(select(_rows.c.failures, _rows.c.blocked_until).where(_rows.c.key == key)).one()
        if row.failures >= self._known_device_failures:
            return False
        raise _Refused(_refusal_until(row.blocked_until, moment))

    def _stranger(
        self,
        connection: Connection,
        account: str | None,
        address: str | None,
        moment: datetime,
        exhausted: tuple[str, ...],
    ) -> Verdict:
        if address:
            self._ensure_open(connection, address, moment)
        if not account:
            return Verdict(True, reserved_at=moment)
        # Always in this order: two guesses can wait for one another, but never in a circle.
        number = self._account.reserve(connection, _account_key(account), moment)
        if number is None:
            raise _Refused(Verdict(False, disabled=True))
        _reserve(connection, self._strangers, _device_key(account, None), moment)
        keys = (_account_key(account), _device_key(account, None))
        return Verdict(True, reserved_at=moment, keys=keys, exhausted=exhausted, locks=number == self._disable_after)

    def succeeded(self, verdict: Verdict) -> None:
        """The guess was right: forget the failures that it was counted among. The address keeps its own.

        A browser that is known leaves those of strangers alone: its owner's success is not theirs.
        """
        if verdict.keys:
            with transaction() as connection:
                for key in (*verdict.keys, *verdict.exhausted):
                    connection.execute(_FORGET, {"at_key": key})

    def failed(self, address: str | None) -> Alarm | None:
        """The guess was wrong: what was reserved stands, and the address it came from is charged.

        Returns an alarm if this failure is one too many of all that there are.
        """
        moment = now()
        with transaction() as connection:
            if address is not None:
                self._address.reserve(connection, _address_key(address), moment)
            return self._surge.count(connection, moment)

    def withdrawn(self, verdict: Verdict) -> None:
        """The guess was not looked at: give back what `attempt` reserved for it, and nothing else."""
        if verdict.reserved_at is None or not verdict.keys:
            return
        with transaction() as connection:
            for key in verdict.keys:
                connection.execute(_withdrawal(key, verdict.reserved_at, self._free_failures))
                connection.execute(delete(_rows).where(_rows.c.key == key, _rows.c.failures == 0))

    def unlock(self, account: str) -> None:
        """Forget every failure of an account, also of browsers that are known; opens one that was switched off."""
        key = _account_key(account)
        with transaction() as connection:
            connection.execute(delete(_rows).where(_rows.c.key == key))
            connection.execute(delete(_rows).where(_rows.c.key.startswith(key + ":", autoescape=True)))

    def limited(self, key: str, limit: int, window: int) -> bool:
        """Count one use of `key`; True if there were `limit` already within `window` seconds.

        The window starts with the first use. A refused use is not counted.
        """
        counter = Counter(timedelta(seconds=window), limit)
        with transaction() as connection:
            return counter.reserve(connection, _limit_key(key), now()) is None

    def is_used_up(self, key: str, limit: int) -> bool:
        """True if `limited` would refuse one more use; counts nothing."""
        query = select(_rows.c.failures).where(_rows.c.key == _limit_key(key), _rows.c.expires_at > now())
        with reading() as connection:
            return (connection.execute(query).scalar_one_or_none() or 0) >= limit

    def reopens_in(self, key: str) -> int:
        """Seconds until the window of a `limited` key is over, at least 1."""
        query = select(_rows.c.expires_at).where(_rows.c.key == _limit_key(key))
        with reading() as connection:
            expires_at = connection.execute(query).scalar_one_or_none()
        return max(1, math.ceil((expires_at - now()).total_seconds())) if expires_at else 1

    def release(self, key: str) -> None:
        """Give back one use of a `limited` key, for uses that turned out harmless."""
        with transaction() as connection:
            _give_back(connection, _limit_key(key), now())

    def _ensure_open(self, connection: Connection, address: str, moment: datetime) -> None:
        """Raises _Refused if the address has had too many failures: a quarter of them while there is an alarm."""
        values = {"at_key": _address_key(address), "alarm": ALARM_KEY, "at": moment}
        found = {row.key: row for row in connection.execute(_PRESENT, values)}
        most = max(1, self._address_failures // _HARDENED) if ALARM_KEY in found else self._address_failures
        row = found.get(_address_key(address))
        if row is not None and row.failures >= most:
            raise _Refused(_refusal_until(row.expires_at, moment))

    def alarm_lasts_until(self) -> datetime | None:
        """When sign-ins from new browsers are let be again as usual; None if they are."""
        query = select(_rows.c.expires_at).where(_rows.c.key == ALARM_KEY, _rows.c.expires_at > now())
        with reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    def is_disabled(self, account: str) -> bool:
        """True if the account is switched off by too many failures."""
        query = select(_rows.c.failures, _rows.c.expires_at).where(_rows.c.key == _account_key(account))
        with reading() as connection:
            row = connection.execute(query).one_or_none()
        return row is not None and row.expires_at > now() and row.failures >= self._disable_after

    def purge(self) -> int:
        """Delete counters that no longer count, in small transactions; returns how many."""
        return delete_in_batches(_rows, _rows.c.expires_at <= now())


def unknown_account(canonical_identifier: str) -> str:
    """The account of an identifier that nobody has: throttled like a user, and not stored in clear."""
    return _UNKNOWN + hashlib.sha256(canonical_identifier.encode("utf-8", "surrogatepass")).hexdigest()


def _delays(free: int, first: int, longest: int) -> tuple[tuple[int, timedelta], ...]:
    """After which failure to wait how long: the first delay, doubled each time, up to the longest."""
    delays = []
    failure, seconds = free, first
    while seconds < longest:
        delays.append((failure, timedelta(seconds=seconds)))
        failure, seconds = failure + 1, seconds * 2
    return (*delays, (failure, timedelta(seconds=longest)))


def _reserve(connection: Connection, counter: Counter, key: str, moment: datetime) -> None:
    """Add one failure to a counter with delays. Raises _Refused, saying when to come back."""
    if counter.reserve(connection, key, moment) is not None:
        return
    reopens_at = connection.execute(select(_rows.c.blocked_until).where(_rows.c.key == key)).scalar_one()
    raise _Refused(_refusal_until(reopens_at, moment))


def _refusal_until(reopens_at: datetime, moment: datetime) -> Verdict:
    return Verdict(False, max(1, math.ceil((reopens_at - moment).total_seconds())))


def _withdrawal(key: str, reserved_at: datetime, free_failures: int) -> Update:
    """Take one reservation back, from the counter that it was made on: a newer one under that key owes nothing.

    The delay that it began goes with it; when it was allowed, none was running.
    """
    remaining = _rows.c.failures - 1
    no_delay = or_(_rows.c.last_failure_at == reserved_at, remaining < free_failures)
    return (
        update(_rows)
        .where(_rows.c.key == key, _rows.c.failures > 0, _rows.c.window_started_at <= reserved_at)
        .values(failures=remaining, blocked_until=case((no_delay, null()), else_=_rows.c.blocked_until))
    )


def _give_back(connection: Connection, key: str, moment: datetime) -> None:
    failures = case((_rows.c.failures > 0, _rows.c.failures - 1), else_=0)
    connection.execute(update(_rows).where(_rows.c.key == key, _rows.c.expires_at > moment).values(failures=failures))


def _account_key(account: str) -> str:
    return f"account:{_short(account)}"


def _device_key(account: str, device: str | None) -> str:
    return f"{_account_key(account)}:{_short(device) if device else 'unknown'}"


def _address_key(address: str) -> str:
    return f"address:{address_group(address)}"


def _limit_key(key: str) -> str:
    return f"limit:{_short(key)}"


def _short(part: str) -> str:
    """The part itself, or its hash where it is too long for the key or not plain ASCII."""
    if len(part) <= _LONGEST_PART and part.isascii() and part.isprintable():
        return part
    return hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()
