"""A client's own site, as far as this server is concerned: it publishes keys at a `jwks_uri`."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.helpers.relying_party import PrivateKey


class KeySite:
    """What the site answers now, and how often it was asked."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.keys: list[PrivateKey] = []
        self.status = 200
        self.requests = 0


@contextlib.contextmanager
def key_site() -> Iterator[KeySite]:
    """A site on the loopback address for the length of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.requests += 1
            body = json.dumps({"keys": [key.jwk for key in site.keys]}).encode()
            self.send_response(site.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        site = KeySite(f"http://127.0.0.1:{http_server.server_port}/keys.json")
        thread = threading.Thread(target=http_server.serve_forever)
        thread.start()
        try:
            yield site
        finally:
            http_server.shutdown()
            thread.join()
