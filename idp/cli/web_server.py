"""Granian, taught to stop cleanly: no worker process outlives the main one, however that one ends."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from granian.server.mp import MPServer

RESPAWN_PAUSE_SECONDS = 0.5
PR_SET_PDEATHSIG = 1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

Application = Callable[..., Any]


class WebServer(MPServer):
    """The main process: starts the workers, replaces one that dies, stops them all."""

    def _respawn_workers(self, *args: Any, **kwargs: Any) -> None:
        # A worker that was stopped together with us has not crashed: look whether we are to stop as well
        # before replacing it.
        time.sleep(RESPAWN_PAUSE_SECONDS)
        if self.interrupt_signal:
            self.main_loop_interrupt.set()
            return
        super()._respawn_workers(*args, **kwargs)

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
        # Not the main process's handlers: until the worker installs its own, a signal simply ends it.
        for name in _STOP_SIGNALS:
            signal.signal(name, signal.SIG_DFL)
        _let_signals_in()
        # Ctrl-C goes to the main process alone, which passes it on once: a second signal in the middle of the
        # first one's handling would lock the worker up.
        os.setpgid(0, 0)
        end_with_parent()
        if os.getppid() != main_process:
            sys.exit(1)
        return application

    return load


def end_with_parent() -> None:
    """Have the kernel stop this process if its parent is killed without a chance to do so. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _hold_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)


def _let_signals_in() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
