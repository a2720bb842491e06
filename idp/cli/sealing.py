"""Sealing the audit trail beside the worker's other work, which may keep a message waiting for many seconds."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import Flask

from idp.cli.database import require_current
from idp.core.errors import IdpError
from idp.storage.db import db
from idp.web.provider import current_provider

SEAL_SECONDS = 1.0
"""Between two looks for events without a seal."""
REPEAT_SECONDS = 60.0
"""After which a problem that goes on is reported again."""


@contextmanager
def sealing_beside(application: Flask, say: Callable[[str], None]) -> Iterator[None]:
    """Events are sealed for the length of the block, by a thread of its own."""
    stopping = threading.Event()
    thread = threading.Thread(target=_keep_sealing, args=(application, stopping, say), name="sealing", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _keep_sealing(application: Flask, stopping: threading.Event, say: Callable[[str], None]) -> None:
    told, told_at = "", 0.0
    while not stopping.is_set():
        problem = _seal(application)
        if problem and (problem != told or time.monotonic() - told_at >= REPEAT_SECONDS):
            say(f"sealing: not done: {problem}")
            told_at = time.monotonic()
        told = problem
        stopping.wait(SEAL_SECONDS)


def _seal(application: Flask) -> str:
    """Why it could not be done, or an empty string."""
    with application.app_context():
        try:
            require_current(db.engine)
            current_provider().audit.seal()
        except IdpError as error:
            return str(error)
        finally:
            db.session.remove()
    return ""
