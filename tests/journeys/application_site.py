"""An application's own site, as far as browsers see it: its callback, its pages for sign-out, its frames."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

WATCHING = """<!doctype html><title>watching</title>
<script>
  const replies = [];
  addEventListener("message", (event) => replies.push(event.data));
  // Several answers come in the order of the questions, so the answer to a last one says that no other is to come.
  const ask = async (text) => {
    const before = replies.length;
    parent.frames["op"].postMessage(text, "*");
    const deadline = Date.now() + 3000;
    while (replies.length === before && Date.now() < deadline) await new Promise((next) => setTimeout(next, 20));
    return replies.length === before ? "silence" : replies[before];
  };
</script>"""


@dataclass
class ApplicationSite:
    """Where it is, and which addresses were asked for."""

    origin: str
    asked: list[str] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)
    stuck: threading.Event = field(default_factory=threading.Event)
    """Set to let go those who asked for /never."""

    def asked_for(self, path: str) -> list[str]:
        """The whole addresses that were asked for at a path."""
        return [address for address in self.asked if urlsplit(address).path == path]


@contextlib.contextmanager
def application_site() -> Iterator[ApplicationSite]:
    """A site on the loopback address for the length of the block. `/watching` asks the frame beside it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            path = urlsplit(self.path).path
            if path == "/never":
                site.stuck.wait(30)
            body = site.pages.get(path, f"<!doctype html><title>{path}</title>").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        site = ApplicationSite(f"http://127.0.0.1:{http_server.server_port}")
        site.pages["/watching"] = WATCHING
        thread = threading.Thread(target=http_server.serve_forever)
        thread.start()
        try:
            yield site
        finally:
            site.stuck.set()
            http_server.shutdown()
            thread.join()
