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
from tests.helpers.processes import free_port, start, stopping
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

BROKEN = """
import os
from granian.constants import Interfaces
from idp.cli.web_server import WebServer

def load():
    raise ImportError("no such thing")

server = WebServer("none:none", port=int(os.environ["PORT"]), interface=Interfaces.WSGI, workers=1, blocking_threads=1,
                   respawn_failed_workers=True)
server.serve(target_loader=load, wrap_loader=False)
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
        for pid in before:
            load.go_on(SECONDS_OF_LOAD)
            os.kill(pid, signal.SIGKILL)
            eventually(lambda gone=pid: len(worker_pids(server)) == 2 and gone not in worker_pids(server))
        creator.kill()
        load.go_on(SECONDS_OF_LOAD)
    assert before.isdisjoint(worker_pids(server)), "a killed worker was not replaced"
    load.check()
    created = creations.read_text().split()
    with server.administrator.provider() as provider:
        assert [client_id for client_id in created if provider.clients.get(client_id) is None] == []


@pytest.mark.parametrize("backend_name", [SQLITE], indirect=True)
def test_workers_killed_in_a_row_do_not_end_the_server(start_server: StartServer) -> None:
    """Also when each dies as soon as it has come: somebody may find a request that kills, or memory may be short."""
    server = start_server(workers=2)
    (survivor, victim) = worker_pids(server)
    for _ in range(3):
        os.kill(victim, signal.SIGKILL)
        eventually(lambda gone=victim: len(worker_pids(server)) == 2 and gone not in worker_pids(server))
        (victim,) = set(worker_pids(server)) - {survivor}
    for pid in worker_pids(server):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: is_well(server))
    assert len(worker_pids(server)) == 2
    begun = time.monotonic()
    server.stop()
    assert time.monotonic() - begun < 5, "the server went on to replace workers"


def test_workers_that_cannot_start_end_the_server(tmp_path: Path) -> None:
    """An error that comes again with each start is somebody's to mend: nobody should wait for it to go away."""
    log = tmp_path / "server.log"
    server = start([sys.executable, "-c", BROKEN], log, env=clean_environment({"PORT": str(free_port())}), cwd=tmp_path)
    with stopping(server):
        assert server.wait(60) == 1
    said = log.read_text()
    assert said.count("ImportError: no such thing") == 3, "it was tried again"
    assert "worker processes end as soon as they start" in said


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
