"""Mail survives whoever sends it: kill -9 before, during and after the sending, and databases that go away (I8)."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.breakable import breakable_postgres
from tests.faults.stopwatch import eventually
from tests.helpers.backends import POSTGRES_REDIS, Backend
from tests.helpers.post_office import PostOffice, post_office
from tests.helpers.preloaded import ForkedProcess, preloaded
from tests.helpers.processes import stop
from tests.helpers.server import clean_environment

pytestmark = pytest.mark.faults


@pytest.fixture
def office(backend: Backend, tmp_path: Path) -> Iterator[PostOffice]:
    with post_office(backend, tmp_path) as office:
        yield office


@contextmanager
def worker(office: PostOffice, directory: Path) -> Iterator[ForkedProcess]:
    """`idp worker`, a process of its own."""
    env = clean_environment(office.settings)
    process = preloaded().run("idp", "worker", env=env, cwd=directory, output=directory / "worker.log")
    try:
        yield process
    finally:
        stop(process)


def kill(process: ForkedProcess) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)


class Pause:
    """Holds up the mail server at one place, until it may go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, _: object) -> None:
        self.reached.set()
        self.go_on.wait(60)


def test_i8_a_worker_killed_between_taking_and_sending_loses_no_mail(office: PostOffice, tmp_path: Path) -> None:
    pause = office.server.on_recipient = Pause()
    mail_id = office.write()
    with worker(office, tmp_path) as first:
        assert pause.reached.wait(60), "it has taken the mail, and is talking to the server"
        kill(first)
    assert office.message(mail_id).attempts == 1
    assert office.server.deliveries == []
    pause.go_on.set()
    with worker(office, tmp_path):
        # Until the lease is over the mail is the first one's: it may only be slow.
        other = office.write("bob@example.com")
        eventually(lambda: office.message(other).state == "delivered")
        assert office.message(mail_id).state == "waiting"
        office.end_lease(mail_id)
        eventually(lambda: office.message(mail_id).state == "delivered")
    assert len(office.server.to("ann@example.com")) == 1
    assert office.message(mail_id).sealed_payload is None


def test_a_worker_killed_before_it_noted_the_answer_leaves_a_second_copy_of_the_same_name(
    office: PostOffice, tmp_path: Path
) -> None:
    """Nobody can know whether the first one arrived. Mail programs show copies of one Message-ID once."""
    pause = office.server.on_data = Pause()
    mail_id = office.write()
    with worker(office, tmp_path) as first:
        assert pause.reached.wait(60)
        kill(first)
    pause.go_on.set()
    eventually(lambda: len(office.server.deliveries) == 1)
    assert office.message(mail_id).state == "waiting"
    office.end_lease(mail_id)
    with worker(office, tmp_path):
        eventually(lambda: office.message(mail_id).state == "delivered")
    first_copy, second_copy = office.server.deliveries
    assert first_copy.message["Message-ID"] == second_copy.message["Message-ID"] == f"<{mail_id}@id.example>"
    assert first_copy.text == second_copy.text


def test_a_worker_that_is_told_to_stop_finishes_what_it_is_sending(office: PostOffice, tmp_path: Path) -> None:
    pause = office.server.on_data = Pause()
    mail_id = office.write()
    with worker(office, tmp_path) as process:
        assert pause.reached.wait(60)
        process.send_signal(signal.SIGTERM)
        pause.go_on.set()
        assert process.wait(30) == 0
    assert office.message(mail_id).state == "delivered"
    assert len(office.server.deliveries) == 1


def test_i8_two_workers_never_send_one_mail_both(office: PostOffice, tmp_path: Path) -> None:
    expected = {f"user-{number}@example.com": 1 for number in range(60)}
    with worker(office, tmp_path), worker(office, tmp_path):
        for address in expected:
            office.write(address)
        eventually(lambda: all(m.state == "delivered" for m in office.provider.outbox.list(100)))
    assert Counter(delivery.recipients[0] for delivery in office.server.deliveries) == expected


def test_a_database_that_goes_away_during_the_sending_sends_nothing_twice(tmp_path: Path) -> None:
    """The worker remembers what the mail server has taken, and writes it down when it can."""
    with breakable_postgres() as database, post_office(Backend(POSTGRES_REDIS, database.url, None), tmp_path) as office:
        pause = office.server.on_data = Pause()
        mail_id = office.write()
        with worker(office, tmp_path):
            assert pause.reached.wait(60)
            database.kill()
            pause.go_on.set()
            eventually(lambda: len(office.server.deliveries) == 1)
            eventually(lambda: "not done" in (tmp_path / "worker.log").read_text())
            database.restart()
            office.server.on_data = lambda _: None
            office.end_lease(mail_id)
            eventually(lambda: office.message(mail_id).state == "delivered")
        assert len(office.server.deliveries) == 1


def test_ky1_a_worker_speaks_of_no_code_and_no_address(office: PostOffice, tmp_path: Path) -> None:
    office.server.on_data = lambda delivery: f"550 <{delivery.recipients[0]}> has no use for 314159"
    mail_id = office.write()
    with worker(office, tmp_path):
        eventually(lambda: office.message(mail_id).attempts == 1 and office.message(mail_id).last_error is not None)
    said = (tmp_path / "worker.log").read_text()
    assert "1 messages postponed" in said
    assert "ann@example.com" not in said
    assert "314159" not in said
