"""Counting requests and timing them, in whatever process they are answered.

Worker processes cannot ask one another. Each keeps its numbers in a file of its own, mapped into memory, in a directory
that all of them know; whoever is asked adds them up. A worker that is gone leaves its file, so that nothing is counted
backwards.
"""

import atexit
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import CollectorRegistry, Counter, Histogram, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
REQUESTS: Final = "idp_http_requests"
SECONDS: Final = "idp_http_request_duration_seconds"
DESCRIPTIONS: Final = {
    REQUESTS: "Requests answered, by route (not path), method and status.",
    SECONDS: "Seconds from a request's arrival at the application to its answer.",
}
BUCKETS: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNMATCHED: Final = "(none)"


class RequestMetrics:
    """The counters of this process, and the sums of all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: tuple[Counter, Histogram] | None = None
        self._known: dict[tuple[str, str, str], tuple[Any, Any]] = {}

    def count(self, route: str, method: str, status: str, seconds: float) -> None:
        """Note one answer."""
        key = (route, method if method in _METHODS else "other", status)
        known = self._known.get(key)
        if known is None:
            requests, seconds_ = self._ready()
            known = self._known[key] = (requests.labels(*key), seconds_.labels(*key[:2]))
        known[0].inc()
        known[1].observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """The sums over all processes."""
        directory = shared_directory()
        collector = MultiProcessCollector(CollectorRegistry(), path=directory)  # type: ignore[no-untyped-call]
        yield from collector.collect()  # type: ignore[no-untyped-call]

    def _ready(self) -> tuple[Counter, Histogram]:
        """Made when they are first needed: a command that loads the application answers no requests."""
        with self._lock:
            if self._counters is None:
                shared_directory()
                # The library decides as it is imported, which is before anybody has read the settings.
                values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
                self._counters = (
                    Counter(REQUESTS, DESCRIPTIONS[REQUESTS], ("route", "method", "status"), registry=None),
                    Histogram(SECONDS, DESCRIPTIONS[SECONDS], ("route", "method"), buckets=BUCKETS, registry=None),
                )
            return self._counters


class Meter:
    """WSGI middleware, outside of everything else: notes how long each answer took, and what it was."""

    def __init__(self, application: WSGIApplication, metrics: RequestMetrics) -> None:
        self._application = application
        self._metrics = metrics

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """A WSGI call."""
        began = time.perf_counter()
        route, status = _UNMATCHED, "500"

        def note(given: str, *rest: Any) -> Any:
            nonlocal route, status
            # Flask forgets its request when it has answered.
            route, status = _route(environ), given[:3]
            return start_response(given, *rest)

        try:
            return self._application(environ, note)
        finally:
            self._metrics.count(route, environ["REQUEST_METHOD"], status, time.perf_counter() - began)


def _route(environ: WSGIEnvironment) -> str:
    """The rule that matched: paths carry identifiers, and there is no end of them."""
    request = environ.get("werkzeug.request")
    if request is None:
        # Answered without asking the application, which happens for a few known paths only (see `replay`).
        return str(environ["PATH_INFO"])
    rule = request.url_rule
    return _UNMATCHED if rule is None else str(rule.rule)


def shared_directory() -> str:
    """Where the processes keep their numbers: as the environment says, else new, and gone with its maker.

    Called by whoever starts the others, it is the same for all of them.
    """
    directory = os.environ.get(DIRECTORY_VARIABLE)
    if not directory:
        directory = os.environ[DIRECTORY_VARIABLE] = tempfile.mkdtemp(prefix="idp-metrics-")
        atexit.register(_remove, directory, os.getpid())
    return directory


def start_at_zero() -> None:
    """What a former start has left in the directory is not counted again. For whoever starts the others."""
    for file in Path(shared_directory()).glob("*.db"):
        file.unlink(missing_ok=True)


def _remove(directory: str, maker: int) -> None:
    if os.getpid() == maker:
        shutil.rmtree(directory, ignore_errors=True)
