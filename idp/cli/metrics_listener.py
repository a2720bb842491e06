"""The listener for Prometheus, on an address of its own that is not the world's."""

import signal
import socket
import threading
from importlib import import_module
from socketserver import TCPServer, ThreadingMixIn
from types import FrameType
from typing import Any, Final
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask

from idp.cli.web_server import TARGET
from idp.core.settings import Settings
from idp.storage.db import db
from idp.web.metrics import CONTENT_TYPE, PATH, exposition, may_read
from idp.web.provider import current_provider

SLOW_SECONDS: Final = 10
_POLL_SECONDS: Final = 0.5


def metrics_address(settings: Settings) -> tuple[str, int] | None:
    """Where to listen, if the settings say so."""
    parts = urlsplit(f"//{settings.metrics.bind}") if settings.metrics.bind else None
    return None if parts is None else (parts.hostname or "", parts.port or 0)


def listener(stopping: threading.Event) -> None:
    """Answer Prometheus until a signal comes, or `stopping` is set."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)
    application = import_module(TARGET.partition(":")[0]).app
    with application.app_context():
        address = metrics_address(current_provider().settings)
    if address is not None:
        _listen(application, address, stopping)


def _listen(application: Flask, address: tuple[str, int], stopping: threading.Event) -> None:
    kind = _Server6 if ":" in address[0] else _Server
    with kind(address, _Handler) as server:
        server.set_app(_answers(application))
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), name="metrics", daemon=True)
        thread.start()
        while not stopping.wait(_POLL_SECONDS):
            pass
        server.shutdown()


def _answers(application: Flask) -> Any:
    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        status, kind, body = "404 Not Found", "text/plain; charset=utf-8", b"The figures are at /metrics.\n"
        if environ["PATH_INFO"] == PATH and environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            with application.app_context():
                try:
                    if may_read(environ.get("HTTP_AUTHORIZATION", "")):
                        status, kind, body = "200 OK", CONTENT_TYPE, exposition()
                    else:
                        status, body = "401 Unauthorized", b"This needs the bearer token of IDP_METRICS__TOKEN.\n"
                finally:
                    db.session.remove()
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        headers.append(("Server", "idp"))  # and not which Python
        if status.startswith("401"):
            headers.append(("WWW-Authenticate", "Bearer"))
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return answer


class _Server(ThreadingMixIn, WSGIServer):
    """Several scrapers at once; a slow one keeps nobody waiting."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind, without asking a name server what we are called."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = SLOW_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: scrapes are no news."""
