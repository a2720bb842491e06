"""`idp dev` delivers by itself: no worker, and no waiting."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.stopwatch import eventually
from tests.faults.test_kill import is_alive
from tests.helpers.backends import SQLITE, Backend
from tests.helpers.post_office import PostOffice, post_office
from tests.helpers.processes import accepts_connections, free_port, start, stopping, wait_until
from tests.helpers.server import ROOT, clean_environment


@contextmanager
def dev(office: PostOffice, directory: Path, **settings: str) -> Iterator[int]:
    port, log = free_port(), directory / "dev.log"
    environment = clean_environment({**office.settings, "IDP_ISSUER": f"http://localhost:{port}", **settings})
    command = [sys.executable, "-m", "idp", "dev", "--port", str(port)]
    with stopping(start(command, log, env=environment, cwd=directory)) as process:
        wait_until(lambda: accepts_connections(port), process, log, "idp dev")
        yield process.pid


@pytest.fixture
def office(tmp_path: Path) -> Iterator[PostOffice]:
    with post_office(Backend(SQLITE, f"sqlite:///{tmp_path}/idp.db", None), tmp_path) as office:
        yield office


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_mail_goes_out_at_once_from_one_process_that_ends_with_its_parent(office: PostOffice, tmp_path: Path) -> None:
    with dev(office, tmp_path) as pid:
        first = office.write()
        eventually(lambda: office.message(first).state == "delivered")
        second = office.write()
        assert eventually(lambda: office.message(second).state == "delivered") < 5
        # Saving a file starts the serving process anew; what is written meanwhile is sent by the next one.
        (serving,) = children(pid)
        touched = ROOT / "templates" / "mail" / "mail_test.jinja"
        os.utime(touched)
        office.write("bob@example.com")
        eventually(lambda: children(pid) not in ([], [serving]))
        eventually(lambda: len(office.server.deliveries) == 3)
        (serving,) = children(pid)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not is_alive(serving))
    office.write("carl@example.com")
    told = [delivery.recipients[0] for delivery in office.server.deliveries]
    assert told == ["ann@example.com", "ann@example.com", "bob@example.com"]
