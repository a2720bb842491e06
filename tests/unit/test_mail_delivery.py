"""From the decision to the mail server and back: one mail for one decision, kept no longer than needed."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import current_app

from idp.core.clock import now
from idp.core.errors import Unavailable
from idp.core.events import Event
from idp.engine.mail import MAIL_LEASE, MAIL_MESSAGE, AlreadyMailed
from idp.services.notify.smtp import ANSWER_SECONDS, SUBMISSION_SECONDS
from idp.services.outbox import Channel, Courier
from idp.services.outbox.outbox import BACKOFF, MOST_REFUSALS, NO_ACCOUNT
from idp.storage.db import transaction
from tests.helpers.backends import Backend
from tests.helpers.mail_server import mail_server
from tests.helpers.post_office import PostOffice, post_office

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
CODE = "314159"


@pytest.fixture
def office(backend: Backend, tmp_path: Path) -> Iterator[PostOffice]:
    with post_office(backend, tmp_path, IDP_SMTP_CONNECTIONS="3") as office:
        yield office


def at(moment: datetime) -> time_machine.travel:
    return time_machine.travel(moment, tick=False)


def test_i8_a_mail_is_written_with_the_decision_or_not_at_all(office: PostOffice) -> None:
    def decide() -> None:
        with transaction():
            office.write("never@example.com")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decide()
    mail_id = office.write()
    assert office.deliver() == {"delivered": 1}
    assert office.deliver() == {}
    (delivery,) = office.server.deliveries
    assert delivery.recipients == ["ann@example.com"]
    assert delivery.message["Message-ID"] == f"<{mail_id}@id.example>"
    assert CODE in delivery.text
    assert CODE in delivery.html


def test_ky1_what_was_mailed_is_sealed_and_then_gone(office: PostOffice, tmp_path: Path) -> None:
    mail_id = office.write()

    def is_in_clear() -> bool:
        files = [path.read_bytes() for path in tmp_path.glob("idp.db*")]
        return CODE in str(office.rows()) or any(CODE.encode() in content for content in files)

    assert office.message(mail_id).sealed_payload
    assert not is_in_clear()
    office.deliver()
    message = office.message(mail_id)
    assert (message.state, message.payload, message.sealed_payload) == ("delivered", {}, None)
    assert not is_in_clear()


def test_a_sealed_mail_opens_in_its_own_row_alone(office: PostOffice) -> None:
    """Whoever can write to the database could otherwise have a code sent to an address of theirs."""
    theirs, mine = office.write("victim@example.com"), office.write("mallory@example.com")
    office.change(mine, sealed_payload=office.message(theirs).sealed_payload)
    assert office.deliver() == {"delivered": 1, "postponed": 1}
    assert [delivery.recipients for delivery in office.server.deliveries] == [["victim@example.com"]]
    assert "cannot be opened" in (office.message(mine).last_error or "")


def test_what_is_over_is_not_sent(office: PostOffice) -> None:
    mail_id = office.write(expires_at=now() - timedelta(seconds=1))
    assert office.deliver() == {"dropped": 1}
    assert office.server.attempts == []
    assert office.message(mail_id).sealed_payload is None


def test_one_request_is_mailed_once(office: PostOffice) -> None:
    """A double click: the second request takes back whatever it did, so that what was mailed stays true."""
    app, barrier = current_app._get_current_object(), threading.Barrier(4)  # type: ignore[attr-defined]

    def click(number: int) -> str:
        with app.app_context():
            barrier.wait()
            try:
                with transaction():
                    office.write(f"other-{number}@example.com")
                    return office.write(once="form 1")
            except AlreadyMailed:
                return "already"

    with ThreadPoolExecutor(4) as pool:
        answers = Counter(pool.map(click, range(4)))
    assert answers.pop("already") == 3
    assert list(answers.values()) == [1]
    assert office.deliver() == {"delivered": 2}, "the mail and the winner's other one"
    with pytest.raises(AlreadyMailed):
        office.write(once="form 1")
    office.write(once="form 2")
    office.write("bob@example.com", once="form 1")
    assert office.deliver() == {"delivered": 2}


def test_what_another_release_writes_waits_for_it(office: PostOffice) -> None:
    with transaction():
        office.provider.mail.put("of_the_next_release", "ann@example.com", locale="en")
        office.provider.mail.put("registration_code", "bob@example.com", locale="en")
    assert office.deliver() == {"postponed": 2}
    errors = {message.recipient: message.last_error or "" for message in office.provider.outbox.list(10)}
    assert "of_the_next_release" in errors["ann@example.com"]
    assert "undefined" in errors["bob@example.com"]
    assert office.server.attempts == []


def test_a_mail_server_that_is_away_for_hours_loses_nothing(backend: Backend, tmp_path: Path) -> None:
    with post_office(backend, tmp_path) as office:
        with at(START):
            mail_id = office.write()
        with mail_server() as elsewhere:
            port = elsewhere.port
        settings = {**office.settings, "IDP_SMTP_URL": f"smtp://127.0.0.1:{port}"}
    with post_office(backend, tmp_path, **settings) as office:
        moment = START
        for wait in BACKOFF[:-1]:
            with at(moment):
                assert office.deliver() == {"postponed": 1}
            moment += wait
        assert moment - START > timedelta(hours=2)
        with mail_server(port=port) as back, at(moment):
            assert office.deliver() == {"delivered": 1}
    (delivery,) = back.deliveries
    assert delivery.message["Message-ID"] == f"<{mail_id}@id.example>"
    assert delivery.message["Date"].datetime == START, "when it was written"


def test_what_is_refused_is_given_up_in_public_and_can_be_tried_again(office: PostOffice) -> None:
    office.server.on_recipient = lambda address: f"550 5.1.1 <{address}>: unknown\x00 user \x1b[31m"
    mail_id = office.write()
    outcomes = []
    for _ in range(MOST_REFUSALS):
        outcomes.append(office.deliver())
        if office.message(mail_id).state == "waiting":
            office.end_lease(mail_id)
    assert outcomes == [{"postponed": 1}] * (MOST_REFUSALS - 1) + [{"failed": 1}]
    message = office.message(mail_id)
    assert message.state == "failed"
    assert "550" in (message.last_error or "")
    assert "ann@" not in (message.last_error or "")
    assert (message.last_error or "").isprintable()
    (event,) = office.provider.audit.tail(10, Event.MESSAGE_FAILED)
    assert event.details["message"] == mail_id
    assert "ann@" not in str(event)
    office.server.on_recipient = lambda address: None
    assert office.provider.outbox.retry_all(MAIL_MESSAGE) == 1
    assert office.deliver() == {"delivered": 1}
    assert len(office.server.deliveries) == 1
    assert office.message(mail_id).sealed_payload is None


def test_a_mail_that_was_given_up_is_gone_with_its_row(office: PostOffice) -> None:
    mail_id = office.write()
    message = office.provider.outbox.claim(MAIL_MESSAGE, 1)[0]
    for _ in range(MOST_REFUSALS):
        office.provider.outbox.not_delivered(message, "no", is_refusal=True)
        office.end_lease(mail_id)
        message = (office.provider.outbox.claim(MAIL_MESSAGE, 1) or [message])[0]
    assert office.message(mail_id).state == "failed"
    assert office.provider.outbox.purge(now() + timedelta(days=1)) == 1
    assert office.rows() == []


def test_when_the_database_is_away_after_the_sending_nothing_is_sent_twice(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise Unavailable("the database is not available")

    first, second = office.write(), office.write("bob@example.com")
    with monkeypatch.context() as broken:
        broken.setattr(type(office.provider.outbox), "delivered", away)
        for _ in range(2):
            with pytest.raises(Unavailable):
                office.deliver()
    assert {office.message(mail_id).state for mail_id in (first, second)} == {"waiting"}
    # Even if the lease has ended meanwhile.
    office.end_lease(first)
    office.end_lease(second)
    assert office.deliver() == {"delivered": 2}
    assert len(office.server.deliveries) == 2


def test_i8_couriers_side_by_side_send_each_mail_once(office: PostOffice) -> None:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    for number in range(30):
        office.write(f"user-{number}@example.com")

    def deliver(_: int) -> dict[str, int]:
        # Each worker has a courier of its own.
        provider = office.provider
        channel = Channel(provider.mail.prepare, forgets=True, at_once=3, lease=MAIL_LEASE)
        with app.app_context():
            return Courier(provider.outbox, provider.audit, {MAIL_MESSAGE: channel}).deliver()

    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(deliver, range(3)))
    assert sum(outcome.get("delivered", 0) for outcome in outcomes) == 30
    assert Counter(d.recipients[0] for d in office.server.deliveries) == {f"user-{n}@example.com": 1 for n in range(30)}
    assert len({d.message["Message-ID"] for d in office.server.deliveries}) == 30


def test_no_more_connections_than_the_server_is_said_to_take(office: PostOffice) -> None:
    lock, here, most = threading.Lock(), 0, 0

    def count(_: object) -> None:
        nonlocal here, most
        with lock:
            here += 1
            most = max(most, here)
        time.sleep(0.05)
        with lock:
            here -= 1

    office.server.on_data = count
    for number in range(12):
        office.write(f"user-{number}@example.com")
    assert office.deliver() == {"delivered": 12}
    assert most == 3


def test_whoever_holds_a_mail_no_more_has_no_say_in_it(office: PostOffice) -> None:
    """The first worker was suspended; the second one is sending while it wakes up."""
    outbox = office.provider.outbox
    mail_id = office.write()
    (early,) = outbox.claim(MAIL_MESSAGE, 1, lease=MAIL_LEASE)
    office.end_lease(mail_id)
    (late,) = outbox.claim(MAIL_MESSAGE, 1, lease=MAIL_LEASE)
    outbox.not_delivered(early, "too late")
    assert office.message(mail_id).next_attempt_at == late.next_attempt_at, "or a third worker would come"
    outbox.delivered(late, forget=True)
    outbox.not_delivered(early, "too late")
    assert office.message(mail_id).state == "delivered"


def test_the_lease_outlives_the_longest_sending() -> None:
    """`test_a_server_that_dribbles_is_hung_up_on` shows that it is the longest."""
    assert MAIL_LEASE.total_seconds() >= SUBMISSION_SECONDS + ANSWER_SECONDS


def test_of_whoever_has_no_account_not_even_the_address_stays(office: PostOffice) -> None:
    stranger, known = office.write("stranger@example.com"), office.write("known@example.com", user_id="u")
    office.deliver()
    assert office.message(stranger).recipient == NO_ACCOUNT
    assert office.message(known).recipient == "known@example.com"
