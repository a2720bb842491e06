"""The demo microservice, which people copy from: it accepts its own access tokens and nothing else."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask.testing import FlaskClient

from examples.microservice.app import AUDIENCE, create_app

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)

Mint = Callable[..., str]


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """Discovery and a JWKS on a free port."""
    jwk = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())), "kid": "a", "use": "sig", "alg": "RS256"}

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            document = {"jwks_uri": f"{url}/jwks"} if "well-known" in self.path else {"keys": [jwk]}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield url
        server.shutdown()


@pytest.fixture
def api(issuer: str) -> FlaskClient:
    """The microservice."""
    return create_app(issuer).test_client()


@pytest.fixture
def mint(issuer: str) -> Mint:
    """Make an access token; keyword arguments change claims, None leaves one out."""

    def mint(*, typ: str = "at+jwt", key: rsa.RSAPrivateKey = KEY, **changes: Any) -> str:
        at = int(time.time())
        claims = {
            "iss": issuer, "aud": AUDIENCE, "sub": "user", "client_id": "client", "jti": "1",
            "iat": at, "exp": at + 60, "scope": "openid orders:read",
        }  # fmt: skip
        kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode(kept, key, algorithm="RS256", headers={"kid": "a", "typ": typ})

    return mint


def call(api: FlaskClient, token: str | None, method: str = "GET") -> Any:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return api.open("/orders", method=method, headers=headers)


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "AT+JWT"])
def test_an_access_token_opens_the_orders(api: FlaskClient, mint: Mint, typ: str) -> None:
    response = call(api, mint(typ=typ))
    assert response.status_code == 200
    assert response.json["caller"]["sub"] == "user"


def test_without_a_token_the_challenge_has_no_error_code(api: FlaskClient) -> None:
    response = call(api, None)  # RFC 6750 §3.1
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="orders", scope="orders:read"'


@pytest.mark.parametrize(
    "changes",
    [
        {"typ": "JWT"}, {"aud": "https://other.example.com"}, {"iss": "https://other.example.com"}, {"exp": 1},
        {"key": OTHER_KEY}, {"client_id": None}, {"jti": None}, {"sub": None}, {"exp": None}, {"aud": None},
    ],
)  # fmt: skip
def test_what_is_not_for_us_is_401(api: FlaskClient, mint: Mint, changes: dict[str, Any]) -> None:
    response = call(api, mint(**changes))
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "é", '"\\'])
def test_garbage_is_401(api: FlaskClient, token: str) -> None:
    response = call(api, token)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].isascii()


def test_no_algorithm_but_ours(api: FlaskClient, mint: Mint) -> None:
    claims = jwt.decode(mint(), options={"verify_signature": False})
    unsigned = jwt.encode(claims, None, algorithm="none", headers={"kid": "a", "typ": "at+jwt"})
    secret = "s" * 32
    symmetric = jwt.encode(claims, secret, algorithm="HS256", headers={"kid": "a", "typ": "at+jwt"})
    assert [call(api, token).status_code for token in (unsigned, symmetric)] == [401, 401]


def test_a_scope_that_is_missing_is_403_and_named(api: FlaskClient, mint: Mint) -> None:
    for method, token in (("GET", mint(scope="orders:readx")), ("GET", mint(scope=None)), ("POST", mint())):
        response = call(api, token, method)
        assert response.status_code == 403
        assert 'error="insufficient_scope"' in response.headers["WWW-Authenticate"]
        assert 'scope="orders:' in response.headers["WWW-Authenticate"]


def test_an_issuer_that_is_down_is_503(mint: Mint) -> None:
    response = call(create_app("http://127.0.0.1:1").test_client(), mint())
    assert response.status_code == 503
    assert response.headers["Retry-After"]
