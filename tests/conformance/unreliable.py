"""Things that break when told to."""

import contextlib
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any

import redis

from idp.core.errors import Unavailable
from idp.storage.ephemeral import EphemeralStore, OutcomeUnknown
from tests.helpers.needs import need
from tests.helpers.processes import (
    accepts_connections,
    free_port,
    give_to,
    password,
    start,
    stop,
    unprivileged_user,
    wait_until,
)


class UnreliableRedis:
    """A Redis server that writes every change to disk before it answers, and can be killed and frozen."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._user = unprivileged_user()
        self._secret = password()
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://:{self._secret}@127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it, with the values it had."""
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self._port)]
        command += ["--requirepass", self._secret, "--save", "", "--dir", str(self._directory)]
        command += ["--appendonly", "yes", "--appendfsync", "always"]
        log = self._directory / "log"
        self._process = start(command, log, user=self._user, cwd=self._directory)
        wait_until(lambda: accepts_connections(self._port), self._process, log, "Redis")
        with self.client() as client:
            wait_until(lambda: _answers(client), self._process, log, "Redis")

    def kill(self) -> None:
        """Pull the plug."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Stop answering, without closing connections."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it for good."""
        if self._process is not None and self._process.poll() is None:
            self.thaw()
            stop(self._process)

    def client(self) -> redis.Redis:
        """A client for looking inside."""
        return redis.Redis.from_url(self.url)

    def names(self) -> list[str]:
        """Our keys in the server without their prefix, those of earlier runs too."""
        with self.client() as client:
            return sorted(key.decode().split(":", 2)[2] for key in client.keys("idp:*"))

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@contextlib.contextmanager
def unreliable_redis() -> Iterator[UnreliableRedis]:
    """A running Redis, gone at the end of the block."""
    need(which("redis-server"), "redis-server is not installed")
    with tempfile.TemporaryDirectory(prefix="idp-redis-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        give_to(directory, unprivileged_user())
        server = UnreliableRedis(directory)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def trouble(server: UnreliableRedis) -> Iterator[None]:
    """Kill, restart, freeze and thaw the server again and again while the block runs."""
    over = threading.Event()

    def make() -> None:
        while not over.wait(0.7):
            server.kill()
            over.wait(0.7)
            server.start()
            over.wait(0.7)
            server.freeze()
            over.wait(1)
            server.thaw()

    thread = threading.Thread(target=make)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class FaultyStore:
    """A store behind a fault: "unreachable" (nothing is done), "mute" (done, but nobody is told)."""

    def __init__(self, store: EphemeralStore) -> None:
        self._store = store
        self.fault: str | None = None
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.calls += 1
            if self.fault == "unreachable":
                raise Unavailable("unreachable")
            answer = getattr(self._store, name)(*arguments)
            if self.fault == "mute":
                raise OutcomeUnknown("mute")
            return answer

        return call
