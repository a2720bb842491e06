"""Mail: what goes over the wire, and what must not."""

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from idp.core.errors import ConfigurationError, Invalid, Unavailable
from idp.core.settings import Settings
from idp.services.notify.mailer import Mailer, MailRefused
from idp.services.notify.smtp import SmtpServer, parse_smtp_url


class Conversation(socketserver.StreamRequestHandler):
    """As much of an SMTP server (RFC 5321) as a submission needs; it offers no TLS."""

    server: "Server"

    def handle(self) -> None:
        self.say(220, "ready")
        while line := self.rfile.readline().decode().strip():
            self.server.lines.append(line)
            verb = line.split()[0].upper()
            if verb == "EHLO":
                self.wfile.write(b"250-localhost\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n")
            elif verb == "RCPT" and "refused" in line:
                self.say(550, "no such user")
            elif verb == "DATA":
                self.say(354, "go on")
                self.server.messages.append(self.read_message())
                self.say(250, "queued")
            elif verb == "QUIT":
                self.say(221, "bye")
                return
            else:
                self.say(235 if verb == "AUTH" else 250, "fine")

    def say(self, code: int, text: str) -> None:
        self.wfile.write(f"{code} {text}\r\n".encode())

    def read_message(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.lines: list[str] = []
        self.messages: list[bytes] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@contextmanager
def running() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


def mailer(url: str | None, **settings: Any) -> Mailer:
    return Mailer(Settings(smtp_url=url, mail_from="Acme <no-reply@id.example>", **settings))


def test_a_message_arrives(server: Server) -> None:
    mailer(f"smtp://127.0.0.1:{server.port}").send("ann@example.com", "Grüße", "Hällo\nwörld\n.dot\n")
    (raw,) = server.messages
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["From"] == "Acme <no-reply@id.example>"
    assert message["To"] == "ann@example.com"
    assert message["Subject"] == "Grüße"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@id.example>")
    assert message["Date"].datetime is not None
    body = message.get_body()
    assert body is not None
    assert body.get_content().splitlines() == ["Hällo", "wörld", ".dot"]
    assert message.get_content_type() == "text/plain"
    assert "RCPT TO:<ann@example.com>" in [
        line.upper().replace("ANN@EXAMPLE.COM", "ann@example.com") for line in server.lines
    ]


@pytest.mark.parametrize(
    "to",
    [
        "ann@example.com\r\nBcc: all@example.com", "ann@example.com\nX: y", "ann@example.com, bob@example.com",
        "", "ann", "ann@", "@example.com", "Ann <ann@example.com>", "a@b@c", "ann@example.com\x00", "a b@c.d",
    ],
)  # fmt: skip
def test_an_address_carries_one_recipient_and_nothing_else(to: str, server: Server) -> None:
    with pytest.raises(Invalid):
        mailer(f"smtp://127.0.0.1:{server.port}").send(to, "Hello", "text")
    assert server.messages == []


@pytest.mark.parametrize("subject", ["a\r\nBcc: x@example.com", "a\nb", "a\rb"])
def test_a_subject_is_one_line(subject: str, server: Server) -> None:
    with pytest.raises(Invalid):
        mailer(f"smtp://127.0.0.1:{server.port}").send("ann@example.com", subject, "text")
    assert server.messages == []


def test_starttls_is_insisted_on(server: Server) -> None:
    for url in (f"smtp+starttls://127.0.0.1:{server.port}", f"smtp://127.0.0.1:{server.port}?starttls=required"):
        with pytest.raises(Unavailable):
            mailer(url).send("ann@example.com", "Hello", "text")
    assert server.messages == []


def test_a_password_does_not_travel_in_clear(server: Server, monkeypatch: Any) -> None:
    url = f"smtp://me:hush@127.0.0.1:{server.port}"
    mailer(url).send("ann@example.com", "Hello", "text")
    assert any(line.startswith("AUTH") for line in server.lines)
    # The same server, were it elsewhere.
    monkeypatch.setattr("idp.services.notify.smtp.LOOPBACK_HOSTS", frozenset())
    server.lines.clear()
    with pytest.raises(ConfigurationError, match="in clear"):
        mailer(url).send("ann@example.com", "Hello", "text")
    assert not any(line.startswith("AUTH") for line in server.lines)


def test_a_refusal_is_final_and_absence_is_not(server: Server) -> None:
    with pytest.raises(MailRefused, match="550 no such user"):
        mailer(f"smtp://127.0.0.1:{server.port}").send("refused@example.com", "Hello", "text")
    with running() as gone:
        port = gone.port
    with pytest.raises(Unavailable, match=str(port)):
        mailer(f"smtp://127.0.0.1:{port}").send("ann@example.com", "Hello", "text")


def test_without_a_server(server: Server) -> None:
    assert not mailer(None).is_configured
    with pytest.raises(ConfigurationError, match="IDP_SMTP_URL"):
        mailer(None).send("ann@example.com", "Hello", "text")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example", SmtpServer("smtp", "mail.example", 25, None, None)),
        ("smtps://u%40x:p%3Aw@mail.example", SmtpServer("smtps", "mail.example", 465, "u@x", "p:w")),
        ("smtp+starttls://mail.example", SmtpServer("smtp+starttls", "mail.example", 587, None, None)),
        ("starttls://mail.example:26", SmtpServer("smtp+starttls", "mail.example", 26, None, None)),
        ("smtp://[::1]:2525", SmtpServer("smtp", "::1", 2525, None, None)),
    ],
)
def test_urls(url: str, expected: SmtpServer) -> None:
    assert parse_smtp_url(url) == expected
    assert "p:w" not in repr(expected)


@pytest.mark.parametrize(
    "url", ["http://mail.example", "smtp:", "smtp://", "mail.example", "smtp://h:x", "smtp://h:99999"]
)
def test_bad_urls(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_smtp_url(url)
    assert caught.value.__cause__ is None
