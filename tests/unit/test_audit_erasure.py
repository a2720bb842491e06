"""Taking a person out of the audit trail: their name, addresses and details go, what happened stays."""

import contextlib
import json
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from idp.core.events import Event
from idp.services.audit import AuditFilter, AuditRecord, AuditTrail, RequestContext, request_context
from idp.services.audit.chain import GENESIS, origin_part, seal_hash, subject_part
from idp.services.audit.erasure import runs_of
from idp.storage.db import db, reading, transaction
from idp.storage.tables import AuditEvent, AuditSeal

HERE = RequestContext("192.0.2.77", "Ada's Browser", "request-of-ada")


@pytest.fixture
def audit(app: Flask) -> AuditTrail:
    return AuditTrail()


def record_life_of_ada(audit: AuditTrail) -> None:
    reset = request_context.set(HERE)
    try:
        audit.record(Event.SIGN_IN_FAILED, actor="anonymous", user_id="ada", reason="mistyped by ada")
        audit.record(Event.SIGN_IN_SUCCEEDED, user_id="ada", client_id="shop", session_id="session-of-ada")
        audit.record(Event.TOKEN_ISSUED, actor="client:shop", user_id="ada", client_id="shop", note="for ada")
        audit.record(Event.USER_DEACTIVATED, actor="user:ada", user_id="bob", reason="bob was rude")
    finally:
        request_context.reset(reset)
    audit.record(Event.USER_UPDATED, actor="operator", user_id="ada", fields=["name"])
    audit.record(Event.USER_UPDATED, actor="user:adana", user_id="adam", fields=["name"])


def everything(audit: AuditTrail) -> str:
    return json.dumps([[getattr(record, name) for name in record.__slots__] for record in audit.tail()], default=str)


def erase(audit: AuditTrail, user_id: str, **options: Any) -> int:
    with transaction():
        return audit.pseudonymise(user_id, **options)


@pytest.mark.parametrize("seal_before", [True, False])
def test_an_erased_person_leaves_no_trace_but_a_pseudonym(audit: AuditTrail, seal_before: bool) -> None:
    record_life_of_ada(audit)
    if seal_before:
        audit.seal()
    assert erase(audit, "ada") == 5
    told = everything(audit)
    for trace in ('"ada"', ':ada"', "192.0.2.77", "Browser", "request-of-ada", "session-of-ada", "by ada", "for ada"):
        assert trace not in told
    assert "bob was rude" in told, "what is about somebody else stays"
    assert "user:adana" in told
    about = [record for record in audit.tail() if record.user_id and record.user_id.startswith("erased-")]
    (pseudonym,) = {record.user_id for record in about}
    assert len({record.actor for record in audit.tail()} & {f"user:{pseudonym}", "client:shop", "operator"}) == 3


def test_what_an_operator_did_keeps_where_it_came_from(audit: AuditTrail) -> None:
    reset = request_context.set(RequestContext("198.51.100.1", "Admin Console", "r-9"))
    try:
        audit.record(Event.USER_DEACTIVATED, actor="user:root", user_id="ada", reason="fraud")
    finally:
        request_context.reset(reset)
    erase(audit, "ada")
    (record,) = audit.tail(event=Event.USER_DEACTIVATED)
    assert (record.actor, record.ip_address, record.details) == ("user:root", "198.51.100.1", {})


def test_an_erasure_says_which_places_it_changed(audit: AuditTrail) -> None:
    record_life_of_ada(audit)
    audit.seal()
    erase(audit, "ada", actor="operator")
    told = {record.details["part"]: record.details["places"] for record in audit.tail(event=Event.AUDIT_ERASED)}
    assert told == {"subject": [[1, 3], [5, 5]], "origin": [[1, 4]]}
    assert {record.actor for record in audit.tail(event=Event.AUDIT_ERASED)} == {"operator"}


def test_who_erases_themselves_does_not_enter_the_trail_again(audit: AuditTrail) -> None:
    record_life_of_ada(audit)
    audit.seal()
    reset = request_context.set(HERE)
    try:
        erase(audit, "ada", actor="user:ada")
        assert request_context.get() == HERE
    finally:
        request_context.reset(reset)
    assert "192.0.2.77" not in everything(audit)
    assert all(record.actor == f"user:{record.user_id}" for record in audit.tail(event=Event.AUDIT_ERASED))


