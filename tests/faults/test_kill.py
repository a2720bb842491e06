"""kill -9 in the middle of load loses nothing that was acknowledged (I1, I2, I10)."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.faults.breakable import breakable_postgres
from tests.faults.load import Load
from tests.faults.stopwatch import eventually
from tests.helpers.backends import POSTGRES_REDIS, SQLITE, Backend
from tests.helpers.processes import start, stopping
from tests.helpers.server import Server, clean_environment, running_server
from tests.journeys.everywhere import worker_pids

pytestmark = pytest.mark.faults

SECONDS_OF_LOAD = 0.7

CREATOR = """
import os
from tests.helpers.administrator import Administrator
administrator = Administrator({name: value for name, value in os.environ.items() if name.startswith("IDP_")})
while True:
    print(administrator.create_client().client_id, flush=True)
"""


def test_a_killed_worker_loses_nothing(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(workers=2)
    load = Load(server)
    before = set(worker_pids(server))
    creations = tmp_path / "created"
    creator = start(
        [sys.executable, "-c", CREATOR], creations, env=clean_environment(server.settings), cwd=server.directory
    )
    with stopping(creator), load.running():
        eventually(lambda: creations.stat().st_size > 0)
        # Each in turn: a worker that dies again within seconds is a crash loop, on which the server gives up.
        for pid in before:
            time.sleep(SECONDS_OF_LOAD)
            os.kill(pid, signal.SIGKILL)
            eventually(lambda gone=pid: len(worker_pids(server)) == 2 and gone not in worker_pids(server))
        creator.kill()
        time.sleep(SECONDS_OF_LOAD)
    assert before.isdisjoint(worker_pids(server)), "a killed worker was not replaced"
    load.check()
    created = creations.read_text().split()
    with server.administrator.provider() as provider:
        assert [client_id for client_id in created if provider.clients.get(client_id) is None] == []


def test_a_killed_server_loses_nothing(start_server: StartServer) -> None:
    server = start_server(workers=2)
    load = Load(server)
    with load.running():
        for _ in range(2):
            time.sleep(SECONDS_OF_LOAD)
            server.kill()
            server.start()
        time.sleep(SECONDS_OF_LOAD)
    assert load.unanswered > 0, "nobody noticed that the server was killed"
    load.check()


@pytest.mark.parametrize("backend_name", [SQLITE], indirect=True)
def test_a_killed_main_process_takes_its_workers_along(start_server: StartServer) -> None:
    """Otherwise they would go on serving a port that nobody administers any more."""
    server = start_server(workers=2)
    workers = worker_pids(server)
    os.kill(server.pid, signal.SIGKILL)
    eventually(lambda: not any(is_alive(pid) for pid in workers))
    server.restart()
    assert is_well(server)


def test_a_killed_postgres_loses_nothing(tmp_path: Path) -> None:
    """With PostgreSQL's own defaults for durability."""
    with breakable_postgres() as database:
        backend = Backend(POSTGRES_REDIS, database.url, None)
        with running_server(backend, tmp_path, workers=2) as server:
            load = Load(server)
            with load.running():
                time.sleep(SECONDS_OF_LOAD)
                database.kill()
                time.sleep(SECONDS_OF_LOAD)
                database.restart()
                eventually(lambda: is_well(server))
                time.sleep(SECONDS_OF_LOAD)
            assert load.unanswered > 0, "nobody noticed that the database was killed"
            load.check()


def is_well(server: Server) -> bool:
    """Several times in a row, because each answer may come from the other worker."""
    return all(server.is_ready() for _ in range(6))


def is_alive(pid: int) -> bool:
    """True until the process has ended; one that nobody has reaped yet has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
