"""A relying party that speaks the protocols over HTTP and knows nothing else of the provider.

Methods named after an endpoint return the raw response, for tests of refusals; `tokens()` and the other
convenience methods insist on success. ID tokens are checked with PyJWT, code that nobody here wrote.
"""

import base64
import hashlib
import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self
from urllib.parse import quote_plus

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.helpers.browser import Browser, Callback, Person, http_client

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
CALLBACK = "http://127.0.0.1:9/callback"
LOGGED_OUT = "http://127.0.0.1:9/logged-out"

Params = Mapping[str, str | None]


class RefusedError(AssertionError):
    """The provider answered with an error where the test needs success."""


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """One authorization request, and what the relying party must remember of it."""

    url: str
    params: dict[str, str]
    state: str | None
    nonce: str | None
    code_verifier: str | None


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A client's signing key for private_key_jwt; `jwk` is the public half, ready for a `jwks`."""

    key: Any
    alg: str
    kid: str

    @classmethod
    def generate(cls, alg: str = "ES256") -> Self:
        """A fresh key for a JWS algorithm."""
        if alg.startswith(("RS", "PS")):
            key: Any = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        elif alg == "EdDSA":
            key = ed25519.Ed25519PrivateKey.generate()
        else:
            key = ec.generate_private_key(ec.SECP256R1())
        return cls(key, alg, secrets.token_urlsafe(8))

    @property
    def jwk(self) -> dict[str, Any]:
        """The public JWK."""
        algorithm = jwt.get_algorithm_by_name(self.alg)
        public: dict[str, Any] = algorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {k: v for k, v in public.items() if k != "key_ops"} | self._header

    @property
    def private_jwk(self) -> dict[str, Any]:
        """The private JWK, for relying parties in other languages."""
        algorithm = jwt.get_algorithm_by_name(self.alg)
        private: dict[str, Any] = algorithm.to_jwk(self.key, as_dict=True)
        return {k: v for k, v in private.items() if k != "key_ops"} | self._header

    @property
    def pem(self) -> str:
        """The private key as PKCS #8 in PEM."""
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        pem: bytes = self.key.private_bytes(encoding, form, serialization.NoEncryption())
        return pem.decode("ascii")

    @property
    def _header(self) -> dict[str, str]:
        return {"kid": self.kid, "alg": self.alg, "use": "sig"}

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        """A JWT over `claims`."""
        return jwt.encode(dict(claims), self.key, algorithm=self.alg, headers={"kid": self.kid, **header})


