"""Talk in JSON lines with a relying party that is a program of its own (see `tests/interop`)."""

import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tests.helpers.browser import Browser, Person

SECONDS = 90


class PeerError(AssertionError):
    """The other program failed; the message is what it said."""


def converse(
    command: Sequence[str],
    task: Mapping[str, Any],
    *,
    browser: Browser | None = None,
    person: Person | None = None,
    cwd: Path | None = None,
) -> Any:
    """Give a program its task, be its user's browser, and return its result. Raises PeerError."""
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "NODE_NO_WARNINGS": "1"},
    )
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    try:
        with process:
            return _answer_until_done(process, task, browser, person)
    finally:
        watchdog.cancel()
        watchdog.join()


def _answer_until_done(
    process: "subprocess.Popen[str]", task: Mapping[str, Any], browser: Browser | None, person: Person | None
) -> Any:
    stdin, stdout, stderr = _pipes(process)
    _say(stdin, task)
    for line in stdout:
        message = json.loads(line)
        if "result" in message:
            stdin.close()
            if process.wait() != 0:
                raise PeerError(stderr.read())
            return message["result"]
        if browser is None:
            raise PeerError(f"the program wants a browser and has none: {message}")
        if "authorize" in message:
            _say(stdin, {"callback": browser.callback(message["authorize"], person).url})
        else:
            shown = browser.open(message["visit"])
            _say(stdin, {"url": shown.url})
    raise PeerError(f"ended with status {process.wait()}: {stderr.read()}")


def _pipes(process: "subprocess.Popen[str]") -> tuple[IO[str], IO[str], IO[str]]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise RuntimeError("the program was started without pipes")
    return process.stdin, process.stdout, process.stderr


def _say(stdin: IO[str], message: Mapping[str, Any]) -> None:
    stdin.write(json.dumps(message) + "\n")
    stdin.flush()
