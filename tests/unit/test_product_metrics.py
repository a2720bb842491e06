"""What the product metrics count, and what they make of nothing."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import insert

from idp.core.clock import now
from idp.core.events import Event
from idp.engine.product_metrics import Attempts, ProductMetrics, measure
from idp.services.audit import AuditTrail
from idp.storage.db import transaction
from idp.storage.tables import TotpCredential, UserRow

HOUR = timedelta(hours=1)


@pytest.fixture
def audit(app: Flask) -> AuditTrail:
    return AuditTrail()


def measured(since: datetime | None = None, until: datetime | None = None) -> ProductMetrics:
    return measure(since or now() - HOUR, until or now() + HOUR)


def test_nothing_is_made_of_nothing(audit: AuditTrail) -> None:
    found = measured()
    rates = (found.all_sign_ins, found.second_steps, found.registrations, found.password_resets, found.mfa, found.sso)
    assert [one.rate for one in rates] == [None] * 6
    assert (found.sign_ins, found.people) == ({}, 0)


def test_sign_ins_by_method(audit: AuditTrail) -> None:
    for user in ("ada", "bob", "ada"):
        audit.record(Event.SIGN_IN_SUCCEEDED, user_id=user, amr=["pwd"])
    audit.record(Event.SIGN_IN_FAILED, reason="wrong password")
    audit.record(Event.SIGN_IN_THROTTLED, reason="failures")
    audit.record(Event.SIGN_IN_THROTTLED, reason="failures")
    audit.record(Event.SIGN_IN_SUCCEEDED, user_id="eve", method="upstream")
    audit.record(Event.SIGN_IN_FAILED, method="upstream")
    audit.record(Event.MFA_FAILED, user_id="ada")
    audit.record(Event.MFA_SUCCEEDED, user_id="ada")
    audit.record(Event.TOKEN_ISSUED, user_id="ada")
    found = measured()
    assert found.sign_ins == {"password": Attempts(3, 1, 2), "upstream": Attempts(1, 1, 0)}
    assert found.sign_ins["password"].rate == 0.75
    assert found.all_sign_ins == Attempts(4, 2, 2)
    assert (found.sso.rate, found.people, found.second_steps.rate) == (0.5, 3, 0.5)


def test_the_window_begins_with_its_first_instant_and_ends_before_its_last(audit: AuditTrail) -> None:
    moment = now()
    for minutes in (-60, 0, 30, 60):
        with time_machine.travel(moment + timedelta(minutes=minutes), tick=False):
            audit.record(Event.SIGN_IN_SUCCEEDED, user_id="ada")
    assert measured(moment, moment + HOUR).all_sign_ins.succeeded == 2


def test_a_registration_counts_once_and_is_completed_by_its_own_end(audit: AuditTrail) -> None:
    for attempt in ("a", "a", "b", "c", "d"):
        audit.record(Event.REGISTRATION_STARTED, attempt=attempt)
    audit.record(Event.REGISTRATION_STARTED)
    for attempt in ("a", "c", "from-before"):
        audit.record(Event.USER_REGISTERED, user_id=f"user-{attempt}", attempt=attempt)
    audit.record(Event.USER_REGISTERED, user_id="imported")
    found = measured().registrations
    assert (found.begun, found.completed, found.rate) == (5, 2, 0.4)


def test_what_was_begun_in_the_window_may_be_completed_after_it(audit: AuditTrail) -> None:
    start = now()
    audit.record(Event.REGISTRATION_STARTED, attempt="a")
    with time_machine.travel(start + 2 * HOUR, tick=False):
        audit.record(Event.USER_REGISTERED, user_id="u", attempt="a")
    assert measured(start - HOUR, start + HOUR).registrations.rate == 1.0
    assert measured(start + HOUR, start + 3 * HOUR).registrations.rate is None


def test_password_resets_of_accounts_that_are_there(audit: AuditTrail) -> None:
    audit.record(Event.PASSWORD_RESET_REQUESTED, user_id="ada", attempt="1")
    audit.record(Event.PASSWORD_RESET_REQUESTED, user_id="bob", attempt="2")
    audit.record(Event.PASSWORD_RESET_REQUESTED, attempt="3", reason="unknown address")
    audit.record(Event.PASSWORD_RESET_COMPLETED, user_id="bob", attempt="2")
    found = measured().password_resets
    assert (found.begun, found.completed, found.rate) == (2, 1, 0.5)


def test_who_was_erased_still_counts(audit: AuditTrail) -> None:
    audit.record(Event.SIGN_IN_SUCCEEDED, user_id="ada")
    audit.record(Event.SIGN_IN_SUCCEEDED, user_id="ada")
    with transaction():
        audit.pseudonymise("ada")
    found = measured()
    assert (found.all_sign_ins.succeeded, found.people) == (2, 1)


def test_adoption_of_second_factors_among_active_users(app: Flask) -> None:
    def user(name: str, status: str = "active", **totp: Any) -> None:
        moment = now()
        with transaction() as connection:
            connection.execute(insert(UserRow).values(id=name, status=status, created_at=moment, updated_at=moment))
            if totp:
                connection.execute(insert(TotpCredential).values(user_id=name, sealed_seed=b"x", **totp))

    user("with", confirmed_at=now())
    user("begun", confirmed_at=None)
    user("without")
    user("gone", status="inactive", confirmed_at=now())
    found = measured().mfa
    assert (found.active_users, found.with_second_factor) == (3, 1)
    assert found.rate == pytest.approx(1 / 3)
