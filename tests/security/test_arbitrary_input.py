"""Whatever is thrown at an endpoint: no internal error, nothing reflected unescaped, no redirect to strangers.

By default a small fixed sample; `IDP_TEST_EXAMPLES=2000` throws as many random inputs at each property instead.
"""

import os
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from werkzeug.test import TestResponse

from idp.app import create_app
from idp.core.crypto import b64url
from idp.core.settings import load_settings
from idp.identity.sessions.sessions import Session
from idp.storage.db import db
from idp.storage.migrate import upgrade
from idp.web.provider import current_provider
from tests.helpers.backends import BACKENDS, fresh_backend, is_available
from tests.helpers.needs import need
from tests.helpers.relying_party import ASSERTION_TYPE, CALLBACK, LOGGED_OUT
from tests.helpers.server import ORDERS_API, ORDERS_SCOPES, TEST_SETTINGS, Server, fresh_secrets
from tests.security.attacks import on_the_wire, raw_request, status_of

EXAMPLES = os.environ.get("IDP_TEST_EXAMPLES")
thrown = settings(
    max_examples=int(EXAMPLES or 40),
    derandomize=EXAMPLES is None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    database=None,
)

PASSWORD = "a quiet river bends twice"
ISSUER = "http://127.0.0.1:5000"
FORM = "application/x-www-form-urlencoded"
MARKUP = "<x-canary onmouseover=alert(1)>\"'</title><script>"
PARAMETERS = (
    "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age",
    "code_challenge", "code_challenge_method", "claims", "acr_values", "login_hint", "id_token_hint", "ui_locales",
    "display", "resource", "request", "request_uri", "registration", "posted", "grant_type", "code", "code_verifier",
    "refresh_token", "client_secret", "client_assertion", "client_assertion_type", "token", "token_type_hint",
    "access_token", "post_logout_redirect_uri", "logout_hint", "csrf_token", "username", "password", "account",
    "decision", "remove", "next", "interaction",
)  # fmt: skip


# The house under attack


@dataclass(frozen=True)
class House:
    """The application in this process, with people and clients in it."""

    app: Flask
    user_id: str
    guarded_id: str
    cookies: dict[str, str]

    def client(self, *, signed_in: bool = False) -> FlaskClient:
        """A browser; it has its name, and perhaps a session."""
        client = self.app.test_client()
        for name, value in self.cookies.items():
            if signed_in or name == "idp-browser":
                client.set_cookie(name, value, domain="127.0.0.1")
        return client

    @property
    def csrf(self) -> str:
        """The right token for this browser's forms."""
        return self.cookies["csrf"]


