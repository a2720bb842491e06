"""A parent that has imported the program once, and forks: a server then starts in a third of the time.

Each test process has one such parent. What comes out of it is what `python -m idp …` would be: its own process, with
the environment, directory and files that it is given, and the exit status it ends with.
"""

import atexit
import contextlib
import functools
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_LOOK_SECONDS = 0.02


class ForkedProcess:
    """A child of the preloaded parent, as `subprocess.Popen` would show it."""

    def __init__(self, pid: int, statuses: Path, args: Sequence[str]) -> None:
        self.pid = pid
        self.args = list(args)
        self.returncode: int | None = None
        self._status = statuses / str(pid)

    def poll(self) -> int | None:
        """The exit status; negative for a signal; None while it runs."""
        if self.returncode is None:
            with contextlib.suppress(FileNotFoundError):
                self.returncode = int(self._status.read_text())
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end. Raises TimeoutExpired."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(_LOOK_SECONDS)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Preloaded:
    """The parent, as a test process talks to it."""

    def __init__(self, statuses: Path) -> None:
        self._statuses = statuses
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.preloaded", str(statuses)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self.close)

    def run(
        self,
        module: str,
        *arguments: str,
        env: dict[str, str],
        cwd: Path,
        output: Path,
        errors: Path | None = None,
        stdin: Path | None = None,
    ) -> ForkedProcess:
        """`python -m module arguments…`; what it prints is appended to `output`, unless `errors` are kept apart."""
        files = [str(stdin or os.devnull), str(output), str(errors or output)]
        order = {"module": module, "arguments": arguments, "files": files, "env": env, "cwd": str(cwd)}
        requests, answers = self._process.stdin, self._process.stdout
        if requests is None or answers is None:
            raise RuntimeError("the parent has no pipes")
        requests.write(json.dumps(order) + "\n")
        requests.flush()
        return ForkedProcess(int(answers.readline()), self._statuses, [module, *arguments])

    def close(self) -> None:
        """End the parent, and with it whatever still runs."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        shutil.rmtree(self._statuses, ignore_errors=True)


@functools.cache
def preloaded() -> Preloaded:
    """The parent of this test process, started when first asked for."""
    return Preloaded(Path(tempfile.mkdtemp(prefix="idp-tests-")))


def _serve_orders(statuses: Path) -> None:
    """Fork for each order, and note how the children end. When nobody can give orders any more, so do they."""
    children: set[int] = set()
    buffer = b""
    while True:
        readable, _, _ = select.select([0], [], [], _LOOK_SECONDS)
        _reap(children, statuses)
        if not readable:
            continue
        chunk = os.read(0, 1 << 16)
        if not chunk:
            break
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            order = json.loads(line)
            pid = os.fork()
            if pid == 0:
                _become(order)
                return
            children.add(pid)
            print(pid, flush=True)
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _reap(children: set[int], statuses: Path) -> None:
    for pid in list(children):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            children.discard(pid)
            unfinished = statuses / f"{pid}.new"
            unfinished.write_text(str(os.waitstatus_to_exitcode(status)))
            unfinished.rename(statuses / str(pid))


def _become(order: dict[str, Any]) -> None:
    """The child: nothing of the parent's but what it has imported."""
    writing = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for target, (path, flags) in enumerate(zip(order["files"], (os.O_RDONLY, writing, writing), strict=True)):
        source = os.open(path, flags, 0o600)
        os.dup2(source, target)
        os.close(source)
    os.chdir(order["cwd"])
    if _of_the_interpreter(order["env"]) != _of_the_interpreter(os.environ):
        # What the interpreter reads at its own start needs an interpreter that starts.
        command = [sys.executable, "-m", order["module"], *order["arguments"]]
        os.execve(sys.executable, command, order["env"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = [order["module"], *order["arguments"]]
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


def _of_the_interpreter(env: Mapping[str, str]) -> dict[str, str]:
    harmless = ("PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in env.items() if name.startswith("PYTHON") and name not in harmless}


if __name__ == "__main__":
    for name in ("idp.cli", "idp.app", "granian.server"):
        importlib.import_module(name)
    _serve_orders(Path(sys.argv[1]))
