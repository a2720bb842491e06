"""A provider that a relying party has no complaints about, until a test spoils something of it."""

import contextlib
import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.helpers.certificates import Certificate
from tests.helpers.json_server import QuietServer
from tests.helpers.relying_party import PrivateKey

CLIENT_ID, CALLBACK, SECRET = "registered", "http://127.0.0.1:9/callback", "s3cret & more"
OPENID, OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"
KEYS = [
    {**PrivateKey.generate("RS256").jwk, "use": "sig", "alg": "RS256", "kid": "first"},
    {**PrivateKey.generate("RS256").jwk, "use": "sig", "alg": "RS256", "kid": "second"},
    {**PrivateKey.generate("ES256").jwk, "use": "sig", "alg": "ES256", "kid": "third"},
]


@dataclass
class Reply:
    """What is sent; a header with several values has a list of them, one without a value is not sent."""

    status: int
    headers: dict[str, Any]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked."""

    method: str
    path: str
    query: dict[str, str]
    headers: Message
    form: dict[str, str]


Spoil = Callable[[Question, Reply], "Reply | bytes | None"]


@dataclass
class FakeProvider:
    """Documents to change, and `spoilers` that change answers by path ("*" is each of them)."""

    issuer: str
    document: dict[str, Any] = field(default_factory=dict)
    oauth_document: dict[str, Any] | None = None
    jwks: Any = None
    spoilers: dict[str, list[Spoil]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.jwks = {"keys": [dict(key) for key in KEYS]}
        self.document = {
            "issuer": self.issuer,
            **{f"{name}_endpoint": f"{self.issuer}/{name}" for name in ("authorization", "token", "userinfo")},
            **{f"{name}_endpoint": f"{self.issuer}/{name}" for name in ("introspection", "revocation", "end_session")},
            "jwks_uri": f"{self.issuer}/jwks",
            "scopes_supported": ["openid", "profile"],
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS256", "ES256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "ui_locales_supported": ["en", "pt-BR", "zh-Hant-TW", "de-CH-1996", "es-419"],
        }

    @property
    def path(self) -> str:
        """The path of the issuer."""
        return urlsplit(self.issuer).path

    def spoil(self, path: str, change: Spoil) -> None:
        """Change the answers at a path below the issuer; `change` may edit the reply, return another, or raw bytes."""
        self.spoilers.setdefault(path, []).append(change)

    def header(self, path: str, name: str, value: Any) -> None:
        """Send another value of a header at a path, or none for None."""

        def change(question: Question, reply: Reply) -> None:
            reply.headers[name] = value

        self.spoil(path, change)

    def status(self, path: str, status: int, method: str | None = None, **headers: str) -> None:
        """Answer with another status at a path."""

        def change(question: Question, reply: Reply) -> None:
            if method in (None, question.method):
                reply.status = status
                reply.headers |= {name.replace("_", "-"): value for name, value in headers.items()}

        self.spoil(path, change)

    def answer(self, question: Question) -> "Reply | bytes":
        """The reply, spoiled or not."""
        name = question.path.removeprefix(self.path) if question.path.startswith(self.path) else question.path
        if question.path == OAUTH + self.path:
            name = OAUTH
        reply = self._reply(name, question)
        if urlsplit(self.issuer).scheme == "https":
            reply.headers["Strict-Transport-Security"] = "max-age=31536000"
        for change in [*self.spoilers.get(name, []), *self.spoilers.get("*", [])]:
            changed = change(question, reply)
            if isinstance(changed, bytes):
                return changed
            reply = changed or reply
        return reply

    def _reply(self, name: str, question: Question) -> Reply:
        if question.method == "OPTIONS":
            return Reply(204, {**_CORS, "Access-Control-Allow-Headers": "Authorization, Content-Type"})
        if name == OPENID:
            return _public(self.document)
        if name == OAUTH:
            return _public(self.oauth_document or self.document)
        if name == "/jwks":
            return _public(self.jwks)
        known = {"/authorization": _authorization, "/token": _token, "/userinfo": _userinfo, "/end_session": _page}
        if name in known:
            return known[name](self, question)
        if name == "/introspection":
            return _json(401, {"error": "invalid_client"})
        if name == "/revocation":
            return _json(401, {"error": "invalid_client"})
        return _json(404, {"error": "not_found"})


_CORS = {"Access-Control-Allow-Origin": "*"}


def _public(document: Any) -> Reply:
    headers = {"Content-Type": "application/json", "Cache-Control": "public, max-age=300", **_CORS}
    return Reply(200, headers, json.dumps(document).encode())


def _json(status: int, document: Any) -> Reply:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", **_CORS}
    return Reply(status, headers, json.dumps(document).encode())


def _page(provider: FakeProvider, question: Question) -> Reply:
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    return Reply(200, headers, b"<!doctype html><title>A page</title>")


def _authorization(provider: FakeProvider, question: Question) -> Reply:
    query = question.query
    if query.get("client_id") != CLIENT_ID or query.get("redirect_uri") != CALLBACK:
        page = _page(provider, question)
        page.status = 400
        return page
    answer = {"error": "login_required", "state": query["state"], "iss": provider.issuer}
    return Reply(303, {"Location": f"{CALLBACK}?{urlencode(answer)}", "Cache-Control": "no-store"})


def _token(provider: FakeProvider, question: Question) -> Reply:
    if question.method != "POST":
        return _json(405, {"error": "invalid_request"})
    if question.form.get("grant_type") != "authorization_code":
        return _json(400, {"error": "unsupported_grant_type"})
    # "registered:s3cret+%26+more", in Base64
    by_header = question.headers["Authorization"] == "Basic cmVnaXN0ZXJlZDpzM2NyZXQrJTI2K21vcmU="
    by_form = (question.form.get("client_id"), question.form.get("client_secret")) == (CLIENT_ID, SECRET)
    return _json(400, {"error": "invalid_grant"}) if by_header or by_form else _json(401, {"error": "invalid_client"})


def _userinfo(provider: FakeProvider, question: Question) -> Reply:
    challenge = "Bearer" + (' realm="x", error="invalid_token"' if question.headers["Authorization"] else "")
    return Reply(401, {"WWW-Authenticate": challenge, "Cache-Control": "no-store", **_CORS})


@contextlib.contextmanager
def fake_provider(certificate: Certificate | None = None, path: str = "") -> Iterator[FakeProvider]:
    """The provider, over TLS if there is a certificate; gone at the end of the block."""
    handler = type("ProviderHandler", (_Handler,), {})
    server = QuietServer(("127.0.0.1", 0), handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "https" if certificate is not None else "http"
    provider = FakeProvider(f"{scheme}://127.0.0.1:{server.server_port}{path}")
    handler.provider = provider
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    provider: FakeProvider

    def version_string(self) -> str:
        return "fake"

    def _answer(self) -> None:
        url = urlsplit(self.path)
        form = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        reply = self.provider.answer(
            Question(self.command, url.path, _single(url.query), self.headers, _single(form)),
        )
        with contextlib.suppress(OSError):
            if isinstance(reply, bytes):
                self.wfile.write(reply)
            else:
                self._send(reply)

    def _send(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        for name, value in {"Server": "fake", "Date": self.date_time_string(), **reply.headers}.items():
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    self.send_header(name, one)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_OPTIONS(self) -> None:
        self._answer()

    def log_message(self, *arguments: Any) -> None:
        pass


def _single(encoded: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(encoded, keep_blank_values=True).items()}
