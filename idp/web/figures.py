"""What is counted in the database for `/metrics`: the state of things, and the product metrics of the last day."""

import threading
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, Final

import structlog
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from sqlalchemy import func, select

from idp import __version__
from idp.core.clock import now
from idp.core.errors import IdpError
from idp.engine.product_metrics import Attempts, Funnel, ProductMetrics, measure
from idp.storage.db import reading
from idp.storage.tables import AuditEvent, AuditHead, OutboxMessage, SessionRow

log = structlog.get_logger("idp.metrics")

FRESH_SECONDS: Final = 30.0
"""For so long an answer is good; then the database is asked again."""
WINDOW: Final = timedelta(days=1)

GAUGES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "idp_build_info": ("Always 1; the version is the label.", ("version",)),
    "idp_database_up": ("Whether the figures below could be counted. If it is 0 they are missing.", ()),
    "idp_sessions_active": ("Browser sessions that are live.", ()),
    "idp_outbox_messages": ("Messages that wait to be delivered, and those that were given up.", ("state",)),
    "idp_outbox_oldest_waiting_seconds": ("Age of the message that has waited longest; 0 if none waits.", ()),
    "idp_audit_unsealed_events": ("Audit events without a place in the chain yet.", ()),
    "idp_audit_oldest_unsealed_seconds": ("Age of the oldest of them; 0 if there is none.", ()),
    "idp_audit_last_head_timestamp_seconds": ("When the chain was last signed; missing if never.", ()),
    "idp_sign_ins_1d": ("Sign-ins of the last day, by method and outcome.", ("method", "outcome")),
    "idp_sign_in_success_ratio_1d": ("Succeeded of those that were looked at; missing without any.", ("method",)),
    "idp_people_signed_in_1d": ("Different users who signed in during the last day.", ()),
    "idp_second_steps_1d": ("Second factors asked for during the last day, by outcome.", ("outcome",)),
    "idp_registrations_1d": ("Registrations begun during the last day, and those of them completed.", ("stage",)),
    "idp_registration_conversion_ratio_1d": ("Completed of begun; missing if none was begun.", ()),
    "idp_password_resets_1d": ("Password resets asked for during the last day, and completed.", ("stage",)),
    "idp_password_reset_completion_ratio_1d": ("Completed of asked for; missing if nobody asked.", ()),
    "idp_active_users": ("Active users, by whether they have a second factor.", ("second_factor",)),
    "idp_mfa_adoption_ratio": ("The share of active users who have one; missing without users.", ()),
    "idp_sso_success_ratio_1d": ("As above, of sign-ins by way of other identity providers.", ()),
}
"""Each with its description and its labels."""

_Sample = tuple[str, tuple[str, ...], float | None]


class Figures:
    """Counted at most every FRESH_SECONDS, by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0
        self._samples: list[_Sample] = []

    def collect(self) -> Iterator[Metric]:
        """The figures as Prometheus knows them. Needs an application context."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._samples = list(_count())
                self._until = time.monotonic() + FRESH_SECONDS
            samples = self._samples
        families: dict[str, GaugeMetricFamily] = {}
        for name, labels, value in samples:
            if value is not None:
                text, names = GAUGES[name]
                family = families.setdefault(name, GaugeMetricFamily(name, text, labels=names))
                family.add_metric(labels, value)
        yield from families.values()


def _count() -> Iterable[_Sample]:
    yield "idp_build_info", (__version__,), 1
    try:
        counted = [*_state(), *_product(measure(now() - WINDOW, now()))]
    except IdpError as error:
        log.warning("the figures could not be counted", error=str(error))
        yield "idp_database_up", (), 0
        return
    yield "idp_database_up", (), 1
    yield from counted


def _state() -> Iterator[_Sample]:
    moment = now()
    live = (SessionRow.ended_at.is_(None), SessionRow.expires_at > moment, SessionRow.idle_expires_at > moment)
    waiting = OutboxMessage.state == "waiting"
    unsealed = AuditEvent.sealed_at.is_(None)
    with reading() as connection:

        def one(query: Any) -> Any:
            return connection.execute(query).one()

        yield "idp_sessions_active", (), one(select(func.count()).select_from(SessionRow).where(*live))[0]
        count, oldest = one(select(func.count(), func.min(OutboxMessage.created_at)).where(waiting))
        yield "idp_outbox_messages", ("waiting",), count
        yield "idp_outbox_oldest_waiting_seconds", (), _age(oldest)
        failed = select(func.count()).select_from(OutboxMessage).where(OutboxMessage.state == "failed")
        yield "idp_outbox_messages", ("failed",), one(failed)[0]
        count, oldest = one(select(func.count(), func.min(AuditEvent.at)).where(unsealed))
        yield "idp_audit_unsealed_events", (), count
        yield "idp_audit_oldest_unsealed_seconds", (), _age(oldest)
        (signed_at,) = one(select(func.max(AuditHead.signed_at)))
        yield "idp_audit_last_head_timestamp_seconds", (), signed_at and signed_at.timestamp()


def _product(metrics: ProductMetrics) -> Iterator[_Sample]:
    for method, attempts in metrics.sign_ins.items():
        yield from (("idp_sign_ins_1d", (method, outcome), count) for outcome, count in _outcomes(attempts))
        yield "idp_sign_in_success_ratio_1d", (method,), attempts.rate
    yield "idp_people_signed_in_1d", (), metrics.people
    yield from (("idp_second_steps_1d", (outcome,), count) for outcome, count in _outcomes(metrics.second_steps))
    yield from _funnel("idp_registrations_1d", "idp_registration_conversion_ratio_1d", metrics.registrations)
    yield from _funnel("idp_password_resets_1d", "idp_password_reset_completion_ratio_1d", metrics.password_resets)
    with_factor = metrics.mfa.with_second_factor
    yield "idp_active_users", ("yes",), with_factor
    yield "idp_active_users", ("no",), metrics.mfa.active_users - with_factor
    yield "idp_mfa_adoption_ratio", (), metrics.mfa.rate
    yield "idp_sso_success_ratio_1d", (), metrics.sso.rate


def _outcomes(attempts: Attempts) -> tuple[tuple[str, int], ...]:
    return (
        ("succeeded", attempts.succeeded),
        ("failed", attempts.failed),
        ("throttled", attempts.throttled),
    )


def _funnel(counts: str, ratio: str, funnel: Funnel) -> Iterator[_Sample]:
    yield counts, ("begun",), funnel.begun
    yield counts, ("completed",), funnel.completed
    yield ratio, (), funnel.rate


def _age(moment: Any) -> float:
    return 0.0 if moment is None else max(0.0, (now() - moment).total_seconds())
