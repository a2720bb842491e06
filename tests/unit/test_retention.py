"""What is over leaves after its time, in batches, and nothing else does."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert

from idp.core.clock import now
from idp.core.events import Event
from idp.core.randomness import new_id
from idp.core.setting_sections import Retention as RetentionSettings
from idp.core.setting_sections import Throttle as ThrottleSettings
from idp.engine.evidence import Evidence
from idp.engine.lifecycle.retention import Retention
from idp.services.keys.keyset import Keyset
from idp.services.limits.throttle import Throttle
from idp.services.outbox import Outbox
from idp.storage import batches
from idp.storage.db import db, transaction
from idp.storage.tables import AuditEvent, AuditSeal, SessionRow, ThrottleRow, TokenFamily
from tests.helpers.evidence import SEALER, SETTINGS, publish, rsa_key
from tests.helpers.identity import House

DAY = timedelta(days=1)


def retention(house: House, **settings: int) -> Retention:
    throttle, evidence = Throttle(ThrottleSettings()), Evidence(SETTINGS, Keyset(SETTINGS, SEALER))
    return Retention(RetentionSettings(**settings), house.sessions, throttle, evidence, Outbox(), stores=())


def events_aged(house: House, *days: int) -> None:
    """Audit events of these ages, each in its place in the chain."""
    publish(rsa_key())
    rows = [
        {"id": new_id(), "at": now() - age * DAY, "event": Event.KEY_CREATED.value, "actor": "system", "details": {}}
        for age in days
    ]
    with transaction() as connection:
        connection.execute(insert(AuditEvent), rows)
    house.audit.seal()


def test_audit_events_have_their_time(house: House) -> None:
    events_aged(house, 1, 399, 401, 4000)
    tasks = retention(house, audit_days=400).tasks(now())
    assert tasks["audit events"]() == 2
    assert tasks["audit events"]() == 0
    assert house.count(AuditEvent) == house.count(AuditSeal) == 2


def test_audit_events_may_stay_for_ever(house: House) -> None:
    assert "audit events" not in retention(house, audit_days=0).tasks(now())


def test_sessions_and_families(house: House) -> None:
    ann, client = house.person().id, house.client()
    house.sessions.open(ann, ["pwd"], "1")
    house.family(ann, client, None)
    tasks = retention(house, session_days=30, token_family_days=7).tasks(now())
    assert tasks["sessions"]() == tasks["token families"]() == 0
    later = retention(house, session_days=30, token_family_days=7).tasks(now() + 61 * DAY)
    assert later["sessions"]() == 1
    assert later["token families"]() == 1
    assert house.count(SessionRow) == house.count(TokenFamily) == 0


def test_no_transaction_is_large(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PAUSE_SECONDS", 0)
    past = {"failures": 1, "window_started_at": now(), "last_failure_at": now(), "expires_at": now() - DAY}
    rows = [{"key": f"limit:{number}", **past} for number in range(2 * batches.BATCH + 1)]
    rows.append({**past, "key": "limit:alive", "expires_at": now() + DAY})
    with transaction() as connection:
        connection.execute(insert(ThrottleRow), rows)
    sizes: list[int] = []

    def note(_c: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("DELETE"):
            sizes.append(cursor.rowcount)

    event.listen(db.engine, "after_cursor_execute", note)
    try:
        assert retention(house).tasks(now())["throttles"]() == 2 * batches.BATCH + 1
    finally:
        event.remove(db.engine, "after_cursor_execute", note)
    assert sizes == [batches.BATCH, batches.BATCH, 1]
    assert house.count(ThrottleRow) == 1
