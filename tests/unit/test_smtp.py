"""Mail goes to a real server: with and without TLS, refused, delayed, dropped in the middle."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from idp.core.errors import ConfigurationError, Invalid, Unavailable
from idp.core.settings import Settings
from idp.services.notify import smtp
from idp.services.notify.mailer import Mailer, MailRefused
from tests.helpers.certificates import Certificate, loopback_certificate
from tests.helpers.mail_server import Delivery, mail_server

ANN = "ann@example.com"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return loopback_certificate(tmp_path_factory.mktemp("certificate"))


def mailer(url: str, certificate: Certificate | None = None, **settings: Any) -> Mailer:
    values = {"mail_from": "Acme <no-reply@id.example>", "issuer": "https://id.example", **settings}
    bundle = certificate.certificate if certificate else None
    return Mailer(Settings(smtp_url=url, smtp_ca_bundle=bundle, **values))


def send(mailer: Mailer, to: str = ANN, **options: Any) -> None:
    mailer.send(to, "Hello", "text", "<p>text</p>", **options)


def test_a_message_has_the_headers_and_both_bodies() -> None:
    long_line = "ä" * 2000
    with mail_server() as server:
        mailer(server.url(), mail_from="Größenwahn GmbH <no-reply@id.example>").send(
            ANN, "Grüße aus Köln", f"Hällo\n.dot\n{long_line}\n", f"<p>{long_line}</p>",
            mail_id="0197", written_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        )  # fmt: skip
    (delivery,) = server.deliveries
    message = delivery.message
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert [part.get_content_charset() for part in message.iter_parts()] == ["utf-8", "utf-8"]
    assert delivery.text.splitlines() == ["Hällo", ".dot", long_line]
    assert delivery.html.rstrip() == f"<p>{long_line}</p>"
    assert message["From"] == "Größenwahn GmbH <no-reply@id.example>"
    assert message["Subject"] == "Grüße aus Köln"
    assert message["To"] == ANN
    assert message["Date"].datetime == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert message["Message-ID"] == "<0197@id.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert (delivery.sender, delivery.recipients) == ("no-reply@id.example", [ANN])
    assert delivery.raw.isascii(), "a relay may not have to recode it"
    assert max(map(len, delivery.raw.split(b"\r\n"))) <= 78
    assert server.names == ["id.example"], "not the name of this machine"


def test_a_server_elsewhere_is_given_tls_if_it_offers_it(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "LOOPBACK_HOSTS", frozenset())
    with mail_server(certificate, password="hush") as server:
        send(mailer(server.url(login="me:hush@"), certificate))
    with mail_server() as plain:
        send(mailer(plain.url()))
    assert [(d.is_encrypted, d.user) for d in server.deliveries + plain.deliveries] == [(True, "me"), (False, None)]


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
def test_tls_with_a_private_authority_and_a_password(scheme: str, certificate: Certificate) -> None:
    with mail_server(certificate, implicit_tls=scheme == "smtps", password="p@ss/wörd"[:6]) as server:
        send(mailer(server.url(scheme, "me%40acme:p%40ss%2Fw@"), certificate))
    assert [(d.is_encrypted, d.user) for d in server.deliveries] == [(True, "me@acme")]


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
def test_a_certificate_that_nobody_vouches_for_is_refused(
    scheme: str, certificate: Certificate, tmp_path: Path
) -> None:
    other = loopback_certificate(tmp_path)
    with mail_server(certificate, implicit_tls=scheme == "smtps", password="hush") as server:
        for trusted in (None, other):
            with pytest.raises(Unavailable, match="certificate verify failed"):
                send(mailer(server.url(scheme, "me:hush@"), trusted))
    assert server.attempts == []


def test_a_certificate_for_another_host_is_refused(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the name in the settings that counts, wherever that leads."""
    connect = socket.create_connection
    with mail_server(certificate) as server:
        monkeypatch.setattr(
            smtp.socket, "create_connection", lambda place, timeout: connect((server.host, place[1]), timeout)
        )
        with pytest.raises(Unavailable, match="certificate verify failed: Hostname mismatch"):
            send(mailer(f"smtp+starttls://mail.example:{server.port}", certificate))
    assert server.attempts == []


