"""`idp doctor --issuer URL` against TLS that is no good, garbage, silence, and documents that nobody would write."""

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.cli.doctor import exchange, metadata, transport
from idp.cli.doctor.finding import OK, WARNING, Finding
from idp.cli.doctor.metadata import Metadata
from idp.cli.doctor.relying_party import examine
from idp.cli.doctor.sign_in import RegisteredClient
from tests.helpers.certificates import Certificate, loopback_certificate
from tests.helpers.fake_provider import CALLBACK, CLIENT_ID, OPENID, SECRET, FakeProvider, Reply, fake_provider
from tests.helpers.provider_faults import Change, status

CLIENT = RegisteredClient(CLIENT_ID, CALLBACK, SECRET)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """What the provider shows over TLS."""
    return loopback_certificate(tmp_path_factory.mktemp("tls"))


def amiss(provider: FakeProvider, client: RegisteredClient | None = CLIENT, **options: Any) -> list[Finding]:
    """What is not ok."""
    return [finding for finding in examine(provider.issuer, client=client, **options) if finding.level != OK]


# TLS


def test_a_certificate_that_nobody_trusts(certificate: Certificate) -> None:
    with fake_provider(certificate) as provider:
        [finding] = amiss(provider)
    assert "do not accept its certificate" in finding.message
    assert "--ca-bundle" in finding.message


def test_a_certificate_of_another_name(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda to, *rest: connect(("127.0.0.1", to[1]), *rest))
    with fake_provider(certificate) as provider:
        elsewhere = provider.issuer.replace("127.0.0.1", "id.example.com")
        [finding] = [f for f in examine(elsewhere, certificate.certificate) if f.level != OK]
    assert "do not accept its certificate (Hostname mismatch" in finding.message


@pytest.mark.parametrize(("days", "words"), [(4, "3 more days"), (1, "hours")])
def test_a_certificate_that_ends_soon(tmp_path: Path, days: int, words: str) -> None:
    short = loopback_certificate(tmp_path, days)
    with fake_provider(short) as provider:
        [finding] = amiss(provider, ca_bundle=short.certificate)
    assert (finding.check, finding.level) == ("transport.certificate", WARNING)
    assert words in finding.message


def test_tls_where_none_is_spoken() -> None:
    with fake_provider() as provider:
        [finding] = [f for f in examine(provider.issuer.replace("http:", "https:")) if f.level != OK]
    assert "no TLS connection" in finding.message


def test_where_plain_http_is_looked_for() -> None:
    assert transport.plain_http_of("https://id.example.com/main") == "http://id.example.com/main"
    assert transport.plain_http_of("https://[::1]:443") == "http://[::1]"
    assert transport.plain_http_of("https://id.example.com:8443") is None


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        (status("/", 200), WARNING, "without TLS"),
        (status("/", 301, Location="http://127.0.0.1/x"), WARNING, "redirects to"),
        (status("/", 308, Location="https://127.0.0.1/"), OK, "leads to https"),
        (status("/", 400), OK, "leads to https, or to nothing"),
        (lambda p: p.spoil("/", lambda q, r: b"\0"), OK, "nothing answers"),
    ],
)
def test_plain_http_beside_https(
    change: Change, level: str, words: str, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_provider() as plain, fake_provider(certificate) as provider:
        change(plain)
        monkeypatch.setattr(transport, "plain_http_of", lambda issuer: plain.issuer + "/")
        findings = {f.check: f for f in examine(provider.issuer, certificate.certificate)}
    assert findings["transport.plain-http"].level == level
    assert words in findings["transport.plain-http"].message


# Garbage


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\0\xff\xfe",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
        b"HTTP/1.1 999 \xff\r\nSet-Cookie: ;;;=\xe9\r\nDate: yesterday\r\nCache-Control: max-age=\xb2\r\n\r\n\x80",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n{}",
        b"HTTP/1.1 200 " + b"a" * 70_000,
    ],
)
def test_garbage_is_a_finding(garbage: bytes) -> None:
    with fake_provider() as provider:
        provider.spoil("*", lambda question, reply: garbage)
        assert "discovery.document" in {f.check for f in amiss(provider)}
    with fake_provider() as provider:
        provider.spoil("*", lambda question, reply: None if question.path == OPENID else garbage)
        topics = {f.topic for f in amiss(provider)}
    assert {"keys", "authorization", "token", "userinfo", "introspection", "sign-in"} <= topics


def test_who_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "SECONDS_EACH", 1.0)
    over = threading.Event()
    with fake_provider() as provider:
        provider.spoil("/jwks", lambda question, reply: None if over.wait(30) else reply)
        found = amiss(provider)
        over.set()
    assert [f.check for f in found] == ["keys.answer"]
    assert "did not answer" in found[0].message


def test_time_is_bounded_in_all() -> None:
    asking = exchange.Exchange(seconds=0)
    with pytest.raises(exchange.NoAnswerError, match="time for all checks is over"):
        asking.ask("http://127.0.0.1:9/")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["http://[::1", "https://x", "none"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = [
    *metadata.REQUIRED, "scopes_supported", "ui_locales_supported", "grant_types_supported", "userinfo_endpoint",
    "code_challenge_methods_supported", "token_endpoint_auth_methods_supported", "claims_parameter_supported",
    "token_endpoint_auth_signing_alg_values_supported", "authorization_response_iss_parameter_supported",
]  # fmt: skip


@pytest.mark.parametrize("level", [19, 20, 900, 990, 100_000])
def test_nested_documents_do_not_exhaust_anything(level: int) -> None:
    with fake_provider() as provider:
        nested = b'{"issuer": ' + b"[" * level + b"]" * level + b"}"
        provider.spoil(OPENID, lambda question, reply: Reply(200, reply.headers, nested))
        assert ("discovery.issuer" in {f.check for f in amiss(provider)}) == (level < 20)


def test_a_terminal_and_a_json_reader_survive_what_is_printed() -> None:
    nasty = "\ud800\x1b[2J"
    with fake_provider() as provider:
        provider.document |= {nasty: None, "userinfo_endpoint": f"https://{nasty}/", "scopes_supported": [nasty]}
        provider.document |= {f"{nasty}_endpoint": nasty, "ui_locales_supported": [nasty], "x_endpoint": "x" * 99_999}
        provider.jwks["keys"][0] |= {"kid": nasty, "use": nasty}
        for finding in amiss(provider):
            assert len(finding.message.encode()) < 600
            assert finding.message.isprintable()


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(MEMBERS) | st.text(max_size=5), json_values))
def test_any_document_can_be_looked_at(document: dict[str, Any]) -> None:
    assert list(metadata.checks(Metadata(document, "https://id.example.com")))


@settings(max_examples=25, deadline=None)
@given(
    keys=st.lists(
        st.dictionaries(st.sampled_from(["kty", "kid", "use", "alg", "n", "crv", "d"]), json_values)
        | st.fixed_dictionaries({"kty": st.just("RSA"), "n": json_values})
        | st.fixed_dictionaries({"kty": st.just("EC"), "use": st.just("sig"), "crv": json_values, "alg": json_values})
        | st.just({"kty": "EC", "crv": ["P-256"], "alg": "ES256"}),
        min_size=1,
        max_size=4,
    )
)
def test_any_keys_can_be_looked_at(keys: list[dict[str, Any]]) -> None:
    with fake_provider() as provider:
        provider.jwks = {"keys": keys}
        findings = list(examine(provider.issuer))
    assert "keys.coverage" in {f.check for f in findings}
