"""DC1: whoever registers a URL must not make us talk to our own network."""

import http.server
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from idp.core.fetch import Fetcher, FetchError, is_public
from idp.core.settings import Fetch
from tests.helpers.certificates import Certificate, loopback_certificate

DOCUMENT: dict[str, Any] = {"keys": []}
PUBLIC = "93.184.216.34"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path; remembers what it was asked."""

    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["Host"]))
        answer: Callable[[], None] = getattr(self, "answer_" + self.path.strip("/").replace("-", "_"))
        answer()

    def reply(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        headers = {"Content_Type": "application/json", "Content_Length": str(len(body)), **headers}
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def answer_keys(self) -> None:
        self.reply(json.dumps(DOCUMENT).encode())

    def answer_jwk_set(self) -> None:
        self.reply(json.dumps(DOCUMENT).encode(), Content_Type="application/jwk-set+json; charset=utf-8")

    def answer_html(self) -> None:
        self.reply(b"{}", Content_Type="text/html")

    def answer_list(self) -> None:
        self.reply(b"[]")

    def answer_nonsense(self) -> None:
        self.reply(b'{"keys": ')

    def answer_nested(self) -> None:
        self.reply(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}")

    def answer_missing(self) -> None:
        self.reply(b"{}", status=404)

    def answer_redirect(self) -> None:
        self.reply(b"{}", status=302, Location="/keys")

    def answer_redirect_to_metadata(self) -> None:
        self.reply(b"{}", status=307, Location="http://169.254.169.254/latest/meta-data/")

    def answer_compressed(self) -> None:
        self.reply(b"{}", Content_Encoding="gzip")

    def answer_large(self) -> None:
        self.reply(b'{"a":"' + b"x" * 2000 + b'"}')

    def answer_endless(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        with_room = b" " * 4096
        try:
            while True:
                self.wfile.write(with_room)
        except OSError:
            pass

    def answer_short(self) -> None:
        self.reply(b"{}", Content_Length="500")

    def answer_drip(self) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", b" ")

    def answer_drip_headers(self) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x")

    def answer_silence(self) -> None:
        time.sleep(3)

    def _drip(self, start: bytes, drop: bytes) -> None:
        try:
            self.wfile.write(start)
            for _ in range(60):
                self.wfile.write(drop)
                time.sleep(0.05)
        except OSError:
            pass

    def log_message(self, *arguments: Any) -> None:
        pass


class QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class Web:
    """A local web server, and how to reach it."""

    def __init__(self, server: http.server.HTTPServer, asked: list[tuple[str, str]], ca: Path | None) -> None:
        self.port = int(server.server_port)
        self.asked = asked
        self.ca = ca

    def url(self, path: str, host: str = "localhost") -> str:
        return f"{'https' if self.ca else 'http'}://{host}:{self.port}{path}"

    def fetcher(self, *, timeout: float = 5, allow_loopback: bool = True, **settings: Any) -> Fetcher:
        return Fetcher(Fetch(ca_bundle=self.ca, timeout=timeout, **settings), allow_loopback=allow_loopback)


def serve(certificate: Certificate | None) -> Iterator[Web]:
    asked: list[tuple[str, str]] = []
    server = QuietServer(("127.0.0.1", 0), type("AskedHandler", (Handler,), {"asked": asked}))
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Web(server, asked, certificate.certificate if certificate else None)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return loopback_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def _plain() -> Iterator[Web]:
    yield from serve(None)


@pytest.fixture(scope="module")
def _secure(certificate: Certificate) -> Iterator[Web]:
    yield from serve(certificate)


@pytest.fixture(params=["_secure", "_plain"])
def web(request: pytest.FixtureRequest) -> Web:
    """The local server, over TLS and without."""
    chosen: Web = request.getfixturevalue(request.param)
    chosen.asked.clear()
    return chosen


@pytest.fixture
def secure(_secure: Web) -> Web:
    _secure.asked.clear()
    return _secure


@pytest.fixture
def plain(_plain: Web) -> Web:
    _plain.asked.clear()
    return _plain


def resolving_to(*addresses: str) -> Fetcher:
    return Fetcher(Fetch(timeout=0.5), resolve=lambda host, port: list(addresses))


class TestFetching:
    def test_document(self, web: Web) -> None:
        assert web.fetcher().get_json(web.url("/keys")) == DOCUMENT
        assert web.asked == [("/keys", f"localhost:{web.port}")]

    def test_json_by_another_name(self, web: Web) -> None:
        assert web.fetcher().get_json(web.url("/jwk-set")) == DOCUMENT

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("/html", "JSON"),
            ("/list", "not a JSON object"),
            ("/nonsense", "not JSON"),
            ("/missing", "404"),
            ("/redirect", "redirect"),
            ("/redirect-to-metadata", "redirect"),
            ("/compressed", "compressed"),
            ("/large", "more than 1024 bytes"),
            ("/endless", "more than 1024 bytes"),
            ("/short", "hung up"),
        ],
    )
    def test_bad_answers(self, web: Web, path: str, message: str) -> None:
        with pytest.raises(FetchError, match=message):
            web.fetcher(max_bytes=1024).get_json(web.url(path))
        assert len(web.asked) == 1

    def test_deeply_nested(self, plain: Web) -> None:
        with pytest.raises(FetchError, match="not JSON"):
            plain.fetcher().get_json(plain.url("/nested"))

    @pytest.mark.parametrize("path", ["/drip", "/drip-headers", "/silence"])
    def test_slow_answers_end_at_the_deadline(self, web: Web, path: str) -> None:
        started = time.monotonic()
        with pytest.raises(FetchError, match="too long"):
            web.fetcher(timeout=0.6).get_json(web.url(path))
        assert time.monotonic() - started < 2

    def test_a_handshake_that_never_ends(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            fetcher = Fetcher(Fetch(timeout=0.5), allow_loopback=True)
            started = time.monotonic()
            with pytest.raises(FetchError, match="too long"):
                fetcher.get_json(f"https://127.0.0.1:{listener.getsockname()[1]}/")
            assert time.monotonic() - started < 2

    def test_a_resolver_that_never_answers(self) -> None:
        def resolve(host: str, port: int) -> list[str]:
            time.sleep(1)
            return [PUBLIC]

        fetcher = Fetcher(Fetch(timeout=0.2), resolve=resolve)
        with pytest.raises(FetchError, match="resolved in time"):
            fetcher.get_json("https://rp.example/keys")

    def test_the_second_address_is_tried(self, plain: Web) -> None:
        fetcher = Fetcher(Fetch(), allow_loopback=True, resolve=lambda host, port: ["::1", "127.0.0.1"])
        assert fetcher.get_json(plain.url("/keys")) == DOCUMENT

    def test_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(FetchError, match="could not be read"):
            Fetcher(Fetch(), allow_loopback=True).get_json(f"http://127.0.0.1:{port}/")


class TestCertificates:
    def test_unknown_authority(self, secure: Web) -> None:
        with pytest.raises(FetchError, match="no valid certificate"):
            Fetcher(Fetch(), allow_loopback=True).get_json(secure.url("/keys"))

    def test_another_host(self, secure: Web) -> None:
        """The address is pinned; the certificate must still be for the name."""
        fetcher = Fetcher(Fetch(ca_bundle=secure.ca), allow_loopback=True, resolve=lambda host, port: ["127.0.0.1"])
        with pytest.raises(FetchError, match="no valid certificate"):
            fetcher.get_json(secure.url("/keys", host="rp.example"))
        assert secure.asked == []

    def test_by_address(self, secure: Web) -> None:
        assert secure.fetcher().get_json(secure.url("/keys", host="127.0.0.1")) == DOCUMENT


class TestRebinding:
    def test_the_name_is_resolved_once_and_the_address_pinned(self, plain: Web) -> None:
        """The second answer of the attacker's DNS would be another one; it is never asked for."""
        answers = iter([["127.0.0.1"], ["169.254.169.254"]])
        fetcher = Fetcher(Fetch(), allow_loopback=True, resolve=lambda host, port: next(answers))
        assert fetcher.get_json(plain.url("/keys", host="rebinding.example")) == DOCUMENT
        assert plain.asked == [("/keys", f"rebinding.example:{plain.port}")]
        with pytest.raises(FetchError):
            fetcher.get_json(plain.url("/keys", host="rebinding.example"))

    def test_the_system_is_not_asked_again(self, plain: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        real, asked = socket.getaddrinfo, []

        def getaddrinfo(host: str, *arguments: Any, **options: Any) -> Any:
            asked.append(host)
            return real("127.0.0.1" if host == "rp.example" else host, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        fetcher = Fetcher(Fetch(), allow_loopback=True)
        assert fetcher.get_json(plain.url("/keys", host="rp.example")) == DOCUMENT
        assert asked.count("rp.example") == 1

    def test_one_bad_address_spoils_the_name(self) -> None:
        with pytest.raises(FetchError, match="not on the public Internet"):
            resolving_to(PUBLIC, "10.0.0.1").get_json("https://rp.example/keys")


SPECIAL_USE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "64:ff9b::169.254.169.254",
    "64:ff9b::10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


class TestAddresses:
    @pytest.mark.parametrize("address", SPECIAL_USE)
    def test_special_use_is_refused(self, address: str) -> None:
        assert not is_public(ipaddress.ip_address(address))
        with pytest.raises(FetchError, match="not on the public Internet"):
            resolving_to(address).get_json("https://rp.example/keys")

    @pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700::1111", "64:ff9b::1.1.1.1", "::ffff:1.1.1.1"])
    def test_public(self, address: str) -> None:
        assert is_public(ipaddress.ip_address(address))

    def test_nothing_is_connected_to(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connected: list[Any] = []
        monkeypatch.setattr(socket, "create_connection", lambda *a, **k: connected.append(a))
        for address in SPECIAL_USE:
            with pytest.raises(FetchError):
                resolving_to(address).get_json("https://rp.example/keys")
        assert connected == []

    def test_loopback_is_refused_in_production(self, web: Web) -> None:
        with pytest.raises(FetchError):
            web.fetcher(allow_loopback=False).get_json(web.url("/keys"))
        assert web.asked == []

    def test_allow_loopback_allows_nothing_else(self) -> None:
        fetcher = Fetcher(Fetch(), allow_loopback=True, resolve=lambda host, port: ["10.0.0.1"])
        for url in ("https://rp.example/", "http://rp.example/"):
            with pytest.raises(FetchError):
                fetcher.get_json(url)

    def test_allowed_networks(self, secure: Web) -> None:
        fetcher = secure.fetcher(allow_loopback=False, allowed_networks=("127.0.0.0/8", "::1/128"))
        assert fetcher.get_json(secure.url("/keys")) == DOCUMENT

    def test_allowed_networks_do_not_allow_http(self, plain: Web) -> None:
        fetcher = plain.fetcher(allow_loopback=False, allowed_networks=("127.0.0.0/8", "::1/128"))
        with pytest.raises(FetchError, match="https"):
            fetcher.get_json(plain.url("/keys"))

    def test_plain_http_to_the_internet(self) -> None:
        fetcher = Fetcher(Fetch(), allow_loopback=True, resolve=lambda host, port: [PUBLIC])
        with pytest.raises(FetchError, match="https"):
            fetcher.get_json("http://rp.example/keys")

    def test_names_without_address(self) -> None:
        with pytest.raises(FetchError, match="no address"):
            resolving_to().get_json("https://rp.example/keys")


class TestUrls:
    @pytest.mark.parametrize(
        "url",
        [
            "",
            "rp.example/keys",
            "//rp.example/keys",
            "ftp://rp.example/keys",
            "file:///etc/passwd",
            "gopher://rp.example/",
            "https:///keys",
            "https://:443/",
            "https://user@rp.example/",
            "https://rp.example:80@169.254.169.254/",
            "https://rp.example\\@169.254.169.254/",
            "https://rp.example/#fragment",
            "https://rp.example:0/",
            "https://rp.example:99999/",
            "https://rp.example:https/",
            "https://rp.example/a b",
            "https://rp.example/\r\nHost: internal",
            "https://rp.exa\tmple/",
            "https://rp.example/\x00",
            "https://rp。example/",
            "https://[::1/",
            "https://[fe80::1%25eth0]/",
            "https://[::ffff:127.0.0.1%25lo]/",
            "https://rp..example/",
            "https://rp.example/" + "a" * 2048,
            # Other notations of 127.0.0.1 and 169.254.169.254
            "https://2130706433/",
            "https://2852039166/",
            "https://0x7f000001/",
            "https://0x7f.0.0.1/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://127.0.1/",
            "https://0/",
            "https://169.254.0xa9fe/",
            "https://127.0.0.1./",
        ],
    )
    def test_malformed(self, url: str) -> None:
        def resolve(host: str, port: int) -> list[str]:
            raise AssertionError("must not come so far")

        for allow_loopback in (False, True):
            with pytest.raises(FetchError):
                Fetcher(Fetch(), allow_loopback=allow_loopback, resolve=resolve).get_json(url)

    @pytest.mark.parametrize(
        "url",
        ["https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://localhost/"],
    )
    def test_this_machine(self, url: str) -> None:
        with pytest.raises(FetchError, match="not on the public Internet"):
            Fetcher(Fetch()).get_json(url)

    def test_query(self, plain: Web) -> None:
        with pytest.raises(FetchError):
            plain.fetcher().get_json(plain.url("/missing?tenant=1"))
        assert plain.asked[0][0] == "/missing?tenant=1"
