"""Messages wait until they are delivered: how long, for whom, and what becomes of them."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from idp.core.clock import now
from idp.core.errors import NotFound, Unavailable
from idp.core.events import Event
from idp.services.outbox import Channel, Courier, Dropped, Message, NotDelivered, Outbox
from idp.services.outbox.courier import MOST_AT_ONCE
from idp.services.outbox.outbox import BACKOFF, LEASE, MOST_FOR_ONE, MOST_REFUSALS
from idp.storage.db import transaction
from tests.helpers.identity import House

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
KIND = "greeting"


@pytest.fixture
def outbox(house: House) -> Outbox:
    return Outbox()


def at(moment: datetime) -> time_machine.travel:
    return time_machine.travel(moment, tick=False)


def courier(house: House, outbox: Outbox, send: Callable[[Message], None]) -> Courier:
    return Courier(outbox, house.audit, {KIND: Channel(lambda message: lambda: send(message), to_clients=True)})


def fails(*, is_refusal: bool) -> Callable[[Message], None]:
    def send(_message: Message) -> None:
        raise NotDelivered("not today", is_refusal=is_refusal)

    return send


def only(outbox: Outbox) -> Message:
    (message,) = outbox.list(10)
    return message


def test_what_is_rolled_back_was_never_said(outbox: Outbox) -> None:
    def decide() -> None:
        with transaction():
            outbox.put(KIND, [("ann", {})])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decide()
    assert outbox.claim(KIND, 10) == []


def test_a_claimed_message_is_nobody_elses_until_the_lease_ends(outbox: Outbox) -> None:
    with at(START):
        outbox.put(KIND, [("ann", {"n": 1})])
        (message,) = outbox.claim(KIND, 10)
        assert (message.recipient, message.payload, message.attempts) == ("ann", {"n": 1}, 1)
    with at(START + LEASE - timedelta(seconds=1)):
        assert outbox.claim(KIND, 10) == []
    with at(START + LEASE):
        assert [again.attempts for again in outbox.claim(KIND, 10)] == [2], "the courier died on its way"


def test_the_waits_grow_and_end(house: House, outbox: Outbox) -> None:
    moment = START
    with at(moment):
        outbox.put(KIND, [("ann", {})])
    for wait in BACKOFF:
        with at(moment):
            assert courier(house, outbox, fails(is_refusal=False)).deliver() == {"postponed": 1}
            assert only(outbox).next_attempt_at == moment + wait
        with at(moment + wait - timedelta(seconds=1)):
            assert courier(house, outbox, fails(is_refusal=False)).deliver() == {}
        moment += wait
    with at(moment):
        assert courier(house, outbox, fails(is_refusal=False)).deliver() == {"failed": 1}
    message = only(outbox)
    assert (message.state, message.attempts, message.next_attempt_at) == ("failed", len(BACKOFF) + 1, None)
    assert message.last_error == "not today"
    assert len(house.events(Event.MESSAGE_FAILED)) == 1


def test_who_refuses_is_asked_less_often(house: House, outbox: Outbox) -> None:
    moment = START
    with at(moment):
        outbox.put(KIND, [("ann", {})])
    outcomes = []
    for wait in BACKOFF[:MOST_REFUSALS]:
        with at(moment):
            outcomes.append(courier(house, outbox, fails(is_refusal=True)).deliver())
        moment += wait
    assert outcomes == [{"postponed": 1}] * (MOST_REFUSALS - 1) + [{"failed": 1}]
    with at(moment):
        outbox.retry(only(outbox).id)
        assert courier(house, outbox, lambda _message: None).deliver() == {"delivered": 1}
        with pytest.raises(NotFound):
            outbox.retry(only(outbox).id)


def test_a_fault_of_ours_holds_up_no_other_message(house: House, outbox: Outbox) -> None:
    def prepare(message: Message) -> Callable[[], None]:
        if message.recipient == "dropped":
            raise Dropped("gone")
        if message.recipient == "unprepared":
            raise ZeroDivisionError
        return lambda: 1 / 0 if message.recipient == "unsent" else None  # type: ignore[return-value]

    outbox.put(KIND, [(name, {}) for name in ("dropped", "unprepared", "unsent", "fine")])
    outbox.put("of another release", [("later", {})])
    counts = Courier(outbox, house.audit, {KIND: Channel(prepare, to_clients=True)}).deliver()
    assert counts == {"dropped": 1, "postponed": 2, "delivered": 1}
    states = {message.recipient: (message.state, message.attempts) for message in outbox.list(10)}
    assert states["fine"] == ("delivered", 1)
    assert states["later"] == ("waiting", 0), "whoever knows what it is may send it"


def test_when_the_database_is_away_no_attempt_counts(house: House, outbox: Outbox) -> None:
    def prepare(_message: Message) -> Callable[[], None]:
        raise Unavailable("the database is not available")

    outbox.put(KIND, [("ann", {}), ("bob", {})])
    for _ in range(2):
        with pytest.raises(Unavailable):
            Courier(outbox, house.audit, {KIND: Channel(prepare, to_clients=True)}).deliver()
        assert [(m.state, m.attempts, m.last_error) for m in outbox.list(10)] == [("waiting", 0, None)] * 2
    assert courier(house, outbox, lambda _message: None).deliver() == {"delivered": 2}, "nobody has to wait for a lease"


def test_what_cannot_even_be_given_back_waits_for_its_lease(
    house: House, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_arguments: object) -> Callable[[], None]:
        raise Unavailable("the database is not available")

    monkeypatch.setattr(outbox, "give_back", away)
    with at(START):
        outbox.put(KIND, [("ann", {})])
        with pytest.raises(Unavailable, match="database"):
            Courier(outbox, house.audit, {KIND: Channel(away, to_clients=True)}).deliver()
    assert only(outbox).next_attempt_at == START + LEASE


def test_a_silent_recipient_holds_up_nobody(house: House, outbox: Outbox) -> None:
    """It has hundreds of messages, all older; who comes after them is told while it still keeps silent."""
    told = threading.Event()
    in_time: list[bool] = []

    def send(message: Message) -> None:
        if message.recipient == "next":
            told.set()
        else:
            in_time.append(told.wait(20))

    with at(START):
        outbox.put(KIND, [("silent", {"n": number}) for number in range(600)])
    with at(START + timedelta(seconds=1)):
        outbox.put(KIND, [("next", {})])
        counts = courier(house, outbox, send).deliver(is_over=told.is_set)
    assert in_time == [True] * MOST_FOR_ONE
    assert counts == {"delivered": MOST_FOR_ONE + 1}


def test_many_silent_recipients_leave_room_for_the_others(house: House, outbox: Outbox) -> None:
    """More of them than messages are sent at once: after their first failures they have half of the room."""
    lock, told = threading.Lock(), threading.Event()
    failed: Counter[str] = Counter()
    waiting: list[str] = []
    in_time: list[bool] = []

    def send(message: Message) -> None:
        if message.recipient == "next":
            told.set()
            return
        with lock:
            failed[message.recipient] += 1
            is_silent = failed[message.recipient] > MOST_FOR_ONE
            if is_silent:
                waiting.append(message.recipient)
        if is_silent:
            in_time.append(told.wait(20))
        raise NotDelivered("took too long")

    def next_comes() -> bool:
        if len(waiting) >= MOST_AT_ONCE // 2 and not outbox.list(1, recipient="next"):
            outbox.put(KIND, [("next", {})])
        return told.is_set()

    with at(START):
        outbox.put(KIND, [(f"silent {number % 40}", {}) for number in range(40 * 10)])
        courier(house, outbox, send).deliver(next_comes)
    assert told.is_set()
    assert in_time == [True] * (MOST_AT_ONCE // 2)


def test_what_becomes_due_meanwhile_does_not_wait_for_who_is_slow(house: House, outbox: Outbox) -> None:
    told = threading.Event()
    in_time: list[bool] = []
    looks = 0

    def send(message: Message) -> None:
        if message.recipient == "late":
            told.set()
        else:
            in_time.append(told.wait(20))

    def comes_late() -> bool:
        nonlocal looks
        looks += 1
        if looks == 3:
            outbox.put(KIND, [("late", {})])
        return False

    outbox.put(KIND, [("slow", {})])
    assert courier(house, outbox, send).deliver(comes_late) == {"delivered": 2}
    assert in_time == [True]


def test_a_kind_that_is_slow_delays_no_other_kind(house: House, outbox: Outbox) -> None:
    """Also when it has all it may have under way, to as many recipients."""
    told = threading.Event()
    in_time: list[bool] = []
    slow = Channel(lambda message: lambda: in_time.append(told.wait(20)), at_once=2, lease=LEASE * 2)
    quick = Channel(lambda message: told.set, to_clients=True)
    with at(START):
        outbox.put("slow", [(f"recipient {number}", {}) for number in range(6)])
    with at(START + timedelta(seconds=1)):
        outbox.put(KIND, [("ann", {})])
        Courier(outbox, house.audit, {"slow": slow, KIND: quick}).deliver(is_over=told.is_set)
    assert in_time == [True] * 2, "no more than two at once"
    states = Counter(message.state for message in outbox.list(10, kind="slow"))
    assert states == {"delivered": 2, "waiting": 4}


def test_few_messages_at_once_for_one_recipient_and_all_in_the_end(house: House, outbox: Outbox) -> None:
    lock, here, most = threading.Lock(), Counter[str](), Counter[str]()

    def send(message: Message) -> None:
        with lock:
            here[message.recipient] += 1
            most[message.recipient] = max(most[message.recipient], here[message.recipient])
        threading.Event().wait(0.001)
        with lock:
            here[message.recipient] -= 1

    outbox.put(KIND, [(f"client {number % 3}", {}) for number in range(120)])
    assert courier(house, outbox, send).deliver() == {"delivered": 120}
    assert set(most) == {"client 0", "client 1", "client 2"}
    assert max(most.values()) <= MOST_FOR_ONE


def test_recipients_take_turns(outbox: Outbox) -> None:
    with at(START):
        outbox.put(KIND, [("first", {}) for _ in range(5)] + [("second", {}) for _ in range(5)])
    with at(START + timedelta(seconds=1)):
        outbox.put(KIND, [("third", {})])
        assert Counter(m.recipient for m in outbox.claim(KIND, 5)) == {"first": 2, "second": 2, "third": 1}
        assert {m.recipient for m in outbox.claim(KIND, 5, {"first"})} == {"second"}
        assert outbox.claim(KIND, 5, {"first", "second"}) == []
        assert outbox.claim(KIND, 0) == []


def test_couriers_side_by_side_share_the_work(house: House, outbox: Outbox) -> None:
    outbox.put(KIND, [(str(number), {}) for number in range(60)])

    def claim_some(_: int) -> list[str]:
        with house.app.app_context():
            return [message.recipient for message in outbox.claim(KIND, 10)]

    with ThreadPoolExecutor(4) as pool:
        claimed = [name for names in pool.map(claim_some, range(12)) for name in names]
    assert len(claimed) == len(set(claimed))
    while more := outbox.claim(KIND, 10):
        claimed += [message.recipient for message in more]
    assert sorted(claimed, key=int) == [str(number) for number in range(60)]


def test_settled_messages_are_purged_and_waiting_ones_are_not(outbox: Outbox) -> None:
    outbox.put(KIND, [("settled", {}), ("waiting", {})])
    for message in outbox.claim(KIND, 10):
        if message.recipient == "settled":
            outbox.delivered(message)
    assert outbox.purge(now() - timedelta(days=1)) == 0
    assert outbox.purge(now() + timedelta(days=1)) == 1
    assert only(outbox).recipient == "waiting"