def test_without_starttls_there_is_no_mail_where_it_was_asked_for() -> None:
    with mail_server() as server, pytest.raises(Unavailable, match="STARTTLS"):
        send(mailer(server.url("smtp+starttls")))
    assert server.attempts == []


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    untrusting = Mailer(Settings(smtp_url="smtps://127.0.0.1", smtp_ca_bundle=tmp_path / "none.pem"))
    with pytest.raises(ConfigurationError, match="IDP_SMTP_CA_BUNDLE"):
        send(untrusting)


def test_a_wrong_password_is_the_operators_trouble_and_not_the_messages(certificate: Certificate) -> None:
    with mail_server(certificate, password="hush") as server:
        with pytest.raises(Unavailable, match="535") as caught:
            send(mailer(server.url("smtp+starttls", "me:guess@"), certificate))
        with pytest.raises(Unavailable, match="535"):
            mailer(server.url("smtp+starttls", "me:guess@"), certificate).greet()
        assert mailer(server.url("smtp+starttls", "me:hush@"), certificate).greet() == f"127.0.0.1:{server.port}"
    assert "guess" not in str(caught.value)
    assert server.attempts == []


def test_greylisting_is_not_a_refusal() -> None:
    with mail_server() as server:
        server.on_recipient = lambda address: "451 4.7.1 Greylisted" if len(server.attempts) == 1 else None
        with pytest.raises(Unavailable, match="451"):
            send(mailer(server.url()))
        send(mailer(server.url()))
    assert len(server.deliveries) == 1


@pytest.mark.parametrize("where", ["on_recipient", "on_data"])
def test_ky1_a_refusal_is_told_without_the_address(where: str) -> None:
    with mail_server() as server:
        setattr(server, where, lambda _: f"550 5.1.1 <{ANN.upper()}>: no such {ANN}, ask postmaster@example.com")
        with pytest.raises(MailRefused, match=r"550 5\.1\.1 <address>: no such <address>") as caught:
            send(mailer(server.url()))
    assert "example.com" not in str(caught.value).lower()


def test_rs8_an_address_cannot_say_anything_to_the_server() -> None:
    hostile = [
        f"{ANN}\r\nBcc: all@example.com", f"{ANN}\nRCPT TO:<all@example.com>", f"{ANN}>\r\nDATA", f"<{ANN}>",
        f"{ANN} SMTPUTF8", f"{ANN},all@example.com", "ann@exa mple.com", "ann@example.com\x00", "\u2028@example.com",
        'ann"\r\nX: y"@example.com', "ann@\r\nexample.com",
    ]  # fmt: skip
    with mail_server(smtputf8=True) as server:
        for address in hostile:
            with pytest.raises(Invalid) as caught:
                send(mailer(server.url()), address)
            assert "example.com" not in str(caught.value)
        assert server.deliveries == []


def test_wb3_a_header_cannot_be_smuggled_in() -> None:
    with mail_server() as server:
        for subject in ("Hello\r\nBcc: all@example.com", "Hello\nX: y", "a\rb"):
            with pytest.raises(Invalid):
                mailer(server.url()).send(ANN, subject, "text")
    assert server.attempts == []


def test_addresses_beyond_ascii_need_a_server_that_knows_them() -> None:
    with mail_server(smtputf8=True) as able:
        send(mailer(able.url()), "jörg@bücher.example")
    assert [d.recipients for d in able.deliveries] == [["jörg@xn--bcher-kva.example"]]
    assert "SMTPUTF8" in able.deliveries[0].options
    assert able.deliveries[0].message["To"] == "jörg@xn--bcher-kva.example"
    with mail_server() as unable:
        with pytest.raises(MailRefused, match="SMTPUTF8"):
            send(mailer(unable.url()), "jörg@bücher.example")
        # A domain alone can be written in ASCII, for any server.
        send(mailer(unable.url(), mail_from="Acme <no-reply@münchen.example>"), "joerg@bücher.example")
    (delivery,) = unable.deliveries
    assert delivery.recipients == ["joerg@xn--bcher-kva.example"]
    assert delivery.sender == "no-reply@xn--mnchen-3ya.example"
    assert delivery.raw.isascii()


