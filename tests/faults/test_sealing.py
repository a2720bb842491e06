"""Several sealers at once, some of them killed: the chain never forks, and nothing stays without a seal."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from sqlalchemy import func, select

from idp.core.events import Event
from idp.services.audit import AuditTrail
from idp.storage.db import reading, transaction
from idp.storage.tables import AuditEvent, AuditSeal
from tests.conftest import StartServer
from tests.faults.stopwatch import eventually
from tests.helpers.database import DIALECTS, application_context, database_with_tables, interpreters
from tests.helpers.evidence import Archive, open_archive, tamper

pytestmark = pytest.mark.faults

SEALERS = 3
RECORDERS = 2
SECONDS = 6.0


@pytest.fixture(params=DIALECTS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with database_with_tables(request.param, tmp_path) as url:
        yield url


def seal_for_ever(url: str) -> None:
    with application_context(url):
        audit = AuditTrail()
        while True:
            audit.seal()
            time.sleep(0.005)


def record_for_ever(url: str, name: str) -> None:
    with application_context(url):
        audit = AuditTrail()
        for number in range(10**9):
            user = f"{name}-{number % 20}"
            if number % 7:
                audit.record(Event.SIGN_IN_SUCCEEDED, user_id=user, number=number)
                continue
            with transaction():  # that is open for a while, so that it commits later than its time says
                audit.record(Event.USER_UPDATED, user_id=user, number=number)
                time.sleep(0.01)
            if number % 49 == 0:
                with transaction():
                    audit.pseudonymise(user)


def run(target: object, *arguments: str) -> ForkServerProcess:
    process = interpreters().Process(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
    process.start()
    return process


def sealed() -> int:
    with reading() as connection:
        return int(connection.execute(select(func.count()).select_from(AuditSeal)).scalar_one())


def test_sealers_that_are_killed_never_fork_the_chain(url: str) -> None:
    with application_context(url):
        archive = open_archive()
        recorders = [run(record_for_ever, url, f"r{number}") for number in range(RECORDERS)]
        sealers = [run(seal_for_ever, url) for _ in range(SEALERS)]
        try:
            eventually(lambda: sealed() > 50)
            deadline = time.monotonic() + SECONDS
            kills = 0
            while time.monotonic() < deadline:
                time.sleep(random.uniform(0.05, 0.3))
                victim = random.randrange(SEALERS)
                sealers[victim].kill()
                sealers[victim].join()
                sealers[victim] = run(seal_for_ever, url)
                kills += 1
                if kills % 5 == 0:
                    # Also while everything is in motion.
                    assert archive.verify().findings == []
        finally:
            for process in (*recorders, *sealers):
                process.kill()
                process.join()
        assert kills > 5
        must_be_whole(archive)


def must_be_whole(archive: Archive) -> None:
    archive.audit.seal()
    report = archive.verify()
    assert report.findings == []
    assert report.unsealed == 0
    with reading() as connection:
        events = connection.execute(select(AuditEvent.id)).scalars().all()
        seals = connection.execute(select(AuditSeal.event_id, AuditSeal.sequence)).all()
    assert Counter(seal.event_id for seal in seals) == Counter(events)
    assert sorted(seal.sequence for seal in seals) == list(range(1, len(events) + 1))
    (stream,) = report.streams
    assert stream.erased > 0


def test_a_worker_that_cannot_seal_says_so_once_and_goes_on_when_it_can(start_server: StartServer) -> None:
    server = start_server()
    server.create_user()
    with server.administrator.provider() as provider:
        provider.audit.seal()
        tamper("UPDATE audit_streams SET sequence = sequence - 1")
    server.create_user()
    log = server.directory / "worker.log"
    log.touch()  # the worker takes a moment to open it
    with server.worker():
        eventually(lambda: "sealing: not done: the stream 'main' goes on behind its end" in log.read_text())
        time.sleep(3)  # in which it tries again
        assert log.read_text().count("sealing: not done: the stream 'main' goes on behind its end") == 1
        eventually(lambda: "audit heads: not done: the stream 'main' is not what it was" in log.read_text())
        with server.administrator.provider():
            tamper("UPDATE audit_streams SET sequence = sequence + 1")
        eventually(lambda: server.cli("audit", "verify")["unsealed"] == 0)
        user = server.create_user()
        eventually(lambda: server.cli("audit", "verify")["unsealed"] == 0)
    assert user.id in server.run("audit", "export").stdout
    assert "Traceback" not in log.read_text()
