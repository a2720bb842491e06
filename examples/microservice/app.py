"""An API that trusts idp's access tokens: JWTs after RFC 9068, verified offline through the JWKS.

Run it with `python -m examples.microservice.app`; `make demo` does. It needs to know two things, from the
environment: who may issue tokens (`OIDC_ISSUER`) and its own name (`API_AUDIENCE`).
"""

import json
import logging
import os
import urllib.request
from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Any

import jwt
from flask import Flask, Response, g, jsonify, request
from flask.typing import ResponseReturnValue
from jwt.exceptions import PyJWKClientConnectionError
from werkzeug.serving import make_server

ISSUER = "http://localhost:8000"
AUDIENCE = "https://orders.example.com"
LEEWAY_SECONDS = 10
JWKS_LIFESPAN_SECONDS = 300
TIMEOUT_SECONDS = 3

ORDERS = (
    {"id": "1001", "item": "Tulip bulbs, red", "quantity": 25, "status": "shipped"},
    {"id": "1002", "item": "Terracotta pot", "quantity": 2, "status": "packing"},
    {"id": "1003", "item": "Watering can", "quantity": 1, "status": "open"},
)


class AccessError(Exception):
    """A request that may not pass, as RFC 6750 §3 wants it answered."""

    def __init__(self, status: int, error: str | None = None, description: str = "", scope: str = "") -> None:
        super().__init__(description)
        self.status, self.error, self.description, self.scope = status, error, description, scope

    def response(self) -> Response:
        """401 or 403 with a challenge; a request without any token gets no error code (RFC 6750 §3.1)."""
        body: dict[str, str] = {"error": self.error or "unauthorized", "error_description": self.description}
        response = jsonify(body)
        response.status_code = self.status
        if self.status != 503:
            challenge = ['realm="orders"']
            if self.error:
                challenge += [f'error="{self.error}"', f'error_description="{self.description}"']
            if self.scope:
                challenge.append(f'scope="{self.scope}"')
            response.headers["WWW-Authenticate"] = "Bearer " + ", ".join(challenge)
        else:
            response.headers["Retry-After"] = "5"
        return response


class TokenVerifier:
    """Verifies access tokens of one issuer for one audience. Keys are fetched once and kept."""

    def __init__(self, issuer: str, audience: str) -> None:
        self.issuer, self.audience = issuer, audience
        self._jwks: jwt.PyJWKClient | None = None
        self._lock = Lock()

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a valid access token (RFC 9068 §4). Raises AccessError."""
        try:
            header = jwt.get_unverified_header(token)
            # The type first: an ID token is signed by the same key, and is no access token.
            if str(header.get("typ", "")).lower().removeprefix("application/") != "at+jwt":
                raise AccessError(401, "invalid_token", "The token is not an access token (typ)")
            return jwt.decode(
                token,
                self._keys().get_signing_key_from_jwt(token),
                algorithms=["RS256"],  # named by us, never taken from the token
                issuer=self.issuer,
                audience=self.audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["iss", "aud", "sub", "exp", "iat", "jti", "client_id"]},
            )
        except (PyJWKClientConnectionError, OSError):
            raise AccessError(503, "temporarily_unavailable", "The issuer's keys cannot be fetched") from None
        except (jwt.PyJWTError, ValueError) as error:
            raise AccessError(401, "invalid_token", _printable(str(error))) from None

    def _keys(self) -> jwt.PyJWKClient:
        with self._lock:
            if self._jwks is None:
                url = f"{self.issuer}/.well-known/openid-configuration"
                with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
                    metadata = json.load(response)
                self._jwks = jwt.PyJWKClient(
                    metadata["jwks_uri"], lifespan=JWKS_LIFESPAN_SECONDS, timeout=TIMEOUT_SECONDS
                )
            return self._jwks


def _printable(text: str) -> str:
    # RFC 6750 §3: printable ASCII without quotation mark and backslash.
    return "".join(char for char in text if " " <= char <= "~" and char not in '"\\')


def create_app(issuer: str = ISSUER, audience: str = AUDIENCE) -> Flask:
    """Build the microservice."""
    app = Flask(__name__)
    verifier = TokenVerifier(issuer, audience)
    app.register_error_handler(AccessError, AccessError.response)

    def requires(scope: str) -> Callable[..., Callable[..., ResponseReturnValue]]:
        """Let a request pass that bears a valid access token with this scope."""

        def decorate(view: Callable[..., ResponseReturnValue]) -> Callable[..., ResponseReturnValue]:
            @wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> ResponseReturnValue:
                scheme, _, token = request.headers.get("Authorization", "").partition(" ")
                if scheme.lower() != "bearer" or not token.strip():
                    raise AccessError(401, description="A bearer token is required", scope=scope)
                g.claims = verifier.verify(token.strip())
                if scope not in str(g.claims.get("scope", "")).split():
                    raise AccessError(403, "insufficient_scope", f"The token lacks the scope {scope}", scope)
                return view(*args, **kwargs)

            return guarded

        return decorate

    @app.get("/orders")
    @requires("orders:read")
    def read_orders() -> ResponseReturnValue:
        """The orders, and what the token said about the caller."""
        claims = g.claims
        caller = {name: claims[name] for name in ("sub", "client_id", "scope", "roles") if name in claims}
        return {"orders": list(ORDERS), "caller": caller}

    @app.post("/orders")
    @requires("orders:write")
    def write_order() -> ResponseReturnValue:
        """Pretend to place an order."""
        return {"status": "accepted", "placed_by": g.claims["sub"]}, 202

    @app.get("/healthz")
    def health() -> ResponseReturnValue:
        """The process is up."""
        return {"status": "ok"}

    return app


def main() -> None:
    """Serve on `PORT` (default 9001) of this machine only."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # no line per request
    app = create_app(os.environ.get("OIDC_ISSUER", ISSUER), os.environ.get("API_AUDIENCE", AUDIENCE))
    make_server("127.0.0.1", int(os.environ.get("PORT", "9001")), app, threaded=True).serve_forever()


if __name__ == "__main__":
    main()
