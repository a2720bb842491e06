"""A client's own site that serves a request object at a `request_uri`."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class RequestSite:
    """What the site answers now, and how often it was asked."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.body = b""
        self.status = 200
        self.content_type = "application/oauth-authz-req+jwt"
        self.requests = 0


@contextlib.contextmanager
def request_site() -> Iterator[RequestSite]:
    """A site on the loopback address for the length of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.requests += 1
            self.send_response(site.status)
            self.send_header("Content-Type", site.content_type)
            self.send_header("Content-Length", str(len(site.body)))
            self.send_header("Location", "http://169.254.169.254/")
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(site.body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        site = RequestSite(f"http://127.0.0.1:{http_server.server_port}/request.jwt")
        thread = threading.Thread(target=http_server.serve_forever)
        thread.start()
        try:
            yield site
        finally:
            http_server.shutdown()
            thread.join()
