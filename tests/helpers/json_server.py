"""A local web server that answers in every way a hostile one might, and how to reach it."""

import contextlib
import http.server
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from idp.core.fetch import Fetcher
from idp.core.setting_sections import Fetch
from tests.helpers.certificates import Certificate

DOCUMENT: dict[str, Any] = {"keys": []}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path; remembers what it was asked."""

    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["Host"]))
        answer: Callable[[], None] = getattr(self, "answer_" + self.path.strip("/").replace("-", "_"))
        answer()

    def reply(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        headers = {"Content_Type": "application/json", "Content_Length": str(len(body)), **headers}
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def answer_keys(self) -> None:
        self.reply(json.dumps(DOCUMENT).encode())

    def answer_jwk_set(self) -> None:
        self.reply(json.dumps(DOCUMENT).encode(), Content_Type="application/jwk-set+json; charset=utf-8")

    def answer_html(self) -> None:
        self.reply(b"{}", Content_Type="text/html")

    def answer_list(self) -> None:
        self.reply(b"[]")

    def answer_nonsense(self) -> None:
        self.reply(b'{"keys": ')

    def answer_nested(self) -> None:
        self.reply(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}")

    def answer_missing(self) -> None:
        self.reply(b"{}", status=404)

    def answer_redirect(self) -> None:
        self.reply(b"{}", status=302, Location="/keys")

    def answer_redirect_to_metadata(self) -> None:
        self.reply(b"{}", status=307, Location="http://169.254.169.254/latest/meta-data/")

    def answer_compressed(self) -> None:
        self.reply(b"{}", Content_Encoding="gzip")

    def answer_large(self) -> None:
        self.reply(b'{"a":"' + b"x" * 2000 + b'"}')

    def answer_endless(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        with_room = b" " * 4096
        try:
            while True:
                self.wfile.write(with_room)
        except OSError:
            pass

    def answer_short(self) -> None:
        self.reply(b"{}", Content_Length="500")

    def answer_drip(self) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" ")

    def answer_drip_headers(self) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x")

    def answer_silence(self) -> None:
        time.sleep(3)

    def _drip(self, start: bytes, drop: bytes) -> None:
        try:
            self.wfile.write(start)
            for _ in range(60):
                self.wfile.write(drop)
                time.sleep(0.05)
        except OSError:
            pass

    def log_message(self, *arguments: Any) -> None:
        pass


class QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class Web:
    """A local web server, and how to reach it."""

    def __init__(self, server: http.server.HTTPServer, asked: list[tuple[str, str]], ca: Path | None) -> None:
        self.port = int(server.server_port)
        self.asked = asked
        self.ca = ca

    def url(self, path: str, host: str = "localhost") -> str:
        return f"{'https' if self.ca else 'http'}://{host}:{self.port}{path}"

    def fetcher(self, *, timeout: float = 5, allow_loopback: bool = True, **settings: Any) -> Fetcher:
        return Fetcher(Fetch(ca_bundle=self.ca, timeout=timeout, **settings), allow_loopback=allow_loopback)


@contextlib.contextmanager
def json_server(certificate: Certificate | None) -> Iterator[Web]:
    """The server, over TLS if there is a certificate; gone at the end of the block."""
    asked: list[tuple[str, str]] = []
    server = QuietServer(("127.0.0.1", 0), type("AskedHandler", (Handler,), {"asked": asked}))
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Web(server, asked, certificate.certificate if certificate else None)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