@pytest.fixture(scope="module", params=BACKENDS)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An application on each storage: they differ in what text they take."""
    need(is_available(request.param), f"{request.param} is not running: python -m tests.helpers.services -- pytest …")
    directory: Path = tmp_path_factory.mktemp("house")
    (directory / "keys").mkdir()
    with fresh_backend(request.param, directory) as backend:
        environment = {
            **TEST_SETTINGS,
            **fresh_secrets(),
            **backend.environment,
            "IDP_KEYS_DIR": str(directory / "keys"),
            "IDP_ISSUER": ISSUER,
            "IDP_LOG_LEVEL": "error",
        }
        app = create_app(load_settings(environment))
        # No context stays open: the requests would share what Flask keeps for each.
        with app.app_context():
            upgrade(db.engine)
            current_provider().keyset.ensure()
            inhabited = _inhabited(app)
        yield inhabited
        with app.app_context():
            db.engine.dispose()


def _inhabited(app: Flask) -> House:
    provider = current_provider()
    provider.resource_servers.create(ORDERS_API, "Orders", ORDERS_SCOPES)
    base = {"grant_types": ["authorization_code", "refresh_token"], "redirect_uris": [CALLBACK]}
    scope = "openid profile email address phone offline_access orders:read"
    for name, extra, switches in (
        ("web", {"scope": scope, "post_logout_redirect_uris": [LOGGED_OUT]}, {}),
        ("spa", {"token_endpoint_auth_method": "none"}, {}),
        ("ours", {"scope": scope}, {"skip_consent": True, "require_pkce": False}),
    ):
        secret = None if extra.get("token_endpoint_auth_method") else f"{name}-secret-of-more-than-32-characters"
        provider.clients.create({**base, **extra}, client_id=name, secret=secret, **switches)
    user, guarded = (provider.users.create(f"{name}@example.com", name=MARKUP) for name in ("user", "guarded"))
    for person in (user, guarded):
        provider.passwords.set(person.id, PASSWORD)
    provider.totp.enrol(guarded.id)
    opened: tuple[Session, str] = provider.sessions.open(user.id, ("pwd",), "1")
    browser = "B" * 43
    cookies = {
        "idp-browser": browser,
        "idp-session": opened[1],
        "csrf": b64url(provider.secrets.mac("csrf", browser.encode())),
    }
    return House(app, user.id, guarded.id, cookies)


# What is thrown


def _mixed(*kinds: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.one_of(*kinds)


known = st.sampled_from([
    "", " ", "web", "spa", "ours", CALLBACK, LOGGED_OUT, CALLBACK + "?a=b", "code", "token", "id_token", "query",
    "fragment", "form_post", "openid", "openid email", "openid offline_access orders:read", "none", "login",
    "consent", "select_account", "0", "1", "-1", "9" * 30, "S256", "plain", "A" * 43, "v" * 43, ORDERS_API, "de en",
    "authorization_code", "refresh_token", "client_credentials", ASSERTION_TYPE,
    "allow", "deny", "user@example.com", "guarded@example.com", PASSWORD, "a.b.c", "..", ".", "{}", "[]", "null",
    '{"userinfo":{"email":null}}', '{"id_token":{"acr":{"essential":true,"values":["x"]},"sub":{"value":"y"}}}',
    '{"userinfo":' * 200, "eyJhbGciOiJub25lIn0.e30.", "https://evil.example/", "//evil.example", "javascript:alert(1)",
    MARKUP, "%", "%00", "%ff", "\x00", "\r\nX-Injected: 1", "\u202e\ufeff", "😀",
    "x" * 300, "x" * 5000, "' OR 1=1 --", "../../etc/passwd", "${jndi:ldap://x}", "{{7*7}}",
])  # fmt: skip
anything = st.text(max_size=60)
values = _mixed(known, known, anything, st.text(string.printable, max_size=30))
names = _mixed(st.sampled_from(PARAMETERS), st.sampled_from(PARAMETERS), st.text(max_size=12))
pairs = st.lists(st.tuples(names, values), max_size=12)
raw_bytes = st.binary(max_size=200)
authorizations = st.one_of(raw_bytes, raw_bytes.map(b"Basic ".__add__), raw_bytes.map(b"Bearer ".__add__))
methods = st.sampled_from(["GET", "POST"])


def encoded(parameters: list[tuple[str, str]]) -> bytes:
    """A form body or query, as far as UTF-8 goes."""
    return "&".join(f"{_plus(name)}={_plus(value)}" for name, value in parameters).encode()


def _plus(text: str) -> str:
    return quote_plus(text.encode("utf-8", "surrogatepass"))


@st.composite
def authorization_requests(draw: st.DrawFn) -> bytes:
    """A good request with some parameters changed, left out, doubled or added: it gets far before it fails."""
    good = {
        "client_id": draw(st.sampled_from(["web", "spa", "ours"])),
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid email",
        "code_challenge": "A" * 43,
        "code_challenge_method": "S256",
    }
    parameters = [(name, value) for name, value in good.items() if draw(st.integers(0, 7))]
    parameters += draw(pairs)
    return encoded(draw(st.permutations(parameters)) if draw(st.booleans()) else parameters)


bodies = st.one_of(pairs.map(encoded), pairs.map(encoded), raw_bytes, authorization_requests())


# What must hold of every answer


class _Markup(HTMLParser):
    """The places of a page from which something else could be reached or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.tags: set[str] = set()
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element loads, leads to or runs."""
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("href", "src", "action", "formaction", "content") and tag != "meta":
                self.targets.append(value or "")
            if name.startswith("on") or name == "style":
                self.handlers.append(name)


def _is_ours(target: str) -> bool:
    return re.match(r"/(?![/\\])|#|http://127\.0\.0\.1:5000(/|$)", target) is not None or target == ""


def _is_registered(target: str) -> bool:
    return any(target == uri or target.startswith((f"{uri}?", f"{uri}#")) for uri in (CALLBACK, LOGGED_OUT))


def sane(answer: TestResponse) -> TestResponse:
    """No internal error, no stranger to be sent to, no foreign markup."""
    assert answer.status_code < 500, answer.text[:2000]
    location = answer.headers.get("Location")
    if location is not None:
        assert _is_ours(location) or _is_registered(location), location
        assert location.isascii()
        assert location.isprintable()
    for name, value in answer.headers:
        assert "\r" not in value, name
        assert "\n" not in value, name
    assert "X-Injected" not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if answer.mimetype == "text/html":
        page = _Markup(answer.text)
        strangers = [target for target in page.targets if not (_is_ours(target) or _is_registered(target))]
        assert strangers == []
        assert page.handlers == []
        assert not page.tags & {"x-canary", "img", "iframe", "object", "embed", "base"}
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
    elif answer.status_code not in (204, 304):
        kinds = ("application/json", "text/plain", "application/jwt")
        assert not answer.data or answer.mimetype in kinds, answer.mimetype
    return answer


def get(client: FlaskClient, path: str, query: bytes, **headers: str) -> TestResponse:
    """A request whose query is these very bytes."""
    overrides = {"QUERY_STRING": query.decode("latin-1")}
    return sane(client.get(path, environ_overrides=overrides, base_url=ISSUER, headers=headers))


def post(client: FlaskClient, path: str, body: bytes, content_type: str = FORM, **headers: str) -> TestResponse:
    """A request whose body is these very bytes."""
    return sane(client.post(path, data=body, content_type=content_type, base_url=ISSUER, headers=headers))


# The endpoints


@thrown
@given(query=bodies, signed_in=st.booleans())
@example(query=b"client_id=%00&redirect_uri=%00", signed_in=True)
@example(query=b"&&&=&=&%&+&;", signed_in=False)
def test_authorize_takes_anything(house: House, query: bytes, signed_in: bool) -> None:
    get(house.client(signed_in=signed_in), "/oauth2/authorize", query)


@thrown
@given(query=authorization_requests(), signed_in=st.booleans(), method=methods)
def test_authorize_takes_almost_good_requests(house: House, query: bytes, signed_in: bool, method: str) -> None:
    client = house.client(signed_in=signed_in)
    answer = get(client, "/oauth2/authorize", query) if method == "GET" else post(client, "/oauth2/authorize", query)
    for _ in range(4):  # to the page that a person would see, or to the client
        location = answer.headers.get("Location")
        if location is None or not _is_ours(location):
            break
        parts = urlsplit(location)
        answer = get(client, parts.path, parts.query.encode())


@thrown
@given(body=bodies, content_type=st.one_of(st.just(FORM), st.text(string.ascii_letters + "/;=-", max_size=30)))
def test_authorize_by_post_takes_anything(house: House, body: bytes, content_type: str) -> None:
    post(house.client(), "/oauth2/authorize", body, content_type)


CREDENTIALS = [
    {},
    {"Authorization": "Basic d2ViOndlYi1zZWNyZXQtb2YtbW9yZS10aGFuLTMyLWNoYXJhY3RlcnM="},
    {"Authorization": "Basic !"},
    {"Authorization": "Bearer x"},
]


@thrown
@given(
    path=st.sampled_from(["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"]),
    body=bodies,
    credentials=st.sampled_from(CREDENTIALS),
    content_type=st.sampled_from([FORM, FORM, FORM, "application/json", "multipart/form-data; boundary=x", ""]),
)
@example("/oauth2/token", b"grant_type=refresh_token&refresh_token=%00", CREDENTIALS[1], FORM)
@example("/oauth2/introspect", b"token=%ED%A0%80", CREDENTIALS[1], FORM)
def test_the_endpoints_for_clients_take_anything(
    house: House, path: str, body: bytes, credentials: dict[str, str], content_type: str
) -> None:
    answer = post(house.client(), path, body, content_type, **credentials)
    assert answer.mimetype == "application/json" or not answer.data
    assert answer.status_code in (200, 400, 401, 413)


@thrown
@given(
    path=st.sampled_from(["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"]),
    header=st.one_of(
        raw_bytes, raw_bytes.map(lambda raw: b"Basic " + raw), raw_bytes.map(lambda raw: b"Bearer " + raw)
    ),
)
def test_client_credentials_may_be_any_bytes(house: House, path: str, header: bytes) -> None:
    overrides = {"HTTP_AUTHORIZATION": header.decode("latin-1")}
    client = house.client()
    body = b"grant_type=client_credentials&token=x"
    answer = client.post(path, data=body, content_type=FORM, base_url=ISSUER, environ_overrides=overrides)
    assert sane(answer).status_code in (400, 401)


@thrown
@given(
    header=st.one_of(raw_bytes, raw_bytes.map(lambda raw: b"Bearer " + raw)),
    body=bodies,
    method=methods,
)
def test_userinfo_takes_anything(house: House, header: bytes, body: bytes, method: str) -> None:
    overrides = {"HTTP_AUTHORIZATION": header.decode("latin-1")} if header else {}
    client = house.client(signed_in=True)
    if method == "GET":
        answer = client.get("/oauth2/userinfo", base_url=ISSUER, environ_overrides=overrides)
    else:
        answer = client.post(
            "/oauth2/userinfo", data=body, content_type=FORM, base_url=ISSUER, environ_overrides=overrides
        )
    assert sane(answer).status_code in (400, 401)
    assert answer.status_code != 401 or answer.headers["WWW-Authenticate"].isprintable()


@thrown
@given(body=bodies, signed_in=st.booleans(), method=methods, with_token=st.booleans())
def test_logout_takes_anything(house: House, body: bytes, signed_in: bool, method: str, with_token: bool) -> None:
    client = house.client(signed_in=signed_in)
    if method == "GET":
        get(client, "/oauth2/logout", body)
        return
    # With the right token somebody would be signed out, and the other tests with them.
    token = f"csrf_token={house.csrf}&".encode() if with_token and not signed_in else b""
    post(client, "/oauth2/logout", token + body)


# The sign-in forms


def _interaction(client: FlaskClient, query: str) -> str:
    """Begin a sign-in; the path of its page."""
    begun = get(client, "/oauth2/authorize", (query + "&" + encoded(_good()).decode()).encode())
    hub = begun.headers["Location"]
    return str(get(client, hub, b"").headers["Location"])


def _good() -> list[tuple[str, str]]:
    return [
        ("client_id", "web"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid email phone"),
        ("code_challenge", "A" * 43),
        ("code_challenge_method", "S256"),
    ]


def _totp_page(house: House, client: FlaskClient) -> str:
    login = _interaction(client, "prompt=login")
    fields = [("csrf_token", house.csrf), ("username", "guarded@example.com"), ("password", PASSWORD)]
    with house.app.app_context():
        current_provider().throttle.unlock(house.guarded_id)
    hub = post(client, login, encoded(fields)).headers["Location"]
    return str(get(client, hub, b"").headers["Location"])


STEPS: dict[str, Callable[[House, FlaskClient], str]] = {
    "login": lambda house, client: _interaction(client, "prompt=login"),
    "consent": lambda house, client: _interaction(client, "prompt=consent"),
    "select-account": lambda house, client: _interaction(client, "prompt=select_account"),
    "totp": _totp_page,
}
FIELDS: dict[str, list[str]] = {
    "login": ["username", "password"],
    "consent": ["decision", "scope", "account"],
    "select-account": ["account", "remove"],
    "totp": ["code"],
}


@pytest.mark.parametrize("step", STEPS)
def test_the_sign_in_forms_are_reached(house: House, step: str) -> None:
    client = house.client(signed_in=step != "totp")
    path = STEPS[step](house, client)
    assert path.endswith(f"/{step}"), path
    assert f'data-page="{step}"' in get(client, path, b"").text


@thrown
@given(
    step=st.sampled_from(list(STEPS)),
    data=st.data(),
    with_token=st.integers(0, 5),
    body=st.one_of(st.none(), st.none(), bodies),
    query=raw_bytes,
)
def test_the_sign_in_forms_take_anything(
    house: House, step: str, data: Any, with_token: int, body: bytes | None, query: bytes
) -> None:
    client = house.client(signed_in=step != "totp")
    path = STEPS[step](house, client)
    own = st.sampled_from([*FIELDS[step], *FIELDS[step], "csrf_token", "x"])
    fields = data.draw(st.lists(st.tuples(own, values), max_size=6))
    token = f"csrf_token={house.csrf}&".encode() if with_token else b""
    overrides = {"QUERY_STRING": query.decode("latin-1")}
    sent = token + (encoded(fields) if body is None else body)
    answer = client.post(path, data=sent, content_type=FORM, base_url=ISSUER, environ_overrides=overrides)
    sane(answer)
    assert answer.status_code in (200, 303, 400, 409, 422, 429)
    if answer.status_code == 303 and _is_ours(answer.headers["Location"]):
        get(client, answer.headers["Location"], b"")


@thrown
@given(
    path=st.one_of(st.text(max_size=40), values),
    query=raw_bytes,
    step=st.sampled_from(["", "/login", "/consent", "/cancel"]),
)
def test_any_address_is_answered(house: House, path: str, query: bytes, step: str) -> None:
    client = house.client(signed_in=True)
    for prefix in ("/signin/", "/language/", "/oauth2/", "/static/", "/"):
        address = prefix + quote(path.encode("utf-8", "surrogatepass"), safe="/") + step
        if re.match(r"/[/\\]", address):
            continue  # the test client would take it for a host; WB4 sends it on the wire
        answer = client.get(address, base_url=ISSUER, environ_overrides={"QUERY_STRING": query.decode("latin-1")})
        if (answer.mimetype or "").startswith(("text/css", "text/javascript", "image/")):
            continue
        sane(answer)


@thrown
@given(name=st.sampled_from(["idp-session", "idp-browser", "idp-accounts", "idp-locale", "idp-theme"]), value=raw_bytes)
def test_any_cookie_is_taken(house: House, name: str, value: bytes) -> None:
    client = house.app.test_client(use_cookies=False)
    cookie = {"HTTP_COOKIE": f"{name}={value.decode('latin-1')}"}
    for path in ("/", "/oauth2/logout", "/signin/", "/oauth2/authorize?client_id=web&prompt=none"):
        sane(client.get(path, base_url=ISSUER, environ_overrides=cookie))


# On the wire


@thrown
@given(
    method=st.sampled_from([b"GET", b"POST", b"HEAD", b"FOO"]),
    target=st.binary(max_size=60),
    headers=st.lists(st.binary(max_size=60), max_size=4),
    body=raw_bytes,
)
def test_any_bytes_on_the_wire(
    sqlite_server: Server, method: bytes, target: bytes, headers: list[bytes], body: bytes
) -> None:
    lines = [header.replace(b"\n", b"").replace(b"\r", b"") for header in headers]
    line = method + b" /oauth2/" + target.replace(b"\n", b"").replace(b"\r", b"")
    answer = on_the_wire(sqlite_server, raw_request(sqlite_server, line, *lines, body=body), seconds=2)
    assert status_of(answer) < 500


@thrown
@given(query=st.one_of(authorization_requests(), pairs.map(encoded)))
def test_any_request_on_the_wire(sqlite_server: Server, query: bytes) -> None:
    for line, body in ((b"GET /oauth2/authorize?" + query, b""), (b"POST /oauth2/token", query)):
        sent = raw_request(sqlite_server, line, f"Content-Type: {FORM}", body=body)
        assert 200 <= status_of(on_the_wire(sqlite_server, sent)) < 500
