"""Fetching documents from addresses that somebody else chose: `jwks_uri`, `sector_identifier_uri`, metadata.

Whoever registers such a URL decides where we connect to. So the name is resolved once, every address it
has is checked, and the connection goes to an address that was checked: DNS cannot change its mind in
between. Redirects are not followed, and everything has a limit.
"""

import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from typing import Any
from urllib.parse import urlencode

import orjson

from idp.core.addresses import Address, FetchError, FetchRefused, Target, embedded, is_public, parse_url
from idp.core.errors import Unavailable
from idp.core.setting_sections import Fetch

__all__ = ["FetchError", "FetchRefused", "Fetcher"]

Resolver = Callable[[str, int], list[str]]

_JSON = re.compile(r"application/(?:[a-z0-9!#$&^_.-]+\+)?json", re.IGNORECASE)
# Request objects are older than their media type: what is served as text or bytes is one if it looks like one.
_JWT = re.compile(r"application/(?:(?:[a-z0-9-]+\+)?jwt|jose|octet-stream)|text/plain|", re.IGNORECASE)
# What an image is, its bytes decide; this only spares us reading a page.
_IMAGE = re.compile(r"image/[a-z0-9.+-]+|(?:application|binary)/octet-stream|", re.IGNORECASE)
_TEXT = re.compile(r"text/plain", re.IGNORECASE)
_COMPACT = re.compile(rb"\s*[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){2,4}\s*")

_DOCUMENTS = "application/json, application/oauth-authz-req+jwt, application/jwt"
_IMAGES = "image/png, image/jpeg, image/webp, image/gif"

_PASSING = (408, 425, 429)  # refusals that are about the moment


Talk = Callable[[http.client.HTTPConnection, Target, int], bytes]


class Fetcher:
    """Fetches JSON over HTTPS from public addresses. Safe to share among threads."""

    def __init__(self, settings: Fetch, allow_loopback: bool = False, resolve: Resolver | None = None) -> None:
        """`allow_loopback` (development) lets this machine be reached, also over plain HTTP.

        `resolve` turns a host and port into addresses; the system's resolver by default. Raises OSError if
        the CA bundle of the settings cannot be read.
        """
        self._settings = settings
        self._allow_loopback = allow_loopback
        self._patience = threading.BoundedSemaphore(settings.at_once)
        self._resolve = resolve or _system_resolver
        self._allowed = tuple(ipaddress.ip_network(network) for network in settings.allowed_networks)
        self._tls = ssl.create_default_context()
        if settings.ca_bundle is not None:
            self._tls.load_verify_locations(cafile=settings.ca_bundle)

    def get_json(self, url: str) -> dict[str, Any]:
        """The JSON object at `url`. Raises FetchError, or Unavailable."""
        document = _json(self._get(url, _reader(_JSON)))
        if not isinstance(document, dict):
            raise FetchError("the document is not a JSON object")
        return document

    def get_json_array(self, url: str) -> list[Any]:
        """The JSON array at `url`. Raises FetchError, or Unavailable."""
        document = _json(self._get(url, _reader(_JSON)))
        if not isinstance(document, list):
            raise FetchError("the document is not a JSON array")
        return document

    def get_jwt(self, url: str) -> str:
        """The token in compact form at `url`, as it is served (RFC 9101 §5.2.3). Raises FetchError, or Unavailable."""
        body = self._get(url, _reader(_JWT))
        if not _COMPACT.fullmatch(body):
            raise FetchError("the document is not a token in compact form")
        return body.decode("ascii")

    def get_text(self, url: str, max_bytes: int, headers: Mapping[str, str] | None = None) -> str:
        """The plain text at `url`, at most `max_bytes` of it. Raises FetchError, or Unavailable."""
        body = self._get(url, _reader(_TEXT, "text/plain", headers), max_bytes)
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError:
            raise FetchError("the document is not text") from None

    def get_image(self, url: str, max_bytes: int) -> bytes:
        """What is said to be an image at `url`, at most `max_bytes` of it. Raises FetchError, or Unavailable."""
        return self._get(url, _reader(_IMAGE, _IMAGES), max_bytes)

    def post_form(self, url: str, fields: Mapping[str, str]) -> None:
        """POST a form; any 2xx is success, and what is answered beside that is not looked at. Raises FetchError."""
        form = urlencode(fields).encode("ascii")
        self._exchange(url, lambda connection, target, _max_bytes: _post(connection, target, form))

    @contextmanager
    def patience(self) -> Iterator[None]:
        """Wait for a document within the block. Raises Unavailable if as many as may wait for one already.

        Whoever names addresses that never answer must not have all threads of the process hang on them.
        """
        if not self._patience.acquire(blocking=False):
            raise Unavailable("too many documents are being fetched at this moment")
        try:
            yield
        finally:
            self._patience.release()

    def _get(self, url: str, read: Talk, max_bytes: int | None = None) -> bytes:
        with self.patience():
            return self._exchange(url, read, max_bytes)

    def _exchange(
        self,
        url: str,
        talk: Talk,
        max_bytes: int | None = None,
    ) -> bytes:
        target = parse_url(url)
        deadline = time.monotonic() + self._settings.timeout
        addresses = self._checked_addresses(target, deadline)
        try:
            with self._connected(target, addresses, deadline) as connection:
                body = talk(connection, target, max_bytes or self._settings.max_bytes)
            _left(deadline)
        except ssl.SSLCertVerificationError as error:
            raise FetchError(f"{target.host} has no valid certificate: {error.verify_message}") from error
        except (FetchError, OSError, http.client.HTTPException, ValueError) as error:
            # A connection that was cut at the deadline fails in many ways.
            if isinstance(error, TimeoutError) or time.monotonic() >= deadline:
                raise FetchError(f"{target.host} took too long") from None
            if isinstance(error, FetchError):
                raise
            raise FetchError(f"{target.host} could not be read: {type(error).__name__}") from error
        return body

    def _checked_addresses(self, target: Target, deadline: float) -> list[str]:
        """The addresses of the host. Every one of them must be fit to be connected to."""
        try:
            found = _within(deadline, lambda: self._resolve(target.host, target.port))
        except TimeoutError:
            raise FetchError(f"{target.host} could not be resolved in time") from None
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise FetchError(f"{target.host} has no address")
        for text in found:
            try:
                address = ipaddress.ip_address(text)
            except ValueError:
                raise FetchError(f"{target.host} has an unusable address") from None
            self._check(address, target)
        return found

    def _check(self, address: Address, target: Target) -> None:
        is_loopback = embedded(address).is_loopback
        if not target.is_tls and not (self._allow_loopback and is_loopback):
            raise FetchError("only https is fetched")
        if is_loopback and self._allow_loopback:
            return
        if any(candidate in network for candidate in (address, embedded(address)) for network in self._allowed):
            return
        if not is_public(address):
            raise FetchRefused(f"{target.host} is not on the public Internet")

    @contextmanager
    def _connected(self, target: Target, addresses: list[str], deadline: float) -> Iterator[http.client.HTTPConnection]:
        with closing(_connect(addresses, target.port, deadline)) as raw:
            channel = raw
            if target.is_tls:
                channel = self._tls.wrap_socket(raw, server_hostname=target.host, do_handshake_on_connect=False)
            # The timeout of a socket starts anew with every byte. This one does not.
            guillotine = threading.Timer(max(0, deadline - time.monotonic()), _cut, (channel,))
            guillotine.daemon = True
            guillotine.start()
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.sock = channel
            try:
                if isinstance(channel, ssl.SSLSocket):
                    channel.do_handshake()
                yield connection
            finally:
                guillotine.cancel()
                connection.close()


