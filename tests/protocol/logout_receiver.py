"""A client's own site, as far as the end of sessions is concerned: it takes logout tokens."""

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


class LogoutReceiver:
    """What came, and what is answered."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.status = 200
        self.body = b""
        self.seconds = 0.0
        """How long it thinks before it answers."""
        self.forms: list[dict[str, list[str]]] = []
        self.content_types: list[str] = []

    @property
    def tokens(self) -> list[str]:
        """The logout tokens in the order in which they came."""
        return [form["logout_token"][0] for form in self.forms]


@contextlib.contextmanager
def logout_receiver() -> Iterator[LogoutReceiver]:
    """A site on the loopback address for the length of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            receiver.forms.append(parse_qs(body, strict_parsing=True))
            receiver.content_types.append(self.headers["Content-Type"])
            time.sleep(receiver.seconds)
            self.send_response(receiver.status)
            self.send_header("Content-Length", str(len(receiver.body)))
            if receiver.status == 302:
                self.send_header("Location", receiver.uri)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(receiver.body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        receiver = LogoutReceiver(f"http://127.0.0.1:{http_server.server_port}/back-channel")
        thread = threading.Thread(target=http_server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            http_server.shutdown()
            thread.join()
