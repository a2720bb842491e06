"""Asking a provider that may answer anything, or nothing: every exchange is bounded in time and size."""

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from idp.core.clock import now
from idp.core.errors import IdpError

SECONDS_EACH = 5.0
SECONDS_IN_ALL = 40.0
LARGEST_BODY = 512 * 1024
ORIGIN = "https://relying-party.example"
"""Where the pages of an application would come from."""

_LONGEST_URL = 2048
_MOST_LEVELS = 20
_CHUNK = 64 * 1024
_CACHE_AGE = "max-age="


class NoAnswerError(IdpError):
    """There was no answer that could be looked at; the message says why."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What the handshake agreed on; `expires_at` is the certificate's."""

    version: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it came over the wire; `is_cut` if it was larger than anybody would read."""

    url: str
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    is_cut: bool
    tls: Tls | None
    received_at: datetime

    def header(self, name: str) -> str:
        """All values of a header, "" if there is none."""
        return ", ".join(self.headers.get_all(name) or [])

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.header("Content-Type").partition(";")[0].strip().lower()

    @property
    def cache_directives(self) -> list[str]:
        """What Cache-Control says, in lower case."""
        return [part.strip().lower() for part in self.header("Cache-Control").split(",") if part.strip()]

    @property
    def max_age(self) -> int | None:
        """How long caches may keep it, in seconds; None if nobody says."""
        for directive in self.cache_directives:
            if (
                directive.startswith(_CACHE_AGE)
                and (digits := directive.removeprefix(_CACHE_AGE).strip('"')).isdecimal()
            ):
                return int(digits[:10])
        return None

    def json_object(self) -> dict[str, Any] | None:
        """The body as a JSON object; None if it is not one."""
        if self.is_cut:
            return None
        try:
            value = json.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) and _is_shallow(value, _MOST_LEVELS) else None


class Exchange:
    """Asks one question after the other and remembers the answers. Follows no redirect, keeps no cookie."""

    def __init__(self, ca_bundle: Path | None = None, seconds: float = SECONDS_IN_ALL) -> None:
        """`ca_bundle` is trusted in place of the system's authorities; `seconds` is for everything together.

        Raises OSError (ssl.SSLError is one) if the bundle cannot be read.
        """
        self._context = ssl.create_default_context(cafile=str(ca_bundle) if ca_bundle else None)
        self._deadline = time.monotonic() + seconds
        self.answers: list[Answer] = []

    def ask(
        self,
        url: str,
        method: str = "GET",
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One answer, whatever its status. With a `form`, POST it. Raises NoAnswerError."""
        left = min(SECONDS_EACH, self._deadline - time.monotonic())
        if left <= 0:
            raise NoAnswerError(f"{url} was not asked: the time for all checks is over")
        if form is not None:
            headers = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
            call = _Call(self._context, url, "POST", urlencode(form).encode(), headers, left)
        else:
            call = _Call(self._context, url, method, None, headers or {}, left)
        answer = call.result(left)
        self.answers.append(answer)
        return answer


class _Call:
    """One exchange in a thread of its own: names resolve and headers drip for as long as they like."""

    def __init__(
        self,
        context: ssl.SSLContext,
        url: str,
        method: str,
        body: bytes | None,
        headers: Mapping[str, str],
        limit: float,
    ) -> None:
        self._context = context
        self._url = url
        self._question = (method, body, {"Accept": "*/*", "User-Agent": "idp-doctor", "Connection": "close", **headers})
        self._limit = limit
        self._connection: http.client.HTTPConnection | None = None
        self._answer: Answer | None = None
        self._failure: Exception | None = None

    def result(self, seconds: float) -> Answer:
        """The answer. Raises NoAnswerError."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            self._cut()
            raise NoAnswerError(f"{self._url} did not answer completely within {self._limit:.0f} s")
        if self._answer is None:
            raise NoAnswerError(f"{self._url}: {_reason(self._failure)}")
        return self._answer

    def _run(self) -> None:
        try:
            connection = self._connection = self._connect()
            with contextlib.closing(connection):
                self._answer = self._talk(connection)
        # A stranger's bytes are parsed here, in many places of the standard library.
        except Exception as error:
            self._failure = error

    def _connect(self) -> http.client.HTTPConnection:
        target = split(self._url)
        if target is None or target.hostname is None:
            raise ValueError("this is not the URL of a web server")
        if target.scheme == "https":
            return http.client.HTTPSConnection(target.hostname, target.port, timeout=self._limit, context=self._context)
        return http.client.HTTPConnection(target.hostname, target.port, timeout=self._limit)

    def _talk(self, connection: http.client.HTTPConnection) -> Answer:
        target = urlsplit(self._url)
        path = (target.path or "/") + (f"?{target.query}" if target.query else "")
        method, body, headers = self._question
        connection.request(method, path, body, headers)
        tls = _tls(connection.sock)
        with connection.getresponse() as response:
            received_at = now()
            read = bytearray()
            while len(read) <= LARGEST_BODY and (piece := response.read1(_CHUNK)):
                read += piece
            is_cut = len(read) > LARGEST_BODY
            return Answer(self._url, response.status, response.msg, bytes(read), is_cut, tls, received_at)

    def _cut(self) -> None:
        """Wake the thread up; it ends by the error that this makes."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)


def split(url: Any) -> SplitResult | None:
    """The parts of an absolute http or https URL; None if it is not one."""
    if not isinstance(url, str) or len(url) > _LONGEST_URL or not url.isascii() or any(char <= " " for char in url):
        return None
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port >= 0)
    except ValueError:
        return None
    return parts if valid else None


def is_loopback(host: str) -> bool:
    """True for this machine, by name or address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_private(url: str) -> bool:
    """True if what is said there stays between the two: over TLS, or on this machine."""
    parts = split(url)
    return parts is not None and (parts.scheme == "https" or is_loopback(parts.hostname or ""))


def date_of(value: str) -> datetime | None:
    """An HTTP date; None if it is not one."""
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def _is_shallow(value: Any, levels: int) -> bool:
    """False for what is nested so deeply that nobody meant it."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_is_shallow(item, levels - 1) for item in inner)


def _tls(connected: Any) -> Tls | None:
    if not isinstance(connected, ssl.SSLSocket):
        return None
    not_after = (connected.getpeercert() or {}).get("notAfter")
    expires_at = None
    if isinstance(not_after, str):
        expires_at = datetime.fromtimestamp(ssl.cert_time_to_seconds(not_after), UTC)
    return Tls(connected.version() or "", expires_at)


def _reason(error: Exception | None) -> str:
    """Why it failed, for whoever runs the server."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"clients do not accept its certificate ({error.verify_message}); a private authority: --ca-bundle"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection ({error.reason or error}): does it speak TLS 1.2 or newer on this port?"
    if isinstance(error, TimeoutError):
        return "did not answer in time"
    if isinstance(error, socket.gaierror):
        return "the name does not resolve"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, http.client.HTTPException):
        return f"what answers does not speak HTTP ({type(error).__name__})"
    return str(error) or type(error).__name__
