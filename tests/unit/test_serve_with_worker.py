"""`idp serve` on SQLite brings `idp worker` along, keeps it alive, and leaves it behind in no case."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers.command_line import environment
from tests.helpers.processes import accepts_connections, free_port, start, stopping, wait_until

__all__ = ["environment"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc"),
]

ROOT = Path(__file__).resolve().parents[2]


class Serving:
    """`idp serve` in a session of its own, so that nobody's children are taken for its."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid = pid
        self.log = log

    @property
    def children(self) -> set[int]:
        """The processes that it started and that live."""
        found: set[int] = set()
        for listing in Path(f"/proc/{self.pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found |= set(map(int, listing.read_text().split()))
        return found

    @property
    def workers_started(self) -> int:
        """How many workers have said that they begin."""
        return self.log.read_text().count("Maintenance every")


@contextlib.contextmanager
def serving(directory: Path, *options: str) -> Iterator[Serving]:
    port, log = free_port(), directory / "serve.log"
    env = {**os.environ, "IDP_ISSUER": f"http://127.0.0.1:{port}", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "idp", "serve", "--port", str(port), *options]
    with stopping(start(command, log, env=env, cwd=directory)) as process:
        wait_until(lambda: accepts_connections(port), process, log, "idp serve")
        yield Serving(process.pid, log)


def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Neither gone nor waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def worker_of(server: Serving) -> int:
    """The worker's process id: it is older than whoever answers requests."""
    eventually(lambda: server.workers_started > 0 and len(server.children) == 2)
    return min(server.children)


@pytest.mark.usefixtures("environment")
class TestServeWithWorker:
    def test_it_can_be_left_out(self, tmp_path: Path) -> None:
        with serving(tmp_path, "--no-worker") as server:
            eventually(lambda: len(server.children) == 1)
            time.sleep(1)
            assert server.workers_started == 0
            assert len(server.children) == 1

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
    def test_it_goes_with_the_server(self, tmp_path: Path, number: signal.Signals) -> None:
        with serving(tmp_path) as server:
            worker = worker_of(server)
            everybody = server.children
            os.kill(server.pid, number)
            # A worker that finishes what it is at may take a moment; no more than that.
            eventually(lambda: not any(map(is_alive, everybody)), 10)
            if number != signal.SIGKILL:
                eventually(lambda: server.log.read_text().count("Stopped.") == 1)
            assert worker in everybody
            assert "Traceback" not in server.log.read_text()

    def test_ctrl_c_in_a_terminal_is_no_crash(self, tmp_path: Path) -> None:
        with serving(tmp_path) as server:
            worker = worker_of(server)
            assert os.getpgid(worker) != os.getpgid(server.pid), "the terminal does not reach it"

    def test_it_is_replaced_when_it_dies_after_a_pause_that_grows(self, tmp_path: Path) -> None:
        with serving(tmp_path) as server:
            first = worker_of(server)
            os.kill(first, signal.SIGKILL)
            eventually(lambda: server.workers_started == 2)
            began = time.monotonic()
            eventually(lambda: len(server.children) == 2)
            os.kill(max(server.children), signal.SIGKILL)
            eventually(lambda: server.workers_started == 3)
            assert time.monotonic() - began > 2, "twice as long as before"
            said = server.log.read_text()
            assert "the worker has ended, and is started again" in said
