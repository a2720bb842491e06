"""The chain of audit events: whatever is done to the trail behind its back is found, and where."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import insert, select, text

from idp.core.clock import now
from idp.core.events import Event
from idp.engine.evidence import UntrustedStatement
from idp.engine.evidence import evidence as evidence_module
from idp.services.audit import BrokenChain, RequestContext, request_context
from idp.services.audit.chain import origin_part, seal_hash, subject_part
from idp.services.keys.signer import generate_key
from idp.storage.db import db, reading, transaction
from idp.storage.tables import AuditEvent, AuditSeal
from tests.helpers.evidence import Archive, open_archive, publish, rsa_key, tamper

DAY = timedelta(days=1)


@pytest.fixture
def archive(app: Flask) -> Iterator[Archive]:
    reset = request_context.set(RequestContext("192.0.2.1", "Mozilla", "request-1"))
    try:
        yield open_archive()
    finally:
        request_context.reset(reset)


def event_id(sequence: int) -> str:
    with reading() as connection:
        return str(connection.execute(select(AuditSeal.event_id).where(AuditSeal.sequence == sequence)).scalar_one())


def is_sqlite() -> bool:
    return db.engine.dialect.name == "sqlite"


def test_an_untouched_trail_is_intact(archive: Archive) -> None:
    archive.fill(7)
    archive.sign()
    archive.fill(3)
    archive.audit.record(Event.KEY_CREATED)
    report = archive.verify()
    assert report.is_intact
    (stream,) = report.streams
    assert (stream.stream, stream.first, stream.last, stream.events, stream.heads) == ("main", 1, 10, 10, 1)
    assert report.unsealed == 1
    assert report.oldest_unsealed_seconds is not None


def test_an_empty_trail_is_intact(archive: Archive) -> None:
    report = archive.verify()
    assert (report.is_intact, report.streams, report.unsealed) == (True, [], 0)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("event", "'sign_in:failed'"),
        ("actor", "'operator'"),
        ("actor", "'user:somebody'"),
        ("user_id", "'somebody'"),
        ("user_id", "NULL"),
        ("client_id", "NULL"),
        ("client_id", "'shop2'"),
        ("session_id", "NULL"),
        ("ip_address", "'203.0.113.9'"),
        ("ip_address", "NULL"),
        ("user_agent", "NULL"),
        ("request_id", "'other'"),
        ("details", "'{\"number\": 3.0}'"),
        ("details", "'{}'"),
        ("details", "'[]'"),
        ("stream", "'elsewhere'"),
        ("sealed_at", "NULL"),
        ("at", "'2020-01-02 03:04:05.000000'"),
    ],
)
def test_no_column_can_be_changed_unnoticed(archive: Archive, column: str, value: str) -> None:
    archive.fill(5)
    assert tamper(f"UPDATE audit_events SET {column} = {value} WHERE id = :id", id=event_id(4)) == 1
    assert archive.problems() == [(4, "altered")]


@pytest.mark.parametrize(("column", "value"), [("at", "'soon'"), ("details", "'{'"), ("actor", "x'00'")])
def test_rubbish_in_a_column_is_found_and_the_rest_is_still_verified(archive: Archive, column: str, value: str) -> None:
    if not is_sqlite():
        pytest.skip("PostgreSQL keeps rubbish out")
    archive.fill(9)
    tamper(f"UPDATE audit_events SET {column} = {value} WHERE id = :id", id=event_id(4))
    tamper("UPDATE audit_events SET user_id = 'x' WHERE id = :id", id=event_id(8))
    assert archive.problems() == [(4, "altered"), (8, "altered")]


@pytest.mark.parametrize("column", ["subject_digest", "origin_digest", "hash", "subject_salt", "origin_salt"])
def test_no_seal_can_be_changed_unnoticed(archive: Archive, column: str) -> None:
    archive.fill(5)
    other = "x'" + "ab" * 32 + "'" if is_sqlite() else "decode('" + "ab" * 32 + "', 'hex')"
    tamper(f"UPDATE audit_seals SET {column} = {other} WHERE sequence = 4")
    # Another hash also leaves the next event without a predecessor.
    assert archive.problems()[0] == (4, "altered")
    assert {place for place, _ in archive.problems()} <= {4, 5}


def test_events_deleted_in_the_middle_are_missed(archive: Archive) -> None:
    archive.fill(8)
    tamper("DELETE FROM audit_events WHERE id = :id", id=event_id(3))
    assert archive.problems() == [(3, "missing")]
    tamper("DELETE FROM audit_seals WHERE sequence = 3")
    assert archive.problems() == [(3, "missing")]
    tamper("DELETE FROM audit_seals WHERE sequence IN (4, 5)")
    assert (3, "missing") in archive.problems()


def test_a_cut_off_end_is_missed(archive: Archive) -> None:
    archive.fill(8)
    last = event_id(8)
    tamper("DELETE FROM audit_seals WHERE sequence = 8")
    tamper("DELETE FROM audit_events WHERE id = :id", id=last)
    assert archive.problems() == [(8, "truncated")]


def cut_off(after: int) -> None:
    """As somebody would who knows how it works."""
    tamper("DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_seals WHERE sequence > :n)", n=after)
    tamper("DELETE FROM audit_seals WHERE sequence > :n", n=after)
    tamper("UPDATE audit_streams SET sequence = :n, hash = (SELECT hash FROM audit_seals WHERE sequence = :n)", n=after)


def test_an_end_cut_off_with_care_contradicts_the_signed_head(archive: Archive) -> None:
    archive.fill(8)
    kept = archive.sign()
    cut_off(5)
    assert archive.problems() == [(6, "truncated")]
    tamper("DELETE FROM audit_heads")
    assert archive.problems() == [], "whoever removes the heads as well is only found out ..."
    assert archive.problems(*kept) == [(6, "truncated")], "... by one that was kept elsewhere"


def test_a_trail_that_vanishes_altogether_contradicts_the_signed_head(archive: Archive) -> None:
    archive.fill(3)
    kept = archive.sign()
    for table in ("audit_events", "audit_seals", "audit_streams"):
        tamper(f"DELETE FROM {table}")
    assert archive.problems() == [(1, "truncated")]
    tamper("DELETE FROM audit_heads")
    assert archive.problems(*kept) == [(1, "truncated")]


def test_events_that_change_places_are_noticed(archive: Archive) -> None:
    archive.fill(6)
    second, fifth = event_id(2), event_id(5)
    for sequence, other in ((2, "-"), (5, second), (2, fifth)):
        tamper("UPDATE audit_seals SET event_id = :id WHERE sequence = :n", id=other, n=sequence)
    assert {place for place, _ in archive.problems()} == {2, 5}


def reseal(after: int) -> None:
    """Make the chain anew from there on, as it is computed."""
    with transaction() as connection:
        rows = connection.execute(
            select(*AuditEvent.__table__.c, AuditSeal.sequence, AuditSeal.hash)
            .join_from(AuditSeal, AuditEvent, AuditSeal.event_id == AuditEvent.id)
            .order_by(AuditSeal.sequence)
        ).mappings().all()  # fmt: skip
        previous = next(row["hash"] for row in rows if row["sequence"] == after)
        for row in rows:
            if row["sequence"] <= after:
                continue
            subject, origin = subject_part(row), origin_part(row)
            previous = seal_hash(previous, "main", row["sequence"], row, subject.digest, origin.digest)
            values = {
                "subject_salt": subject.salt, "subject_digest": subject.digest,
                "origin_salt": origin.salt, "origin_digest": origin.digest, "hash": previous,
            }  # fmt: skip
            connection.execute(AuditSeal.__table__.update().where(AuditSeal.sequence == row["sequence"]).values(values))
        connection.execute(text("UPDATE audit_streams SET hash = :hash"), {"hash": previous})


def test_a_chain_that_was_made_anew_contradicts_the_signed_head(archive: Archive) -> None:
    archive.fill(6)
    kept = archive.sign()
    tamper("UPDATE audit_events SET user_id = 'scapegoat' WHERE id = :id", id=event_id(3))
    reseal(after=2)
    assert archive.problems() == [(6, "forked")]
    tamper("DELETE FROM audit_heads")
    assert archive.problems() == []
    assert archive.problems(*kept) == [(6, "forked")]


def forged(**values: Any) -> dict[str, Any]:
    row = {"id": "forged", "at": now(), "event": "user:created", "actor": "operator", "details": {}, "stream": "main"}
    return {**row, **values}


def test_an_event_that_pretends_to_be_sealed_is_noticed(archive: Archive) -> None:
    archive.fill(3)
    with transaction() as connection:
        connection.execute(insert(AuditEvent), forged(sealed_at=now()))
    assert archive.problems() == [(None, "inserted")]
    assert archive.audit.seal() == 0


def test_an_event_put_in_between_needs_a_place_and_has_none(archive: Archive) -> None:
    archive.fill(5)
    archive.sign()
    with transaction() as connection:
        connection.execute(insert(AuditEvent), forged(sealed_at=now()))
        # Room is made: the later ones move on.
        for sequence in (5, 4, 3):
            connection.execute(text("UPDATE audit_seals SET sequence = :n + 1 WHERE sequence = :n"), {"n": sequence})
        connection.execute(
            insert(AuditSeal).values(
                stream="main", sequence=3, event_id="forged", subject_salt=b"", subject_digest=b"", origin_salt=b"",
                origin_digest=b"", hash=b"",
            )
        )  # fmt: skip
        connection.execute(text("UPDATE audit_streams SET sequence = 6"))
    reseal(after=2)
    assert archive.problems() == [(5, "forked")]


def test_seals_behind_the_end_are_noticed_and_stop_the_sealing(archive: Archive) -> None:
    archive.fill(5)
    with reading() as connection:
        fourth = connection.execute(select(AuditSeal.hash).where(AuditSeal.sequence == 4)).scalar_one()
    tamper("UPDATE audit_streams SET sequence = 4, hash = :hash", hash=fourth)
    assert archive.problems() == [(5, "forked")]
    archive.audit.record(Event.KEY_CREATED)
    with pytest.raises(BrokenChain, match="audit verify"):
        archive.audit.seal()


def test_an_event_is_sealed_once_whoever_takes_its_mark_off(archive: Archive) -> None:
    archive.fill(3)
    tamper("UPDATE audit_events SET sealed_at = NULL WHERE id = :id", id=event_id(2))
    with pytest.raises(BrokenChain, match="audit verify"):
        archive.audit.seal()
    assert archive.problems() == [(2, "altered")]


def test_an_event_that_cannot_be_read_stops_the_sealing_in_words(archive: Archive) -> None:
    if not is_sqlite():
        pytest.skip("PostgreSQL keeps rubbish out")
    archive.audit.record(Event.KEY_CREATED)
    tamper("UPDATE audit_events SET details = '{'")
    with pytest.raises(BrokenChain, match="cannot be read"):
        archive.audit.seal()


# People who were taken out


def test_an_erasure_leaves_the_chain_intact(archive: Archive) -> None:
    archive.fill(6)
    kept = archive.sign()
    assert archive.erase("user-1") == 2
    report = archive.verify(*kept)
    assert report.findings == []
    assert (report.streams[0].erased, report.streams[0].erasures) == (2, 2), "also while the erasure waits for its seal"
    archive.audit.seal()
    report = archive.verify(*kept)
    assert (report.findings, report.streams[0].erased, report.streams[0].erasures) == ([], 2, 2)
    assert archive.erase("user-2") == 2
    archive.fill(3)
    assert archive.verify(*kept).findings == []


def test_who_was_erased_before_their_events_were_sealed_is_sealed_without_a_name(archive: Archive) -> None:
    archive.audit.record(Event.SIGN_IN_SUCCEEDED, user_id="ada")
    archive.erase("ada")
    archive.audit.seal()
    report = archive.verify()
    assert (report.findings, report.streams[0].erased) == ([], 0)


@pytest.mark.parametrize("part", ["subject", "origin"])
def test_what_was_hidden_under_the_name_of_an_erasure_is_noticed(archive: Archive, part: str) -> None:
    archive.fill(5)
    tamper(f"UPDATE audit_seals SET {part}_salt = NULL WHERE sequence = 3")
    tamper("UPDATE audit_events SET user_id = 'erased-x', details = '{}' WHERE id = :id", id=event_id(3))
    assert (3, "erasure forged") in archive.problems()


def test_a_real_erasure_does_not_cover_for_others(archive: Archive) -> None:
    archive.fill(6)
    archive.erase("user-1")  # places 2 and 5
    archive.audit.seal()
    tamper("UPDATE audit_seals SET subject_salt = NULL, origin_salt = NULL WHERE sequence = 3")
    assert archive.problems() == [(3, "erasure forged"), (3, "erasure forged")]


@pytest.mark.parametrize(
    "change", ["user_id = 'bob'", "actor = 'user:bob'", "ip_address = '192.0.2.5'", "details = '{\"guilty\": true}'"]
)
def test_nothing_is_put_into_the_place_of_an_erased_person(archive: Archive, change: str) -> None:
    archive.fill(6)
    archive.erase("user-1")
    archive.audit.seal()
    tamper(f"UPDATE audit_events SET {change} WHERE id = :id", id=event_id(5))
    assert archive.problems() == [(5, "erasure forged")]


def test_who_it_was_in_kind_stays_proven_when_a_person_was_erased(archive: Archive) -> None:
    archive.audit.record(Event.TOKEN_ISSUED, actor="client:shop", user_id="ada", client_id="shop")
    archive.audit.record(Event.SIGN_IN_SUCCEEDED, user_id="ada")
    archive.audit.seal()
    archive.erase("ada")
    for sequence in (1, 2):
        tamper("UPDATE audit_events SET actor = 'operator' WHERE id = :id", id=event_id(sequence))
    assert archive.problems() == [(1, "altered"), (2, "altered")]


def test_an_erased_person_who_is_back_is_noticed(archive: Archive) -> None:
    """KY4: a backup from before the erasure was restored, and the trail since then put over it."""
    archive.fill(6)
    with reading() as connection:
        event = connection.execute(select(AuditEvent.__table__).where(AuditEvent.id == event_id(2))).mappings().one()
        seal = connection.execute(select(AuditSeal.__table__).where(AuditSeal.sequence == 2)).mappings().one()
    archive.erase("user-1")
    archive.audit.seal()
    with transaction() as connection:
        connection.execute(AuditEvent.__table__.update().where(AuditEvent.id == event["id"]).values(dict(event)))
        connection.execute(AuditSeal.__table__.update().where(AuditSeal.sequence == 2).values(dict(seal)))
    assert archive.problems() == [(2, "erasure undone"), (2, "erasure undone")]


def test_an_erasure_speaks_of_what_was_before_it(archive: Archive) -> None:
    """Nobody licenses today what they are going to hide tomorrow."""
    archive.audit.record(
        Event.AUDIT_ERASED, actor="system", user_id="erased-x", stream="main", part="subject", places=[[1, 99]]
    )
    archive.fill(3)
    hidden = "UPDATE audit_events SET user_id = 'erased-x', session_id = NULL, details = '{}' WHERE id = :id"
    tamper(hidden, id=event_id(3))
    tamper("UPDATE audit_seals SET subject_salt = NULL WHERE sequence = 3")
    assert archive.problems() == [(3, "erasure forged")]


# What leaves when its time has come


def aged(archive: Archive, days: int, count: int = 4) -> None:
    with time_machine.travel(now() - days * DAY, tick=False):
        archive.fill(count)


def test_what_is_deleted_in_time_leaves_a_checkpoint(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_module, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(evidence_module, "BATCH", 3)
    aged(archive, 20)
    kept = archive.sign()
    aged(archive, 15)
    archive.fill(2)
    kept += archive.sign()
    assert archive.evidence.purge(now() - 10 * DAY) == 8
    report = archive.verify(*kept)
    (stream,) = report.streams
    assert (report.findings, stream.first, stream.last, stream.checkpoint) == ([], 9, 10, 8)
    assert [head.sequence for head in archive.evidence.signed_heads()] == [10]
    assert archive.evidence.purge(now() - 10 * DAY) == 0
    with time_machine.travel(now() + 11 * DAY, tick=False):
        assert archive.evidence.purge(now() - 10 * DAY) == 2
        assert archive.verify(*kept).findings == [], "also of nothing"
        archive.fill(1)
        assert archive.verify(*kept).findings == []


def test_a_head_of_the_last_place_that_was_deleted_is_compared_with_the_checkpoint(archive: Archive) -> None:
    aged(archive, 20)
    kept = archive.sign()
    archive.fill(2)
    archive.evidence.purge(now() - 10 * DAY)
    assert archive.verify(*kept).streams[0].heads == 2, "the one that is kept elsewhere, and that which is kept here"
    other = archive.evidence._sign("main", "head", 4, b"x" * 32, now())
    assert archive.problems(other.statement) == [(4, "forked")]


def test_what_is_younger_stays_in_front_of_what_is_older(archive: Archive) -> None:
    """A late commit has a later place than its time says: it waits for those before it."""
    archive.fill(2)
    aged(archive, 20)
    assert archive.evidence.purge(now() - 10 * DAY) == 0
    assert archive.verify().streams[0].events == 6


def test_what_is_not_sealed_is_not_deleted(archive: Archive) -> None:
    with time_machine.travel(now() - 20 * DAY, tick=False):
        archive.audit.record(Event.KEY_CREATED)
    assert archive.evidence.purge(now() - 10 * DAY) == 0
    assert archive.verify().unsealed == 1


def test_a_deleted_beginning_without_a_checkpoint_is_missed(archive: Archive) -> None:
    archive.fill(6)
    archive.sign()
    tamper("DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_seals WHERE sequence <= 3)")
    tamper("DELETE FROM audit_seals WHERE sequence <= 3")
    assert archive.problems() == [(1, "missing")]
    tamper("UPDATE audit_heads SET purpose = 'checkpoint', sequence = 3")
    assert "statement" in {problem for _, problem in archive.problems()}, "a head is no checkpoint"


def test_more_than_the_checkpoint_says_is_missed(archive: Archive) -> None:
    aged(archive, 20)
    archive.fill(5)
    archive.evidence.purge(now() - 10 * DAY)
    tamper("DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_seals WHERE sequence <= 6)")
    tamper("DELETE FROM audit_seals WHERE sequence <= 6")
    assert archive.problems() == [(5, "missing")]


def test_what_was_deleted_and_is_back_is_noticed(archive: Archive) -> None:
    aged(archive, 20)
    archive.fill(2)
    with reading() as connection:
        row = dict(connection.execute(select(AuditSeal.__table__).where(AuditSeal.sequence == 2)).mappings().one())
    archive.evidence.purge(now() - 10 * DAY)
    with transaction() as connection:
        connection.execute(insert(AuditSeal), row)
    assert archive.problems() == [(2, "forked")]


def test_an_erasure_survives_the_deletion_of_what_it_changed(archive: Archive) -> None:
    aged(archive, 20)
    archive.fill(4)
    archive.erase("user-1")
    archive.audit.seal()
    archive.evidence.purge(now() - 10 * DAY)
    report = archive.verify()
    assert (report.findings, report.streams[0].erased) == ([], 1)


# Signed heads


def test_heads_are_signed_from_time_to_time_and_only_for_what_is_new(archive: Archive) -> None:
    def due(minutes: int) -> list[int]:
        return [head.sequence for head in archive.evidence.sign_heads(now() + timedelta(minutes=minutes))]

    assert due(0) == []
    archive.fill(3)
    assert due(0) == [3]
    archive.fill(1)
    assert due(10) == []
    assert due(16) == [4]
    assert due(60) == []


def test_nothing_is_signed_that_contradicts_the_chain_or_an_earlier_head(archive: Archive) -> None:
    archive.fill(3)
    tamper("UPDATE audit_streams SET sequence = 2")
    with pytest.raises(BrokenChain, match="not what it was at 2"):
        archive.sign()
    tamper("UPDATE audit_streams SET sequence = 3")
    archive.sign()
    tamper("UPDATE audit_events SET user_id = 'scapegoat' WHERE id = :id", id=event_id(2))
    reseal(after=1)
    archive.fill(2)
    with pytest.raises(BrokenChain, match="not what it was at 3"):
        archive.sign()
    tamper("UPDATE audit_heads SET statement = 'x'")
    with pytest.raises(UntrustedStatement):
        archive.sign()


def test_a_head_is_verified_by_the_key_it_names_long_after_that_key_retired(archive: Archive) -> None:
    archive.fill(3)
    kept = archive.sign()
    with transaction() as connection:
        retired = {"moment": now() + timedelta(seconds=5)}
        connection.execute(
            text("UPDATE signing_keys SET state = 'retired', sealed_private_key = NULL, retired_at = :moment"), retired
        )
    assert archive.verify(*kept).findings == []
    assert archive.verify(*kept).streams[0].heads == 2


def test_a_head_that_a_withdrawn_key_signed_is_not_believed(archive: Archive) -> None:
    archive.fill(3)
    archive.sign()
    tamper("UPDATE signing_keys SET state = 'retired', retired_at = :moment", moment=now() - DAY)
    assert archive.problems() == [(3, "statement")]


def test_a_head_that_a_stranger_signed_is_not_believed(archive: Archive) -> None:
    archive.fill(3)
    stranger = generate_key("RS256")
    tamper("DELETE FROM signing_keys")
    kept = open_archive(stranger).sign()
    tamper("DELETE FROM signing_keys")
    publish(rsa_key())
    assert archive.problems() == [(3, "statement")]
    tamper("DELETE FROM audit_heads")
    assert archive.problems(*kept) == [(3, "statement")]


def test_an_altered_head_is_not_believed(archive: Archive) -> None:
    archive.fill(3)
    (statement,) = archive.sign()
    header, payload, signature = statement.split(".")
    for broken in ("", "x", "a.b.c", f"{header}.{payload}.{signature[::-1]}", f"{header}.e30.{signature}", "é.é.é"):
        assert archive.problems(broken) == [(None, "statement")], broken
    tamper("UPDATE audit_heads SET sequence = 2")
    assert archive.problems() == [(2, "statement")]


def test_many_problems_are_counted(archive: Archive) -> None:
    archive.fill(150)
    tamper("UPDATE audit_events SET client_id = 'x'")
    report = archive.verify()
    assert (report.problems, len(report.findings), report.findings[0].sequence) == (150, 100, 1)
