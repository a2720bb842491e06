"""Mail over SMTP (RFC 5321), submitted to the operator's own server."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.errors import HeaderParseError, MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from urllib.parse import SplitResult, unquote, urlsplit

from idp.core.errors import ConfigurationError, IdpError, Invalid, Unavailable
from idp.core.settings import LOOPBACK_HOSTS, Settings

_TIMEOUT_SECONDS = 10
_DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_ALIASES = {"starttls": "smtp+starttls"}


class MailRefused(IdpError):
    """The server answered, and will not have this message for this recipient (RFC 5321 §4.2.1: a reply of 5xx)."""


@dataclass(frozen=True, slots=True, repr=False)
class SmtpServer:
    """Where mail is handed in. `scheme` is `smtp`, `smtp+starttls` or `smtps`."""

    scheme: str
    host: str
    port: int
    username: str | None
    password: str | None


class Mailer:
    """Sends mail through the server of `IDP_SMTP_URL`."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.smtp_url
        self._sender = settings.mail_from

    @property
    def is_configured(self) -> bool:
        """False if there is no server to send through."""
        return self._url is not None

    def send(self, to: str, subject: str, text: str, html: str | None = None, *, mail_id: str | None = None) -> None:
        """Send one message, waiting until the server has accepted it; `html` is the same in another dress.

        `mail_id` names the message for ever: sent a second time, it has the same Message-ID. Raises
        ConfigurationError if no usable server is configured, Invalid for an address or subject that mail cannot
        carry, MailRefused if the server will never take it, Unavailable if it cannot be reached or not just now.
        Never call it inside a transaction.
        """
        if self._url is None:
            raise ConfigurationError("no mail server is configured: set IDP_SMTP_URL")
        server = parse_smtp_url(self._url.get_secret_value())
        message = self._message(to, subject, text, html, mail_id)
        try:
            with _connection(server) as smtp:
                smtp.send_message(message)
        except smtplib.SMTPException as error:
            raise _trouble(server, error, to) from error
        except OSError as error:
            raise Unavailable(f"the mail server {server.host}:{server.port} cannot be reached: {error}") from error

    def _message(self, to: str, subject: str, text: str, html: str | None, mail_id: str | None) -> EmailMessage:
        message = EmailMessage()
        domain = parseaddr(self._sender)[1].rpartition("@")[2] or "localhost"
        try:
            message["From"] = self._sender
            message["To"] = Address(addr_spec=to)
            message["Subject"] = subject
            message["Date"] = formatdate(usegmt=True)
            message["Message-ID"] = make_msgid(domain=domain) if mail_id is None else f"<{mail_id}@{domain}>"
            # RFC 3834 §5: keeps vacation responders quiet.
            message["Auto-Submitted"] = "auto-generated"
            message.set_content(text)
            if html is not None:
                message.add_alternative(html, subtype="html")
        except (ValueError, HeaderParseError, MessageError, IndexError) as error:
            raise Invalid(f"this cannot be mailed: {error}", "to") from error
        return message


def _trouble(server: SmtpServer, error: smtplib.SMTPException, to: str) -> IdpError:
    """What a failed conversation means: never, or not now."""
    replies = _replies(error)
    # Without the recipient's address, which servers repeat: this ends up in logs.
    said = "; ".join(f"{code} {text}".replace(to, "<address>") for code, text in replies) or type(error).__name__
    sentence = f"the mail server {server.host}:{server.port} did not take the message: {said}"
    is_about_the_message = isinstance(error, smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError)
    if is_about_the_message and all(500 <= code < 600 for code, _ in replies):
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


def parse_smtp_url(url: str) -> SmtpServer:
    """The server named by `smtp://`, `smtp+starttls://` (or `starttls://`) or `smtps://user:password@host:port`.

    `smtp` takes TLS if the server offers it, the other two insist on it. Raises ConfigurationError.
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
    return SmtpServer(
        scheme,
        parts.hostname,
        port or _DEFAULT_PORTS[scheme],
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )


def _scheme(parts: SplitResult) -> str:
    scheme = _ALIASES.get(parts.scheme, parts.scheme)
    return "smtp+starttls" if scheme == "smtp" and "starttls" in parts.query else scheme


@contextmanager
def _connection(server: SmtpServer) -> Iterator[smtplib.SMTP]:
    context = ssl.create_default_context()
    smtp: smtplib.SMTP
    if server.scheme == "smtps":
        smtp = smtplib.SMTP_SSL(server.host, server.port, timeout=_TIMEOUT_SECONDS, context=context)
    else:
        smtp = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT_SECONDS)
    with smtp:
        is_encrypted = server.scheme == "smtps"
        smtp.ehlo()
        if server.scheme == "smtp+starttls" or (not is_encrypted and smtp.has_extn("starttls")):
            smtp.starttls(context=context)
            smtp.ehlo()
            is_encrypted = True
        if server.username is not None:
            if not is_encrypted and server.host not in LOOPBACK_HOSTS:
                raise ConfigurationError("the mail server offers no TLS: its password would travel in clear")
            smtp.login(server.username, server.password or "")
        yield smtp