def test_a_connection_that_ends_before_the_answer_leaves_a_message_that_can_be_recognized() -> None:
    """Nobody can know whether it was taken, so it is sent again, and carries the same name."""
    with mail_server() as server:
        server.drop_after_data = 1
        with pytest.raises(Unavailable):
            send(mailer(server.url()), mail_id="0197")
        send(mailer(server.url()), mail_id="0197")
    assert [d.message["Message-ID"] for d in server.deliveries] == ["<0197@id.example>"] * 2


class Rude(threading.Thread):
    """A server that reads a script instead of RFC 5321; after it, it says a byte now and then."""

    def __init__(self, script: list[bytes], *, dribbles: bool = False) -> None:
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._script = script
        self._dribbles = dribbles
        self.over = threading.Event()
        self.port = self._listener.getsockname()[1]

    def run(self) -> None:
        line, _ = self._listener.accept()
        with self._listener, line, line.makefile("rb") as said:
            for answer in self._script:
                line.sendall(answer)
                if answer.startswith(b"354"):
                    while said.readline() not in (b".\r\n", b""):
                        pass
                elif not said.readline():
                    return
            while self._dribbles and not self.over.wait(0.05):
                try:
                    line.sendall(b"250-")
                except OSError:
                    return


@contextmanager
def rude(script: list[bytes], *, dribbles: bool = False) -> Iterator[Rude]:
    server = Rude(script, dribbles=dribbles)
    server.start()
    try:
        yield server
    finally:
        server.over.set()
        server.join(10)
        assert not server.is_alive()


def test_how_the_goodbye_goes_says_nothing_about_the_message() -> None:
    """It was taken: to send it again because of a bad QUIT would be to send it twice."""
    fine = [b"220 hi\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"250 taken\r\n"]
    for goodbye in (b"421 too late\r\n", b"gibberish\r\n", b""):
        with rude([*fine, goodbye]) as server:
            mailer(f"smtp://127.0.0.1:{server.port}").send(ANN, "Hello", "text")


@pytest.mark.parametrize("before", [0, 1, 3], ids=["greeting", "EHLO", "RCPT"])
def test_a_server_that_dribbles_is_hung_up_on(before: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte would start the clock anew; the lease of the message would end, and another worker send it, too."""
    monkeypatch.setattr(smtp, "SUBMISSION_SECONDS", 0.5)
    script = [b"220 hi\r\n", b"250 hi\r\n", b"250 ok\r\n"][:before]
    with rude(script, dribbles=True) as server:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            mailer(f"smtp://127.0.0.1:{server.port}").send(ANN, "Hello", "text")
        assert time.monotonic() - began < 5


def test_a_server_may_think_about_a_message_for_longer_than_about_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "ANSWER_SECONDS", 0.3)
    with mail_server() as server:

        def thinks(_delivery: Delivery) -> None:
            time.sleep(0.8)

        server.on_data = thinks
        send(mailer(server.url()))
        server.on_recipient = lambda address: time.sleep(0.8)  # type: ignore[func-returns-value]
        with pytest.raises(Unavailable, match="timed out"):
            send(mailer(server.url()))
    assert len(server.deliveries) == 1


def test_a_garbled_greeting_is_no_fault_of_ours() -> None:
    for greeting in (b"HTTP/1.1 400 Bad Request\r\n", b"\xff\xfe\x00\r\n", b"554 go away\r\n", b"x" * 10_000 + b"\r\n"):
        with rude([greeting]) as server, pytest.raises(Unavailable):
            mailer(f"smtp://127.0.0.1:{server.port}").send(ANN, "Hello", "text")


@pytest.mark.parametrize(
    "sender",
    ["Acme", "", "Acme <>", "a@b.example, c@d.example", "a b@c.example", "Acme <a@b.example>\r\nBcc: x@y.example",
     "Acme, Inc. <a@b.example>", "jörg@b.example"],
)  # fmt: skip
def test_a_sender_that_is_none_refuses_to_start(sender: str) -> None:
    with pytest.raises(ValueError, match="must be one address"):
        Settings(mail_from=sender)
