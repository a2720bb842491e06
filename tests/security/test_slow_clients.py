"""WB6: clients that begin a request and do not go on, at a server without a proxy in front of it."""

import contextlib
import socket
import time
from collections.abc import Iterator

from idp.cli.serve import SLOW_HEADERS_MILLISECONDS
from tests.faults.stopwatch import eventually
from tests.helpers.server import Server

MANY = 24
"""More than a worker process has threads."""
STALLED_BODY = (
    "POST /oauth2/token HTTP/1.1",
    "Host: 127.0.0.1:{port}",
    "Content-Type: application/x-www-form-urlencoded",
    "Content-Length: 100",
    "",
    "grant_type=",
)
STALLED_HEADERS = ("GET /healthz HTTP/1.1", "Host: 127.0.0.1:{port}", "X-Never: end")


@contextlib.contextmanager
def stalled(server: Server, lines: tuple[str, ...]) -> Iterator[list[socket.socket]]:
    """Many clients that have sent this much and wait, for the length of the block."""
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30)) for _ in range(MANY)
        ]
        for client in clients:
            client.sendall("\r\n".join(lines).format(port=server.port).encode())
        time.sleep(0.5)
        yield clients


def test_wb6_headers_that_never_end_hold_nobody_up(sqlite_server: Server) -> None:
    with stalled(sqlite_server, STALLED_HEADERS) as clients:
        begun = time.monotonic()
        assert sqlite_server.is_ready()
        assert time.monotonic() - begun < 5
        # And they are sent away.
        for client in clients:
            while client.recv(1024):
                pass
        assert time.monotonic() - begun < SLOW_HEADERS_MILLISECONDS / 1000 + 5


def test_wb6_bodies_that_never_end_hold_threads_no_longer_than_their_clients_stay(sqlite_server: Server) -> None:
    """What remains is the proxy's to do: see the guide, and `test_a_proxy_waits_for_whole_requests`."""
    with stalled(sqlite_server, STALLED_BODY):
        pass
    eventually(sqlite_server.is_ready, seconds=5)
