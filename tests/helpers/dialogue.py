"""Talk in JSON lines with a relying party that is a program of its own (see `tests/interop`)."""

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tests.helpers.browser import Browser, Callback, Person

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
    trusting: Path | None = None,
) -> Any:
    """Give a program its task, be its user's browser, and return its result. Raises PeerError.

    `trusting` is the PEM file of an authority that a program of Node trusts besides those of the system.
    """
    with _running(command, cwd, trusting) as process:
        return _answer_until_done(process, task, browser, person)


class Peer:
    """A program that goes on living between questions, and remembers: a cache of keys, say."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, question: str, **more: Any) -> Any:
        """What it answers. Raises PeerError."""
        stdin, stdout, stderr = _pipes(self._process)
        _say(stdin, {"ask": question, **more})
        for line in stdout:
            return json.loads(line)["result"]
        raise PeerError(f"ended with status {self._process.wait()}: {stderr.read()}")


@contextlib.contextmanager
def peer(command: Sequence[str], task: Mapping[str, Any]) -> Iterator[Peer]:
    """A program that was told its task and answers questions, for the length of the block."""
    with _running(command) as process:
        stdin, _, _ = _pipes(process)
        _say(stdin, task)
        yield Peer(process)
        stdin.close()


@contextlib.contextmanager
def _running(
    command: Sequence[str], cwd: Path | None = None, trusting: Path | None = None
) -> "Iterator[subprocess.Popen[str]]":
    authority = {} if trusting is None else {"NODE_EXTRA_CA_CERTS": str(trusting)}
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "NODE_NO_WARNINGS": "1", **authority},
    )
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    try:
        with process:
            yield process
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
            _say(stdin, _arrival(browser.callback(message["authorize"], person)))
        else:
            shown = browser.open(message["visit"])
            _say(stdin, {"url": shown.url})
    raise PeerError(f"ended with status {process.wait()}: {stderr.read()}")


def _arrival(callback: Callback) -> dict[str, Any]:
    """What the browser brings to the program's redirect URI."""
    form = {"form": callback.params} if callback.mode == "form_post" else {}
    return {"callback": callback.url, **form}


def _pipes(process: "subprocess.Popen[str]") -> tuple[IO[str], IO[str], IO[str]]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise RuntimeError("the program was started without pipes")
    return process.stdin, process.stdout, process.stderr


def _say(stdin: IO[str], message: Mapping[str, Any]) -> None:
    stdin.write(json.dumps(message) + "\n")
    stdin.flush()
