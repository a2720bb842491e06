"""The cheapest HTTP/1.1 client that does the work: the load must not cost more than what it measures."""

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode, urlsplit

TIMEOUT_SECONDS = 30
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LOCATION = re.compile(rb"\r\nlocation: *([^\r]+)", re.IGNORECASE)
_COOKIE = re.compile(rb"\r\nset-cookie: *([^=]+)=([^;\r]*)", re.IGNORECASE)
_BODILESS = (204, 304)


class UnexpectedAnswer(RuntimeError):
    """The server answered something that the scenario has no use for: the measurement is void."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; `head` is the status line and the headers."""

    status: int
    head: bytes
    body: bytes

    def expect(self, status: int) -> Self:
        """This answer. Raises UnexpectedAnswer if it has another status."""
        if self.status != status:
            raise UnexpectedAnswer(f"{self.status} instead of {status}: {self.head!r} {self.body[:300]!r}")
        return self

    @property
    def location(self) -> str:
        """Where a redirect goes. Raises UnexpectedAnswer if it is none."""
        found = _LOCATION.search(self.head)
        if found is None:
            raise UnexpectedAnswer(f"no redirect: {self.head!r} {self.body[:300]!r}")
        return found[1].decode("ascii")

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that it sets; an empty value deletes one."""
        return {name.decode().strip(): value.decode() for name, value in _COOKIE.findall(self.head)}


class Connection:
    """One connection that is kept open, used by one thread. Opens itself again if the server closed it."""

    def __init__(self, port: int) -> None:
        self.host = f"127.0.0.1:{port}"
        self._port = port
        self._socket: socket.socket | None = None

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET a path."""
        return self.exchange(request("GET", path, self.host, headers))

    def post(self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        """POST a form."""
        return self.exchange(request("POST", path, self.host, headers, urlencode(fields).encode()))

    def exchange(self, raw: bytes) -> Answer:
        """Send a whole request and read the whole answer."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(raw)
        return self._read(self._socket)

    def _read(self, source: socket.socket) -> Answer:
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += _some(source)
        head, body = received[:end], received[end + 4 :]
        status = int(head[9:12])
        found = _LENGTH.search(head)
        if found is None and status not in _BODILESS:
            raise UnexpectedAnswer(f"an answer without a length: {head!r}")
        length = int(found[1]) if found else 0
        while len(body) < length:
            body += _some(source)
        if b"connection: close" in head.lower():
            self.close()
        return Answer(status, head, body)

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _some(source: socket.socket) -> bytes:
    data = source.recv(65536)
    if not data:
        raise UnexpectedAnswer("the server hung up in the middle of an answer")
    return data


def request(
    method: str, path: str, host: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> bytes:
    """The bytes of a request; a body is a form."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def path_of(url: str) -> str:
    """The part of a URL (or path) that a request line carries."""
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")
