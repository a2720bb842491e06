"""One conversation with a mail server (RFC 5321): from its greeting to its word that it has the message."""

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from idp.core.errors import ConfigurationError, Unavailable
from idp.core.settings import LOOPBACK_HOSTS

ANSWER_SECONDS: Final = 10.0
"""For the connection, and for each answer of the server but the last."""
SUBMISSION_SECONDS: Final = 60.0
"""For everything together. Most of it may go by before the last answer: some servers look for viruses first, and to
hang up on them means to send the message a second time (RFC 5321 §4.5.3.2.6)."""
_GOODBYE_SECONDS = 2.0

_DEFAULT_PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_ALIASES: Final = {"starttls": "smtp+starttls"}


@dataclass(frozen=True, slots=True, repr=False)
class SmtpServer:
    """Where mail is handed in. `scheme` is `smtp`, `smtp+starttls` or `smtps`."""

    scheme: str
    host: str
    port: int
    username: str | None
    password: str | None

    @property
    def is_on_this_machine(self) -> bool:
        """True if nobody listens between the server and us."""
        return self.host in LOOPBACK_HOSTS

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_smtp_url(url: str) -> SmtpServer:
    """The server named by `smtp://`, `smtp+starttls://` (or `starttls://`) or `smtps://user:password@host:port`.

    `smtp` takes TLS if a server elsewhere offers it, the other two insist on it. Raises ConfigurationError.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError("IDP_SMTP_URL is not a URL") from None
    scheme = _scheme(parts)
    if scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ConfigurationError(
            "IDP_SMTP_URL must be smtp://, smtp+starttls:// or smtps://[user:password@]host[:port]"
        )
    username, password = (unquote(part) if part else None for part in (parts.username, parts.password))
    if not f"{username}{password}".isascii():
        raise ConfigurationError("the user name and the password in IDP_SMTP_URL must be ASCII, as SMTP wants them")
    return SmtpServer(scheme, parts.hostname, port or _DEFAULT_PORTS[scheme], username, password)


def _scheme(parts: SplitResult) -> str:
    scheme = _ALIASES.get(parts.scheme, parts.scheme)
    return "smtp+starttls" if scheme == "smtp" and "starttls" in parts.query else scheme


def submit(
    server: SmtpServer, message: EmailMessage, sender: str, recipient: str, *, tls: ssl.SSLContext, name: str
) -> None:
    """Hand one message in, and return once the server has it; `name` is what we call ourselves.

    Takes SUBMISSION_SECONDS at most once a connection stands, whatever the server does. Raises
    smtplib.SMTPException, OSError, ConfigurationError, and Unavailable if there is no time left.
    """
    with _conversation(server, tls, name) as conversation:
        conversation.send_message(message, sender, [recipient])


def greet(server: SmtpServer, *, tls: ssl.SSLContext, name: str) -> None:
    """Everything that comes before a message, and goodbye. Raises as `submit` does."""
    with _conversation(server, tls, name):
        pass


@contextmanager
def _conversation(server: SmtpServer, tls: ssl.SSLContext, name: str) -> Iterator["_Conversation"]:
    began = time.monotonic()
    line = socket.create_connection((server.host, server.port), ANSWER_SECONDS)
    with closing(line), _cut_off(line, began + SUBMISSION_SECONDS - time.monotonic()):
        conversation = _Conversation(server, line, tls, name)
        try:
            conversation.introduce()
            yield conversation
        finally:
            conversation.leave()


class _Conversation(smtplib.SMTP):
    """smtplib's, on a connection that stands already."""

    def __init__(self, server: SmtpServer, line: socket.socket, tls: ssl.SSLContext, name: str) -> None:
        self._server = server
        self._line = line
        self._tls = tls
        super().__init__(server.host, server.port, local_hostname=name, timeout=ANSWER_SECONDS)

    def introduce(self) -> None:
        """Everything before the message: TLS, names, the password."""
        server = self._server
        is_encrypted = server.scheme == "smtps"
        self.ehlo()
        wants_tls = server.scheme == "smtp" and not server.is_on_this_machine and self.has_extn("starttls")
        if server.scheme == "smtp+starttls" or wants_tls:
            self.starttls(context=self._tls)
            self.ehlo()
            is_encrypted = True
        if server.username is not None:
            if not is_encrypted and not server.is_on_this_machine:
                raise ConfigurationError("the mail server offers no TLS: its password would travel in clear")
            self.login(server.username, server.password or "")

    def data(self, message: bytes | str) -> tuple[int, bytes]:  # type: ignore[override]
        """The message and the answer to it, for which the time that is left is allowed."""
        if self.sock is not None:
            self.sock.settimeout(SUBMISSION_SECONDS)
        return super().data(message)

    def leave(self) -> None:
        """Say goodbye. How that goes says nothing about the message, which has been taken or not by now."""
        with suppress(smtplib.SMTPException, OSError):
            if self.sock is not None:
                self.sock.settimeout(_GOODBYE_SECONDS)
                self.quit()
        self.close()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        # smtplib's own seam, by which SMTP_SSL differs from SMTP.
        if self._server.scheme == "smtps":
            return self._tls.wrap_socket(self._line, server_hostname=host)
        return self._line


@contextmanager
def _cut_off(line: socket.socket, seconds: float) -> Iterator[None]:
    """End the connection after so long: a server that says a byte now and then would never time out by itself."""
    if seconds <= 0:
        raise Unavailable("there was no time left for the message")
    # A handle of its own, which stays whatever becomes of the first one when TLS begins.
    with line.dup() as handle:
        timer = threading.Timer(seconds, _shut, (handle,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _shut(line: socket.socket) -> None:
    with suppress(OSError):  # the server was faster
        line.shutdown(socket.SHUT_RDWR)
