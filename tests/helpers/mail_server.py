"""A real mail server (aiosmtpd) on a free port of the loopback address, which can be made to misbehave."""

import asyncio
import contextlib
import email
import email.policy
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.helpers.certificates import Certificate

Answer = str | None
"""What to say instead of yes; None says yes."""


@dataclass
class Delivery:
    """One message that the server took."""

    sender: str
    recipients: list[str]
    raw: bytes
    is_encrypted: bool
    user: str | None
    options: list[str]

    @property
    def message(self) -> EmailMessage:
        """As a mail program reads it."""
        parsed = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def text(self) -> str:
        """The plain text."""
        return self._part("plain")

    @property
    def html(self) -> str:
        """The HTML."""
        return self._part("html")

    def _part(self, subtype: str) -> str:
        part = self.message.get_body((subtype,))
        assert part is not None, f"there is no {subtype} part"
        return str(part.get_content())


@dataclass
class MailServer:
    """Deliveries in the order of their arrival, and what is said to those that come."""

    port: int = 0
    deliveries: list[Delivery] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    """The recipients that were named, message or not."""
    on_recipient: Callable[[str], Answer] = lambda address: None
    """Runs in a thread, and may take its time."""
    on_data: Callable[[Delivery], Answer] = lambda delivery: None
    """Runs in a thread, and may take its time."""
    drop_after_data: int = 0
    """So many times it takes the message, and hangs up before it says so."""
    names: list[str] = field(default_factory=list)
    """What clients called themselves."""

    @property
    def host(self) -> str:
        return "127.0.0.1"

    def url(self, scheme: str = "smtp", login: str = "") -> str:
        """The value of IDP_SMTP_URL."""
        return f"{scheme}://{login}{self.host}:{self.port}"

    def to(self, address: str) -> list[Delivery]:
        """What came for one address."""
        return [delivery for delivery in self.deliveries if address in delivery.recipients]

    def _take(self, delivery: Delivery) -> Answer:
        # In the thread: whoever hangs up meanwhile has handed the message in.
        refusal = self.on_data(delivery)
        if refusal is None:
            self.deliveries.append(delivery)
        return refusal

    # What aiosmtpd calls

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.names.append(hostname)
        session.host_name = hostname
        return responses

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.attempts.append(address)
        if refusal := await asyncio.to_thread(self.on_recipient, address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content
        assert isinstance(content, bytes)
        delivery = Delivery(
            str(envelope.mail_from),
            list(envelope.rcpt_tos),
            content,
            server.transport.get_extra_info("ssl_object") is not None,
            session.auth_data.decode() if isinstance(session.auth_data, bytes) else None,
            list(envelope.mail_options),
        )
        if refusal := await asyncio.to_thread(self._take, delivery):
            return refusal
        if self.drop_after_data:
            self.drop_after_data -= 1
            server.transport.abort()
        return "250 OK"


@contextlib.contextmanager
def mail_server(
    certificate: Certificate | None = None,
    *,
    implicit_tls: bool = False,
    password: str | None = None,
    smtputf8: bool = False,
    ready: MailServer | None = None,
    port: int = 0,
) -> Iterator[MailServer]:
    """A mail server for the length of the block.

    With a certificate it offers STARTTLS, or is TLS from the first byte; with a password it insists on it, and offers
    it only where TLS is if there is a certificate. `ready` goes on with a server that was there before.
    """
    server = ready or MailServer()
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.certificate, certificate.key)

    def authenticate(_server: Any, session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        is_right = isinstance(data, LoginPassword) and data.password.decode() == password
        return AuthResult(success=is_right, handled=False, auth_data=data.login if is_right else None)

    def make() -> SMTP:
        with warnings.catch_warnings():
            # It does not know of TLS from the first byte, and warns of passwords in clear.
            warnings.simplefilter("ignore")
            return SMTP(
                server,
                enable_SMTPUTF8=smtputf8,
                hostname="mail.test",
                tls_context=None if implicit_tls else context,
                authenticator=authenticate if password else None,
                auth_required=password is not None,
                auth_require_tls=certificate is not None and not implicit_tls,
            )

    with _running(make, context if implicit_tls else None, port) as server.port:
        yield server


@contextlib.contextmanager
def _running(make: Callable[[], SMTP], context: ssl.SSLContext | None, port: int) -> Iterator[int]:
    loop = asyncio.new_event_loop()
    listener = loop.run_until_complete(loop.create_server(make, "127.0.0.1", port, ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield int(listener.sockets[0].getsockname()[1])
    finally:
        asyncio.run_coroutine_threadsafe(_close(listener), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _close(listener: asyncio.Server) -> None:
    listener.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
