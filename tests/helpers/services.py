"""PostgreSQL and Redis for one test run: on free ports, in a temporary directory, gone afterwards.

    python -m tests.helpers.services -- pytest -n 2

starts both, runs the command with IDP_TEST_POSTGRES_URL and IDP_TEST_REDIS_URL set, ends everything that
is left of it, and exits with its status. Nothing keeps running and nothing is written outside the
temporary directory. With `--only redis` or `--only postgres` just that one starts.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests.helpers.processes import (
    accepts_connections,
    directory_of,
    end_session,
    free_port,
    give_to,
    password,
    start,
    stopping,
    tail,
    unprivileged_user,
    wait_until,
)

POSTGRES_URL = "IDP_TEST_POSTGRES_URL"
REDIS_URL = "IDP_TEST_REDIS_URL"
REDIS_DATABASES = 4096

# Durability is bought with time, and these databases do not outlive the run. The tests of I1 ("no
# acknowledged change lost") start a server of their own with the defaults.
# Most of their work is to create and drop databases, of which nobody needs a log or statistics.
FAST_AND_FORGETFUL = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "checkpoint_timeout=1h",
    "max_wal_size=4GB",
    "autovacuum=off",
    "max_connections=200",
)


@dataclass(frozen=True, slots=True)
class Service:
    """A running service: its URL (with credentials), process id, port and directory, and how it was started."""

    url: str
    pid: int
    port: int
    directory: Path
    command: tuple[str, ...]


def postgres_binary(name: str) -> str:
    """The path of a PostgreSQL program, newest installed version first. Raises FileNotFoundError."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]), reverse=True
    )
    found = str(installed[0]) if installed else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"PostgreSQL's '{name}' is not installed")
    return found


@contextlib.contextmanager
def postgres(*, durable: bool = False) -> Iterator[Service]:
    """A PostgreSQL server. `durable` keeps the settings that make commits survive a crash."""
    user = unprivileged_user()
    with directory_of(user, "idp-postgres-") as directory:
        secret, port = password(), free_port()
        _initialize(directory, secret, user)
        options = ["listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories="]
        options += [] if durable else FAST_AND_FORGETFUL
        log = directory / "log"
        command = [postgres_binary("postgres"), "-D", str(directory / "data")]
        for option in options:
            command += ["-c", option]
        process = start(command, log, user=user, cwd=directory)
        # SIGINT is PostgreSQL's "fast" shutdown: it does not wait for clients that forgot to hang up.
        with stopping(process, signal.SIGINT):
            wait_until(lambda: _is_ready(port), process, log, "PostgreSQL")
            url = f"postgresql+psycopg2://postgres:{secret}@127.0.0.1:{port}/postgres"
            yield Service(url, process.pid, port, directory, tuple(command))


def _initialize(directory: Path, secret: str, user: str | None) -> None:
    pwfile = directory / "pwfile"
    pwfile.write_text(secret)
    give_to(pwfile, user)
    command = [postgres_binary("initdb"), "-D", str(directory / "data"), "-U", "postgres", "-E", "UTF8"]
    command += ["--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={pwfile}", "--no-sync"]
    process = start(command, directory / "initdb.log", user=user, cwd=directory)
    if process.wait() != 0:
        raise RuntimeError(f"initdb failed\n{tail(directory / 'initdb.log')}")
    pwfile.unlink()


def _is_ready(port: int) -> bool:
    command = [postgres_binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    return subprocess.run(command, check=False).returncode == 0


@contextlib.contextmanager
def redis(*arguments: str) -> Iterator[Service]:
    """A Redis server without persistence; `arguments` are added to its command line."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise FileNotFoundError("redis-server is not installed")
    user = unprivileged_user()
    with directory_of(user, "idp-redis-") as directory:
        secret, port = password(), free_port()
        command = [binary, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(directory)]
        command += ["--requirepass", secret, "--save", "", "--appendonly", "no"]
        command += ["--databases", str(REDIS_DATABASES), *arguments]
        process = start(command, directory / "log", user=user, cwd=directory)
        with stopping(process):
            wait_until(lambda: accepts_connections(port), process, directory / "log", "Redis")
            yield Service(f"redis://:{secret}@127.0.0.1:{port}/0", process.pid, port, directory, tuple(command))


class _Interrupted(SystemExit):
    """A signal asked us to end; the exit status tells which."""


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise _Interrupted(128 + number)


def run(command: Sequence[str], env: dict[str, str]) -> int:
    """Run a command in a session of its own; when it is over, so is every process of that session."""
    # A crashed test worker cannot stop the servers that it started, but they share its session.
    process = subprocess.Popen(list(command), env=env, start_new_session=True)
    try:
        return process.wait()
    except _Interrupted:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        raise
    finally:
        end_session(process.pid)
        process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the services, run the command, stop everything; returns the command's exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.helpers.services", description=__doc__)
    parser.add_argument("--only", choices=["postgres", "redis"], help="start just this service")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run, after --")
    options = parser.parse_args(arguments)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        parser.error("give a command to run, for example: -- pytest -n 2")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _interrupt)
    with contextlib.ExitStack() as stack:
        env = dict(os.environ)
        if options.only != "redis":
            env[POSTGRES_URL] = stack.enter_context(postgres()).url
        if options.only != "postgres":
            env[REDIS_URL] = stack.enter_context(redis()).url
        return run(command, env)


if __name__ == "__main__":
    sys.exit(main())
