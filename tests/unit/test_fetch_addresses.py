"""DC1: whoever registers a URL must not make us talk to our own network."""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from idp.core.addresses import is_public
from idp.core.fetch import Fetcher, FetchError
from idp.core.setting_sections import Fetch
from tests.helpers.certificates import loopback_certificate
from tests.helpers.json_server import DOCUMENT, Web, json_server

PUBLIC = "93.184.216.34"


@pytest.fixture(scope="module")
def _plain() -> Iterator[Web]:
    with json_server(None) as running:
        yield running


@pytest.fixture(scope="module")
def _secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with json_server(loopback_certificate(tmp_path_factory.mktemp("tls"))) as running:
        yield running


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
