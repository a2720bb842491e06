"""A PostgreSQL or Redis of one test, to be killed, frozen, and started again with the same data."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.helpers.needs import need
from tests.helpers.processes import accepts_connections, start, stop, unprivileged_user, wait_until
from tests.helpers.services import Service, postgres, postgres_binary, redis

GONE_SECONDS = 30
AGAIN_SECONDS = 60


class Breakable:
    """One running service. Its URL stays the same whatever happens to it."""

    def __init__(self, service: Service, is_ready: Callable[[Service], bool]) -> None:
        self.service = service
        self._is_ready = is_ready
        self._pid = service.pid
        self._later: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """How to reach it."""
        return self.service.url

    def kill(self) -> None:
        """SIGKILL, and wait until nobody listens any more."""
        os.kill(self._pid, signal.SIGKILL)
        deadline = time.monotonic() + GONE_SECONDS
        while accepts_connections(self.service.port):
            if time.monotonic() > deadline:
                raise TimeoutError(f"port {self.service.port} is still open")
            time.sleep(0.02)
        # Reaped at once: PostgreSQL will not start beside a predecessor that still has a process id.
        os.waitpid(self._pid, 0)

    def restart(self) -> None:
        """Start it again after `kill`, on the same port, with what it had written."""
        deadline = time.monotonic() + AGAIN_SECONDS
        while True:
            try:
                self._start()
            except RuntimeError:
                # PostgreSQL waits for the orphans of its predecessor to notice that they are orphans.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def _start(self) -> None:
        directory = self.service.directory
        log = directory / "log"
        process = start(self.service.command, log, user=unprivileged_user(), cwd=directory)
        try:
            wait_until(lambda: self._is_ready(self.service), process, log, self.service.command[0])
        except BaseException:
            stop(process)
            raise
        self._later, self._pid = process, process.pid

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It still accepts connections, and answers nothing: SIGSTOP for the length of the block."""
        family = [self._pid, *_children(self._pid)]
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(family):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """End what `restart` started; the first life belongs to whoever made the service."""
        if self._later is not None:
            stop(self._later, signal.SIGINT)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextlib.contextmanager
def breakable_postgres() -> Iterator[Breakable]:
    """A PostgreSQL of one's own that keeps what it acknowledged through a crash."""
    try:
        pg_isready = postgres_binary("pg_isready")
    except FileNotFoundError as error:
        need(False, str(error))

    def is_ready(service: Service) -> bool:
        command = [pg_isready, "-q", "-h", "127.0.0.1", "-p", str(service.port)]
        return subprocess.run(command, check=False).returncode == 0

    with postgres(durable=True) as service:
        handle = Breakable(service, is_ready)
        try:
            yield handle
        finally:
            handle.close()


@contextlib.contextmanager
def breakable_redis() -> Iterator[Breakable]:
    """A Redis of one's own that remembers nothing after a restart."""
    need(shutil.which("redis-server"), "redis-server is not installed")
    with redis() as service:
        handle = Breakable(service, lambda service: accepts_connections(service.port))
        try:
            yield handle
        finally:
            handle.close()
