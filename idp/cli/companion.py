"""The worker as a child of the web server, for deployments that are one command: it comes and goes with its parent."""

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
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


class Companion:
    """Keeps one worker process running. Where processes are forked it shares the server's memory."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._process = _new_process()
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
            log.warning("the worker has ended, and is started again", status=self._process.exitcode, seconds=pause)
            self._stopping.wait(pause)
            with self._lock:
                if self._stopping.is_set():
                    return
                self._process = _new_process()
                self._process.start()


@contextmanager
def worker_beside(is_wanted: bool) -> Iterator[None]:
    """`idp worker` runs for the length of the block, if it is wanted."""
    if not is_wanted:
        yield
        return
    companion = Companion()
    companion.start()
    try:
        yield
    finally:
        companion.stop()


def _new_process() -> BaseProcess:
    # Never by a fork server: the child of another process would not know when we have gone.
    forks = multiprocessing.get_start_method() == "fork"
    make = multiprocessing.get_context("fork").Process if forks else multiprocessing.get_context("spawn").Process
    return make(target=_work, args=(os.getpid(),), name="idp worker", daemon=True)


def _work(main_process: int) -> None:
    """The child, from its first breath."""
    settle_in(main_process)
    stopping = threading.Event()
    threading.Thread(target=_watch_parent, args=(stopping,), name="parent", daemon=True).start()
    work(import_module(TARGET.partition(":")[0]).app, INTERVAL_SECONDS, stopping)


def _watch_parent(stopping: threading.Event) -> None:
    # A pipe between the two that closes: it works where the kernel does not tell, and if the parent is killed.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        stopping.set()
