"""Children of the web server beside those that answer requests: they come and go with their parent.

One is the worker, for deployments that are one command; another listens for Prometheus.
"""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.process import BaseProcess

import structlog

from idp.cli.web_server import TARGET, settle_in
from idp.cli.worker import INTERVAL_SECONDS, work

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
"""Before a worker that ended is started again: doubled each time that one has died young, up to this."""
YOUNG_SECONDS = 60.0
STOP_SECONDS = 10.0
"""How long a worker may finish what it is at before it is killed."""

log = structlog.get_logger("idp.server")


Work = Callable[[threading.Event], None]
"""What a child does, until it is told to stop. A function of a module, for where processes are spawned."""


class Companion:
    """Keeps one process running. Where processes are forked it shares the server's memory."""

    def __init__(self, name: str, work: Work) -> None:
        self._name = name
        self._work = work
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._process = _new_process(name, work)
        self._thread = threading.Thread(target=self._keep_running, name="companion", daemon=True)

    def start(self) -> None:
        """Start the child, and whoever watches it."""
        self._process.start()
        self._thread.start()

    def stop(self) -> None:
        """End the child: politely, then surely."""
        with self._lock:
            self._stopping.set()
            self._process.terminate()
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            self._process.kill()
            self._thread.join()

    def _keep_running(self) -> None:
        died_young = 0
        while True:
            began = time.monotonic()
            self._process.join()
            if self._stopping.is_set():
                return
            died_young = died_young + 1 if time.monotonic() - began < YOUNG_SECONDS else 0
            pause = min(FIRST_PAUSE_SECONDS * 2**died_young, LONGEST_PAUSE_SECONDS)
            status = self._process.exitcode
            log.warning(f"the {self._name} has ended, and is started again", status=status, seconds=pause)
            self._stopping.wait(pause)
            with self._lock:
                if self._stopping.is_set():
                    return
                self._process = _new_process(self._name, self._work)
                self._process.start()


@contextmanager
def beside(name: str, work: Work, *, is_wanted: bool) -> Iterator[None]:
    """A companion runs for the length of the block, if it is wanted."""
    if not is_wanted:
        yield
        return
    companion = Companion(name, work)
    companion.start()
    try:
        yield
    finally:
        companion.stop()


def worker(stopping: threading.Event) -> None:
    """`idp worker`, as a child."""
    work(import_module(TARGET.partition(":")[0]).app, INTERVAL_SECONDS, stopping)


def _new_process(name: str, work: Work) -> BaseProcess:
    # Never by a fork server: the child of another process would not know when we have gone.
    forks = multiprocessing.get_start_method() == "fork"
    make = multiprocessing.get_context("fork").Process if forks else multiprocessing.get_context("spawn").Process
    return make(target=_begin, args=(os.getpid(), work), name=f"idp {name}", daemon=True)


def _begin(main_process: int, work: Work) -> None:
    """The child, from its first breath."""
    settle_in(main_process)
    stopping = threading.Event()
    threading.Thread(target=_watch_parent, args=(stopping,), name="parent", daemon=True).start()
    work(stopping)


def _watch_parent(stopping: threading.Event) -> None:
    # A pipe between the two that closes: it works where the kernel does not tell, and if the parent is killed.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        stopping.set()
