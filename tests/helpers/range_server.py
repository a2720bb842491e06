"""A breached-password service of our own: the range protocol of Have I Been Pwned, with moods."""

import contextlib
import hashlib
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PADDING = 20


@dataclass
class RangeService:
    """What it knows, how it feels, and what it was asked."""

    url: str = ""
    known: dict[str, int] = field(default_factory=dict)
    mood: str = "well"
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def knows(self, password: str, count: int = 7) -> None:
        """From now on this password is known to have been seen so often."""
        self.known[hashlib.sha1(password.encode()).hexdigest().upper()] = count

    def answer(self, prefix: str) -> bytes:
        """The rest of every hash that begins so, and padding that never was a hash of anything."""
        lines = [f"{digest[5:]}:{count}" for digest, count in self.known.items() if digest.startswith(prefix)]
        lines += [f"{secrets.token_hex(18)[:35].upper()}:0" for _ in range(PADDING)]
        return "\r\n".join(lines).encode()


MOODS: dict[str, dict[str, Any]] = {
    "well": {},
    "failing": {"status": 503},
    "throttling": {"status": 429},
    "redirecting": {"status": 302},
    "lying about the type": {"content_type": "text/html"},
    "talking": {"body": b"<p>Log in to the hotel's network</p>"},
    "talking in lines": {"body": b"A" * 35 + b":many\r\n"},
    "binary": {"body": b"\xff\xfe" * 40},
    "huge": {"body": (b"A" * 35 + b":1\r\n") * 10_000},
    "silent": {"delay": 3.0},
}


@contextlib.contextmanager
def range_service() -> Iterator[RangeService]:
    """The service on a free port of this machine; gone at the end of the block."""
    service = RangeService()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            mood = MOODS[service.mood]
            prefix = self.path.rpartition("/")[2]
            service.asked.append((self.path, self.headers["Add-Padding"]))
            time.sleep(mood.get("delay", 0))
            body = mood.get("body", service.answer(prefix))
            with contextlib.suppress(OSError):
                self.send_response(mood.get("status", 200))
                self.send_header("Content-Type", mood.get("content_type", "text/plain"))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}/range"
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
