"""A client's own web site, as far as this server is concerned: documents and images under paths."""

import contextlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

from tests.helpers.certificates import Certificate

Site = TypeVar("Site", bound="ClientSite")


class ClientSite:
    """What the site has, and what it was asked for."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.documents: dict[str, tuple[int, str, bytes]] = {}
        self.asked: list[str] = []

    def publish(self, path: str, body: bytes | str, content_type: str = "application/json", status: int = 200) -> str:
        """Put a document on the site; its address. With a 3xx status the body is where it has gone."""
        data = body.encode() if isinstance(body, str) else body
        self.documents[path] = (status, content_type, data)
        return self.origin + path

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body of what is at a path."""
        return self.documents.get(path, (404, "text/plain", b"nothing here"))


@contextlib.contextmanager
def client_site(certificate: Certificate | None = None) -> Iterator[ClientSite]:
    """A site on the loopback address for the length of the block; over TLS if there is a certificate."""
    with running_site(ClientSite, certificate) as site:
        yield site


@contextlib.contextmanager
def running_site(kind: type[Site], certificate: Certificate | None = None) -> Iterator[Site]:
    """The same for a site of a kind of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            status, content_type, body = site.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            if 300 <= status < 400:
                self.send_header("Location", body.decode())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):  # whoever has read enough hangs up
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.certificate, certificate.key)
            http_server.socket = context.wrap_socket(http_server.socket, server_side=True)
        scheme = "http" if certificate is None else "https"
        site = kind(f"{scheme}://127.0.0.1:{http_server.server_port}")
        thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield site
        finally:
            http_server.shutdown()
            thread.join()
