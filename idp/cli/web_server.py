"""Granian, taught to stop cleanly and not to give up early: the main process and its workers.

No worker process outlives the main one, however that one ends; and the main one goes on for as long as workers start.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import structlog
from granian.server.mp import MPServer

TARGET = "idp.wsgi:app"
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
"""Before a worker is replaced: doubled each time that one has died young, up to this."""
YOUNG_SECONDS = 10.0
MOST_FAILED_STARTS = 3
"""So many times in a row workers end in error while young: then the program is broken, and the server ends."""
PR_SET_PDEATHSIG = 1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_POLL_SECONDS = 0.1

Application = Callable[..., Any]

log = structlog.get_logger("idp.server")


class WebServer(MPServer):
    """The main process: starts the workers, replaces those that die, stops them all."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._died_young = 0
        self._failed_starts = 0

    def _respawn_workers(self, workers: list[int], spawn_target: Any, target_loader: Any, delay: float = 0) -> None:
        if delay:
            # A reload (SIGHUP), which replaces workers that are well.
            super()._respawn_workers(workers, spawn_target, target_loader, delay)
            return
        dead = self._dead_workers()
        if not dead:
            return  # replaced already, together with another one
        self._judge(dead)
        if self._failed_starts == MOST_FAILED_STARTS:
            log.error("worker processes end as soon as they start, for the reason above: the server ends as well")
            self.shutdown(1)
        self._pause(min(FIRST_PAUSE_SECONDS * 2**self._died_young, LONGEST_PAUSE_SECONDS))
        # A worker that was stopped together with us has not crashed: look whether we are to stop as well
        # before replacing it.
        if self.interrupt_signal:
            self.main_loop_interrupt.set()
            return
        # Whoever else died meanwhile is replaced as well.
        super()._respawn_workers([worker.idx for worker in self._dead_workers()], spawn_target, target_loader)
        # Granian takes a second death within seconds for a crash loop, and would end.
        self.respawned_wrks.clear()

    def _dead_workers(self) -> list[Any]:
        workers: list[Any] = self.wrks
        return [worker for worker in workers if not worker.is_alive()]

    def _judge(self, dead: list[Any]) -> None:
        """Tell accidents, which are waited out, from a program that cannot run: it ends at once, and in error."""
        young = [worker for worker in dead if time.monotonic() - worker.birth < YOUNG_SECONDS]
        has_failed = any(worker.inner.exitcode > 0 for worker in young)
        self._died_young = self._died_young + 1 if young else 0
        self._failed_starts = self._failed_starts + 1 if has_failed else 0

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self.interrupt_signal and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def shutdown(self, exit_code: int = 0) -> None:
        """Stop the workers; those that stopped by themselves because of the same signal are no failure."""
        if self.interrupt_signal:
            self.interrupt_children.clear()
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]


def in_worker(application: Application) -> Callable[[], Application]:
    """A loader of an application that is loaded already; it runs in each forked worker process, first of all.

    Signals that arrive while a worker is being born wait until it knows what they mean.
    """
    main_process = os.getpid()
    os.register_at_fork(before=_hold_signals, after_in_parent=_let_signals_in)

    def load() -> Application:
        settle_in(main_process)
        return application

    return load


def settle_in(main_process: int) -> None:
    """In a child of the main process, first of all: it has signals of its own, and does not outlive its parent."""
    # Not the main process's handlers: until the child installs its own, a signal simply ends it.
    for name in _STOP_SIGNALS:
        signal.signal(name, signal.SIG_DFL)
    if sys.platform == "win32":
        return
    _let_signals_in()
    # Ctrl-C goes to the main process alone, which passes it on once: a second signal in the middle of the
    # first one's handling would lock a web worker up, and a child that had ended by itself would look crashed.
    os.setpgid(0, 0)
    end_with_parent()
    if os.getppid() != main_process:
        sys.exit(1)


def end_with_parent() -> None:
    """Have the kernel stop this process if its parent is killed without a chance to do so. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _hold_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)


def _let_signals_in() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
