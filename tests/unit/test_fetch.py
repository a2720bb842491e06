"""Fetching JSON from a server that may be slow, large, lying or somebody else."""

import socket
import time
from collections.abc import Iterator

import pytest

from idp.core.errors import Unavailable
from idp.core.fetch import Fetcher, FetchError
from idp.core.setting_sections import Fetch
from idp.identity.clients.logos import fetch_logo
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


def test_only_so_many_wait_for_documents_at_a_time(plain: Web) -> None:
    """The next is told to come again, and a logo is done without."""
    fetcher = plain.fetcher(at_once=1)
    with fetcher.patience():
        with pytest.raises(Unavailable):
            fetcher.get_json(plain.url("/keys"))
        assert "too many" in (fetch_logo(plain.url("/keys"), fetcher).problem or "")
    assert plain.asked == []
    assert fetcher.get_json(plain.url("/keys")) == DOCUMENT
