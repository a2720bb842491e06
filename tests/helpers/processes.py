"""Child processes: start them, wait until they answer, end them by their own id."""

import contextlib
import os
import pwd
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

STOP_SECONDS = 15


class Process(Protocol):
    """What tests need of a child process, whoever started it."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end."""
        ...

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        ...


class StartError(RuntimeError):
    """A child process ended, or did not answer in time. The message ends with the tail of its log."""


def free_port() -> int:
    """A TCP port on the loopback address that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts_connections(port: int, host: str = "127.0.0.1") -> bool:
    """True if something listens on the port."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def unprivileged_user() -> str | None:
    """Whom services run as when we are root (PostgreSQL refuses root, and the others need no rights)."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return None


def give_to(path: Path, user: str | None) -> None:
    """Make `user` the owner of a directory; nothing to do for None."""
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


@contextlib.contextmanager
def directory_of(user: str | None, prefix: str) -> Iterator[Path]:
    """A temporary directory that belongs to `user`, or to us for None."""
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as name:
        directory = Path(name)
        give_to(directory, user)
        yield directory


def start(
    command: Sequence[str],
    log: Path,
    *,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    user: str | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a command with its output in `log` and no standard input."""
    with log.open("ab") as output:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
        )


def wait_until(ready: Callable[[], bool], process: Process, log: Path, what: str, seconds: float = 60) -> None:
    """Return once `ready()` is true. Raises StartError if the process ends before, or time runs out."""
    deadline = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None:
            raise StartError(f"{what} ended with status {process.returncode}\n{tail(log)}")
        if time.monotonic() > deadline:
            raise StartError(f"{what} did not answer within {seconds:.0f} s\n{tail(log)}")
        time.sleep(0.05)


def stop(process: Process, first: signal.Signals = signal.SIGTERM) -> None:
    """End one process that we started, politely and then surely, and reap it."""
    if process.poll() is None:
        process.send_signal(first)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            kill(process)
    process.wait()


def kill(process: Process) -> None:
    """End a process that we started, and the workers that it forked, without a chance to tidy up."""
    family = [process.pid, *_descendants(process.pid)]
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def end_session(session: int) -> None:
    """End whatever still runs in a session (setsid) that we started: politely, and then surely."""
    deadline = time.monotonic() + STOP_SECONDS
    number = signal.SIGTERM
    while members := [pid for pid in _all_processes() if _session_of(pid) == session]:
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if time.monotonic() > deadline:
            number = signal.SIGKILL
        time.sleep(0.2)


def _all_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def _session_of(pid: int) -> int | None:
    """The session of a living process; None for one that is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, session = fields[0], int(fields[3])
    return None if state == "Z" else session


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, listing.read_text().split()):
                found += [child, *_descendants(child)]
    return found


@contextlib.contextmanager
def stopping(
    process: "subprocess.Popen[bytes]", first: signal.Signals = signal.SIGTERM
) -> Iterator["subprocess.Popen[bytes]"]:
    """The process is gone when the block ends, however it ends."""
    try:
        yield process
    finally:
        stop(process, first)


def tail(log: Path, lines: int = 40) -> str:
    """The end of a log, for an error message."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def password() -> str:
    """A throwaway password for a service that lives as long as one test run."""
    return secrets.token_urlsafe(18)
