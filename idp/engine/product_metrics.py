"""How well people get in: figures that are counted from the audit trail, so that each can be looked into there.

What each of them means, and what it leaves out, is told in `docs/reference/metrics.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Table, and_, exists, func, select

from idp.core.events import Event
from idp.services.audit.sealing import events
from idp.storage.db import reading
from idp.storage.tables import TotpCredential, UserRow

PASSWORD: Final = "password"
"""The method of a sign-in whose event names none."""
UPSTREAM: Final = "upstream"
"""The method of a sign-in by way of another identity provider (single sign-on)."""

_users: Final = cast(Table, UserRow.__table__)
_totp: Final = cast(Table, TotpCredential.__table__)
_OUTCOMES: Final = {
    Event.SIGN_IN_SUCCEEDED: "succeeded",
    Event.SIGN_IN_FAILED: "failed",
    Event.SIGN_IN_THROTTLED: "throttled",
}
_SECOND_STEPS: Final = {
    Event.MFA_SUCCEEDED: "succeeded",
    Event.MFA_FAILED: "failed",
    Event.MFA_THROTTLED: "throttled",
}


@dataclass(frozen=True, slots=True)
class Attempts:
    """What became of attempts. Those that were throttled were not looked at, and are neither right nor wrong."""

    succeeded: int = 0
    failed: int = 0
    throttled: int = 0

    @property
    def rate(self) -> float | None:
        """Succeeded of those that were looked at; None if there were none."""
        return _ratio(self.succeeded, self.succeeded + self.failed)


@dataclass(frozen=True, slots=True)
class Funnel:
    """What was begun within the time, and how much of that has been completed by now."""

    begun: int
    completed: int

    @property
    def rate(self) -> float | None:
        """Completed of what was begun; None if nothing was."""
        return _ratio(self.completed, self.begun)


@dataclass(frozen=True, slots=True)
class Adoption:
    """Active users now, and those of them who have a second factor."""

    active_users: int
    with_second_factor: int

    @property
    def rate(self) -> float | None:
        """The share of those who have one; None if there are no users."""
        return _ratio(self.with_second_factor, self.active_users)


@dataclass(frozen=True, slots=True)
class ProductMetrics:
    """All the figures of a time."""

    since: datetime
    until: datetime
    sign_ins: Mapping[str, Attempts]
    """By method."""
    people: int
    """Different users who signed in."""
    second_steps: Attempts
    registrations: Funnel
    password_resets: Funnel
    mfa: Adoption

    @property
    def all_sign_ins(self) -> Attempts:
        """Of all methods together."""
        every = self.sign_ins.values()
        return Attempts(
            sum(one.succeeded for one in every), sum(one.failed for one in every), sum(one.throttled for one in every)
        )

    @property
    def sso(self) -> Attempts:
        """Sign-ins by way of other identity providers."""
        return self.sign_ins.get(UPSTREAM, Attempts())


def measure(since: datetime, until: datetime) -> ProductMetrics:
    """Count what happened from one instant until before another. Raises Unavailable."""
    within = and_(events.c.at >= since, events.c.at < until)
    with reading():
        return ProductMetrics(
            since=since,
            until=until,
            sign_ins=_attempts(within, _OUTCOMES),
            people=_people(within),
            second_steps=_attempts(within, _SECOND_STEPS).get(PASSWORD, Attempts()),
            registrations=_funnel(within, since, Event.REGISTRATION_STARTED, Event.USER_REGISTERED),
            password_resets=_funnel(
                # Only for accounts that there are: nobody else got a mail to go on with.
                and_(within, events.c.user_id.is_not(None)),
                since,
                Event.PASSWORD_RESET_REQUESTED,
                Event.PASSWORD_RESET_COMPLETED,
            ),
            mfa=_adoption(),
        )


def _attempts(within: ColumnElement[bool], outcomes: Mapping[Event, str]) -> dict[str, Attempts]:
    found = (
        select(events.c.event, func.coalesce(events.c.details["method"].as_string(), PASSWORD).label("method"))
        .where(within, events.c.event.in_(list(outcomes)))
        .subquery()
    )
    query = select(found.c.event, found.c.method, func.count()).group_by(found.c.event, found.c.method)
    counts: dict[str, dict[str, int]] = {}
    for event, method, count in _rows(query):
        counts.setdefault(method, {})[outcomes[Event(event)]] = count
    return {method: Attempts(**of_method) for method, of_method in sorted(counts.items())}


def _people(within: ColumnElement[bool]) -> int:
    query = select(func.count(events.c.user_id.distinct())).where(within, events.c.event == Event.SIGN_IN_SUCCEEDED)
    return int(_rows(query)[0][0])


def _funnel(within: ColumnElement[bool], since: datetime, first: Event, last: Event) -> Funnel:
    attempt = events.c.details["attempt"].as_string()
    # An event that names no attempt is one by itself.
    begun = select(func.coalesce(attempt, events.c.id).label("name")).where(within, events.c.event == first).distinct()
    completed = select(attempt.label("name")).where(events.c.at >= since, events.c.event == last).distinct()
    begun_, completed_ = begun.subquery(), completed.subquery()
    query = select(func.count(begun_.c.name), func.count(completed_.c.name)).outerjoin_from(
        begun_, completed_, completed_.c.name == begun_.c.name
    )
    counted = _rows(query)[0]
    return Funnel(begun=counted[0], completed=counted[1])


def _adoption() -> Adoption:
    has_factor = exists().where(_totp.c.user_id == _users.c.id, _totp.c.confirmed_at.is_not(None))
    active = select(func.count()).select_from(_users).where(_users.c.status == "active")
    return Adoption(active_users=_rows(active)[0][0], with_second_factor=_rows(active.where(has_factor))[0][0])


def _rows(query: Any) -> Any:
    with reading() as connection:
        return connection.execute(query).all()


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