def test_an_erasure_that_is_rolled_back_never_was(audit: AuditTrail) -> None:
    record_life_of_ada(audit)
    before = everything(audit)
    with contextlib.suppress(ZeroDivisionError), transaction():
        assert audit.pseudonymise("ada") == 5
        raise ZeroDivisionError
    assert everything(audit) == before


def test_nobody_is_erased_from_nothing(audit: AuditTrail) -> None:
    assert erase(audit, "ada") == 0
    assert audit.tail() == []


def test_every_event_gets_a_seal_over_itself_and_the_one_before(audit: AuditTrail) -> None:
    record_life_of_ada(audit)
    assert audit.seal() == 6
    assert audit.seal() == 0
    audit.record(Event.KEY_CREATED, kid="ü", count=2**70)
    assert audit.seal() == 1
    with reading() as connection:
        rows = connection.execute(
            select(*AuditEvent.__table__.c, *AuditSeal.__table__.c)
            .join_from(AuditEvent, AuditSeal, AuditSeal.event_id == AuditEvent.id)
            .order_by(AuditSeal.sequence)
        ).mappings().all()  # fmt: skip
    assert [row["sequence"] for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    previous = GENESIS
    for row in rows:
        assert subject_part(row, row["subject_salt"]).digest == row["subject_digest"]
        assert origin_part(row, row["origin_salt"]).digest == row["origin_digest"]
        previous = seal_hash(previous, "main", row["sequence"], row, row["subject_digest"], row["origin_digest"])
        assert previous == row["hash"]
        assert row["sealed_at"] >= row["at"]


def test_streams_have_chains_of_their_own(audit: AuditTrail) -> None:
    for stream in ("main", "acme", "main", "acme", "acme"):
        audit.record(Event.KEY_CREATED)
        with transaction() as connection:
            newest = audit.tail(1)[0].id
            connection.execute(AuditEvent.__table__.update().where(AuditEvent.id == newest).values(stream=stream))
    assert audit.seal() == 5
    found = sorted((one.stream, one.seal.sequence) for one in audit.export() if one.seal)
    assert found == [("acme", 1), ("acme", 2), ("acme", 3), ("main", 1), ("main", 2)]


def test_the_events_by_a_person_belong_to_those_about_them(audit: AuditTrail) -> None:
    record_life_of_ada(audit)
    assert len(audit.tail(user_id="ada")) == 5
    assert len(audit.tail(user_id="bob")) == 1
    exported = list(audit.export(AuditFilter(user_id="ada", event=Event.USER_DEACTIVATED)))
    assert [one.record.actor for one in exported] == ["user:ada"]
    moment = audit.tail(1)[0].at
    assert len(audit.newest(9, AuditFilter(since=moment))) == 1
    assert len(audit.newest(9, AuditFilter(until=moment))) == 5


def test_runs() -> None:
    assert runs_of([]) == []
    assert runs_of([5, 1, 2, 3, 9]) == [[1, 3], [5, 5], [9, 9]]


def test_long_lists_of_places_are_told_in_portions(audit: AuditTrail) -> None:
    for number in range(1100):
        audit.record(Event.TOKEN_ISSUED, actor="client:shop", user_id="ada" if number % 2 else "bob")
    audit.seal()
    assert erase(audit, "ada") == 550
    told: list[AuditRecord] = audit.tail(event=Event.AUDIT_ERASED)
    places = [run for record in told if record.details["part"] == "subject" for run in record.details["places"]]
    assert sorted(places) == [[number, number] for number in range(2, 1101, 2)]
    assert max(len(record.details["places"]) for record in told) == 500


def test_what_a_person_did_to_others_is_found_by_an_index_of_its_own(audit: AuditTrail) -> None:
    """A partial one, which databases recognise by its very words. PostgreSQL chooses it only for larger tables."""
    if db.engine.dialect.name != "sqlite":
        pytest.skip("the plan is asked of SQLite")
    query = select(AuditEvent.id).where(*AuditFilter(user_id="ada").conditions())
    with reading() as connection:
        compiled = str(query.compile(db.engine, compile_kwargs={"literal_binds": True}))
        plan = " ".join(str(row) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}"))
    assert "ix_audit_events_user_id_at" in plan
    assert "ix_audit_events_actor_at" in plan
    assert "SCAN" not in plan