def _system_resolver(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def _within(deadline: float, work: Callable[[], list[str]]) -> list[str]:
    """Run what has no timeout of its own in a thread that may outlive us. Raises TimeoutError."""
    result: Future[list[str]] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, name="resolver", daemon=True).start()
    return result.result(timeout=_left(deadline))


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _connect(addresses: list[str], port: int, deadline: float) -> socket.socket:
    """Connect to the first address that answers; each may take its share of the time that is left."""
    trouble: OSError = TimeoutError()
    for number, address in enumerate(addresses):
        patience = _left(deadline) / (len(addresses) - number)
        try:
            channel = socket.create_connection((address, port), timeout=patience)
        except OSError as error:
            trouble = error
        else:
            channel.settimeout(_left(deadline))
            return channel
    raise trouble


def _cut(channel: socket.socket) -> None:
    # Not SSLSocket.shutdown: that would go on in the clear.
    with suppress(OSError):
        socket.socket.shutdown(channel, socket.SHUT_RDWR)


def _headers(target: Target, accept: str = _DOCUMENTS) -> dict[str, str]:
    return {
        "Host": target.host_header,
        "Accept": accept,
        # A compressed answer could be larger than its size says.
        "Accept-Encoding": "identity",
        "User-Agent": "idp",
        "Connection": "close",
    }


def _post(connection: http.client.HTTPConnection, target: Target, form: bytes) -> bytes:
    headers = _headers(target) | {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", target.path, body=form, headers=headers)
    with connection.getresponse() as response:
        if not 200 <= response.status < 300:
            kind = FetchError if response.status >= 500 or response.status in _PASSING else FetchRefused
            raise kind(f"{target.host} answered {response.status}")
    return b""


def _reader(media_type: re.Pattern[str], accept: str = _DOCUMENTS, headers: Mapping[str, str] | None = None) -> Talk:
    """What GETs a document of that media type."""

    def read(connection: http.client.HTTPConnection, target: Target, max_bytes: int) -> bytes:
        connection.request("GET", target.path, headers=_headers(target, accept) | dict(headers or {}))
        with connection.getresponse() as response:
            if response.status != 200:
                kind = "a redirect, which is not followed" if 300 <= response.status < 400 else "no document"
                raise FetchError(f"{target.host} answered {response.status}: {kind}")
            if response.getheader("Content-Encoding", "identity").lower() != "identity":
                raise FetchError(f"{target.host} sent a compressed answer")
            if not media_type.fullmatch(response.getheader("Content-Type", "").partition(";")[0].strip()):
                expected = "JSON" if media_type is _JSON else "a fitting type"
                raise FetchError(f"{target.host} did not answer in {expected}")
            body = response.read(max_bytes + 1)
            if len(body) > max_bytes:
                raise FetchError(f"{target.host} sent more than {max_bytes} bytes")
            if response.length:
                raise FetchError(f"{target.host} hung up early")
            return body

    return read


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise FetchError(f"the document is not JSON: {error}") from None
