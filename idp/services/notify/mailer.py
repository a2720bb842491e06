"""Mail over SMTP, submitted to the operator's own server."""

import re
import smtplib
import ssl
from datetime import datetime
from email.errors import HeaderParseError, MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final
from urllib.parse import urlsplit

import idna

from idp.core.clock import now
from idp.core.errors import ConfigurationError, IdpError, Invalid, Unavailable
from idp.core.randomness import new_id
from idp.core.settings import Settings
from idp.services.notify.smtp import SmtpServer, greet, parse_smtp_url, submit

# Seven bits, so that no relay has to recode what was signed (DKIM) on its way.
_POLICY: Final = SMTP.clone(cte_type="7bit")
_ADDRESS: Final = re.compile(r"<?[^\s<>@]+@[^\s<>@,;:]+>?")


class MailRefused(IdpError):
    """The server answered, and will not have this message for this recipient (RFC 5321 §4.2.1: a reply of 5xx)."""


class Mailer:
    """Sends mail through the server of `IDP_SMTP_URL`. Raises ConfigurationError if that is no such URL."""

    def __init__(self, settings: Settings) -> None:
        url = settings.smtp_url
        self._server = None if url is None else parse_smtp_url(url.get_secret_value())
        self._ca_bundle = settings.smtp_ca_bundle
        self._sender = _ascii_domain(settings.sender)
        self._name = _greeting_name(urlsplit(settings.issuer).hostname or "localhost")

    @property
    def is_configured(self) -> bool:
        """False if there is no server to send through."""
        return self._server is not None

    def send(
        self,
        to: str,
        subject: str,
        text: str,
        html: str | None = None,
        *,
        mail_id: str | None = None,
        written_at: datetime | None = None,
    ) -> None:
        """Send one message, waiting until the server has accepted it; `html` is the same in another dress.

        `mail_id` names the message for ever: sent a second time, it has the same Message-ID. Raises
        ConfigurationError if no usable server is configured, Invalid for an address or subject that mail cannot
        carry, MailRefused if the server will never take it, Unavailable if it cannot be reached or not just now.
        Never call it inside a transaction.
        """
        server = self._required_server()
        try:
            recipient = _recipient(to)
            message = self._message(recipient, subject, text, html, mail_id or new_id(), written_at or now())
        except (ValueError, HeaderParseError, MessageError, IndexError) as error:
            # Not the error's own words: they repeat the address, and this ends up in logs (KY1).
            raise Invalid("mail cannot carry this address, or this subject", "to") from error
        tls = self._tls()
        try:
            submit(server, message, self._sender.addr_spec, recipient.addr_spec, tls=tls, name=self._name)
        except (smtplib.SMTPException, OSError) as error:
            raise _trouble(server, error, recipient) from error

    def greet(self) -> str:
        """Talk to the server without sending anything, password and all; returns which it is. Raises as `send` does."""
        server, tls = self._required_server(), self._tls()
        try:
            greet(server, tls=tls, name=self._name)
        except (smtplib.SMTPException, OSError) as error:
            raise _trouble(server, error) from error
        return str(server)

    def _required_server(self) -> SmtpServer:
        if self._server is None:
            raise ConfigurationError("no mail server is configured: set IDP_SMTP_URL")
        return self._server

    def _message(
        self, to: Address, subject: str, text: str, html: str | None, mail_id: str, written_at: datetime
    ) -> EmailMessage:
        message = EmailMessage(_POLICY)
        message["From"] = self._sender
        message["To"] = to
        message["Subject"] = subject
        message["Date"] = format_datetime(written_at)
        message["Message-ID"] = f"<{mail_id}@{self._sender.domain}>"
        # RFC 3834 §5, and what Exchange knows instead: both keep vacation responders quiet.
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        message.set_content(text, cte="quoted-printable")
        if html is not None:
            message.add_alternative(html, subtype="html", cte="quoted-printable")
        return message

    def _tls(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._ca_bundle)
        except OSError as error:
            raise ConfigurationError(f"IDP_SMTP_CA_BUNDLE cannot be read: {error}") from None


def _recipient(text: str) -> Address:
    """One address without a name. Raises ValueError, or what the email package has for one that is none."""
    local, at, domain = text.rpartition("@")
    if not text.isprintable() or not at:
        raise ValueError("an address has the form name@domain")
    # RFC 6532 §3.2: any letter may stand where an ASCII one may. The email package knows ASCII alone.
    in_ascii = "".join(character if character.isascii() else "x" for character in local)
    shape = Address(addr_spec=f"{in_ascii}@{_ascii_labels(domain)}")
    return shape if local.isascii() else Address(username=local, domain=shape.domain)


def _ascii_domain(address: Address) -> Address:
    """The address with its domain in A-labels (RFC 5890), which every server understands. Raises ValueError."""
    return Address(address.display_name, address.username, _ascii_labels(address.domain))


def _ascii_labels(domain: str) -> str:
    return domain if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")


def _greeting_name(host: str) -> str:
    """What to call ourselves (RFC 5321 §4.1.1.1). Not what this machine is called: that may be slow to find out, and is
    nobody's business."""
    if host.replace(".", "").isdigit():
        return f"[{host}]"
    return f"[IPv6:{host}]" if ":" in host else host


def _trouble(server: SmtpServer, error: Exception, recipient: Address | None = None) -> IdpError:
    """What a failed conversation means: never, or not now."""
    if not isinstance(error, smtplib.SMTPException):
        return Unavailable(f"the mail server {server} cannot be reached: {error}")
    replies = _replies(error)
    # Without the recipient's address, which servers repeat: this ends up in logs (KY1).
    said = _ADDRESS.sub("<address>", "; ".join(f"{code} {text}" for code, text in replies) or str(error))
    sentence = f"no success with the mail server {server}: {' '.join(said.split())}"
    is_about_the_message = isinstance(error, smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError)
    # RFC 6531: whoever has letters beyond ASCII before the @ needs a server that knows of them.
    needs_more = recipient is not None and not recipient.username.isascii()
    is_beyond_it = isinstance(error, smtplib.SMTPNotSupportedError) and needs_more
    if is_beyond_it or (is_about_the_message and all(500 <= code < 600 for code, _ in replies)):
        return MailRefused(sentence)
    return Unavailable(sentence)


def _replies(error: smtplib.SMTPException) -> list[tuple[int, str]]:
    """The server's answers (RFC 5321 §4.2)."""
    found: list[tuple[int, bytes | str]]
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        found = [*error.recipients.values()]
    elif isinstance(error, smtplib.SMTPResponseException):
        found = [(error.smtp_code, error.smtp_error)]
    else:
        found = []
    return [(code, text.decode("utf-8", "replace") if isinstance(text, bytes) else text) for code, text in found]