@dataclass
class RelyingParty:
    """A client of the provider at `issuer`."""

    issuer: str
    client_id: str
    client_secret: str | None = None
    redirect_uri: str = CALLBACK
    auth_method: str = "client_secret_basic"
    private_key: PrivateKey | None = None
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        if self.client_secret is None and self.private_key is None:
            self.auth_method = "none"
        elif self.private_key is not None:
            self.auth_method = "private_key_jwt"

    @cached_property
    def http(self) -> httpx.Client:
        """The connection to the provider."""
        return http_client(self.tls)

    # Discovery

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """The discovery document (OpenID Connect Discovery §4), checked to be the issuer's own."""
        response = self.http.get(self.issuer + "/.well-known/openid-configuration")
        document: dict[str, Any] = _succeeded(response)
        if document["issuer"] != self.issuer:
            raise RefusedError(f"issuer is {document['issuer']}, not {self.issuer}")
        return document

    def jwks(self) -> dict[str, Any]:
        """The JWK set, fetched anew."""
        document: dict[str, Any] = _succeeded(self.http.get(self.metadata["jwks_uri"]))
        return document

    # Authorization

    def authorization_request(self, scope: str | None = "openid", **params: str | None) -> AuthorizationRequest:
        """A code request with PKCE, `state` and `nonce`; `params` add, replace, or (None) leave out.

        With `code_challenge=None` there is no PKCE at all.
        """
        verifier = None if params.get("code_challenge", "") is None else secrets.token_urlsafe(48)
        values: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": scope,
            "state": secrets.token_urlsafe(16),
            "nonce": secrets.token_urlsafe(16),
        }
        if verifier is not None:
            values |= {"code_challenge": s256(verifier), "code_challenge_method": "S256"}
        chosen = {name: value for name, value in (values | params).items() if value is not None}
        url = str(httpx.URL(self.metadata["authorization_endpoint"], params=chosen))
        return AuthorizationRequest(url, chosen, chosen.get("state"), chosen.get("nonce"), verifier)

    def sign_in(
        self, browser: Browser, person: Person, scope: str = "openid", **params: str | None
    ) -> "tuple[AuthorizationRequest, Callback]":
        """Send the browser through the whole sign-in, and check what comes back to the callback."""
        request = self.authorization_request(scope, **params)
        callback = browser.callback(request.url, person)
        self.check_callback(request, callback)
        return request, callback

    def check_callback(self, request: AuthorizationRequest, callback: Callback) -> None:
        """Raise RefusedError unless it answers this request (RFC 6749 §4.1.2, RFC 9207 §2.4)."""
        if "error" in callback.params:
            raise RefusedError(f"authorization failed: {callback.params}")
        if callback.target != request.params.get("redirect_uri", self.redirect_uri):
            raise RefusedError(f"sent to {callback.url}")
        if callback.params.get("state") != request.state:
            raise RefusedError(f"state is {callback.params.get('state')!r}, not {request.state!r}")
        if callback.params.get("iss") != self.issuer:
            raise RefusedError(f"iss is {callback.params.get('iss')!r}, not {self.issuer!r}")

    # The token endpoint

    def authentication(self, endpoint: str = "token_endpoint") -> tuple[dict[str, str], dict[str, str]]:
        """(headers, form fields) that authenticate this client by its method (OIDC Core §9)."""
        if self.auth_method == "none":
            return {}, {"client_id": self.client_id}
        if self.auth_method == "private_key_jwt":
            return {}, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion()}
        secret = self.client_secret or ""
        if self.auth_method == "client_secret_jwt":
            assertion = jwt.encode(self.assertion_claims(), secret, algorithm="HS256")
            return {}, {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
        if self.auth_method == "client_secret_post":
            return {}, {"client_id": self.client_id, "client_secret": secret}
        return {"Authorization": basic(self.client_id, secret)}, {}

    def assertion_claims(self, **claims: Any) -> dict[str, Any]:
        """The claims of a client assertion (RFC 7523 §3)."""
        now = int(time.time())
        usual = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.issuer,
            "iat": now,
            "exp": now + 60,
        }
        return {**usual, "jti": secrets.token_urlsafe(16), **claims}

    def assertion(self, **claims: Any) -> str:
        """A client assertion signed with the private key; `claims` replace the usual ones."""
        if self.private_key is None:
            raise RuntimeError("this relying party has no private key")
        return self.private_key.sign(self.assertion_claims(**claims))

    def post(self, endpoint: str, params: Params, *, authenticate: bool = True) -> httpx.Response:
        """POST a form to an endpoint named as in the metadata; None leaves a field out."""
        headers, fields = self.authentication(endpoint) if authenticate else ({}, {})
        merged = {**fields, **params}
        data = {name: value for name, value in merged.items() if value is not None}
        return self.http.post(self.metadata[endpoint], data=data, headers=headers)

    def token(self, params: Params, *, authenticate: bool = True) -> httpx.Response:
        """A raw token request."""
        return self.post("token_endpoint", params, authenticate=authenticate)

    def exchange(self, request: AuthorizationRequest, callback: Callback, **params: str | None) -> httpx.Response:
        """Redeem the code (RFC 6749 §4.1.3); `params` replace or (None) leave out."""
        usual: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": callback["code"],
            "redirect_uri": request.params.get("redirect_uri"),
            "code_verifier": request.code_verifier,
        }
        return self.token(usual | params)

    def tokens(self, browser: Browser, person: Person, scope: str = "openid", **params: str | None) -> dict[str, Any]:
        """Sign in and redeem the code; a verified ID token's claims are added as `claims`."""
        request, callback = self.sign_in(browser, person, scope, **params)
        tokens: dict[str, Any] = _succeeded(self.exchange(request, callback))
        if "id_token" in tokens:
            tokens["claims"] = self.verify_id_token(
                tokens["id_token"], nonce=request.nonce, access_token=tokens.get("access_token")
            )
        return tokens

    def refresh(self, refresh_token: str, **params: str | None) -> httpx.Response:
        """RFC 6749 §6."""
        return self.token({"grant_type": "refresh_token", "refresh_token": refresh_token, **params})

    def refreshed(self, refresh_token: str, **params: str | None) -> dict[str, Any]:
        """Refresh, and insist on success."""
        tokens: dict[str, Any] = _succeeded(self.refresh(refresh_token, **params))
        return tokens

    def client_credentials(self, scope: str | None = None, **params: str | None) -> httpx.Response:
        """RFC 6749 §4.4."""
        return self.token({"grant_type": "client_credentials", "scope": scope, **params})

    # What the tokens are good for

    def userinfo(self, access_token: str, method: str = "GET") -> httpx.Response:
        """OpenID Connect Core §5.3.1."""
        headers = {"Authorization": f"Bearer {access_token}"}
        return self.http.request(method, self.metadata["userinfo_endpoint"], headers=headers)

    def introspect(self, token: str, **params: str | None) -> httpx.Response:
        """RFC 7662 §2.1."""
        return self.post("introspection_endpoint", {"token": token, **params})

    def revoke(self, token: str, **params: str | None) -> httpx.Response:
        """RFC 7009 §2.1."""
        return self.post("revocation_endpoint", {"token": token, **params})

    def is_active(self, token: str) -> bool:
        """What introspection says about a token."""
        return bool(_succeeded(self.introspect(token))["active"])

    def logout_url(self, **params: str) -> str:
        """An RP-initiated logout request (OpenID Connect RP-Initiated Logout §2)."""
        return str(httpx.URL(self.metadata["end_session_endpoint"], params=params))

    # Verification

    def verify_id_token(
        self, id_token: str, *, nonce: str | None = None, access_token: str | None = None
    ) -> dict[str, Any]:
        """OpenID Connect Core §3.1.3.7. Returns the claims; raises RefusedError or a PyJWT error."""
        claims = self._verify(id_token, self.client_id)
        if claims.get("nonce") != nonce:
            raise RefusedError(f"nonce is {claims.get('nonce')!r}, not {nonce!r}")
        if access_token is not None and "at_hash" in claims:
            expected = half_hash(access_token, jwt.get_unverified_header(id_token)["alg"])
            if claims["at_hash"] != expected:
                raise RefusedError("at_hash does not match the access token")
        return claims

    def verify_access_token(self, access_token: str, audience: str) -> dict[str, Any]:
        """RFC 9068 §4. Returns the claims; raises RefusedError or a PyJWT error."""
        if jwt.get_unverified_header(access_token).get("typ") != "at+jwt":
            raise RefusedError("typ is not at+jwt")
        return self._verify(access_token, audience)

    def _verify(self, token: str, audience: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        for key in jwt.PyJWKSet.from_dict(self.jwks()):
            if key.key_id == header["kid"]:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    key,
                    algorithms=ALGORITHMS,
                    audience=audience,
                    issuer=self.issuer,
                    options={"require": ["iss", "sub", "aud", "exp", "iat"]},
                )
                return claims
        raise RefusedError(f"kid {header['kid']!r} is not in the JWKS")


def s256(verifier: str) -> str:
    """RFC 7636 §4.2."""
    return base64url(hashlib.sha256(verifier.encode("ascii")).digest())


def half_hash(value: str, alg: str) -> str:
    """The `at_hash` or `c_hash` of a value (OpenID Connect Core §3.1.3.6)."""
    # Ed25519 signs with SHA-512 inside, and its hash claims follow.
    digest = (hashlib.sha512 if alg == "EdDSA" else hashlib.sha256)(value.encode("ascii")).digest()
    return base64url(digest[: len(digest) // 2])


def base64url(value: bytes) -> str:
    """RFC 7515 §2: without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def basic(client_id: str, secret: str) -> str:
    """RFC 6749 §2.3.1: both halves are form-encoded first."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")


def _succeeded(response: httpx.Response) -> Any:
    if response.status_code != 200:
        raise RefusedError(f"{response.request.url}: {response.status_code} {response.text[:1000]}")
    return response.json()
