"""`private_key_jwt` and `client_secret_jwt`: signed client assertions (RFC 7523 §3, OpenID Connect Core §9)."""

from dataclasses import dataclass
from typing import Any

import orjson
from joserfc.jwk import KeySet, OctKey

from idp.core.clock import now, timestamp
from idp.core.crypto import sha256_hex, unb64url
from idp.identity.clients.client import Client
from idp.identity.clients.secrets import secrets_in_clear
from idp.oauth.errors import InvalidClient
from idp.services.keys.jws import InvalidToken, verify_jwt
from idp.web.provider import current_provider

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASYMMETRIC = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519", "RS384", "RS512", "PS384", "PS512", "ES384", "ES512")
SYMMETRIC = ("HS256", "HS384", "HS512")

_LEEWAY = 10
_MAX_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Assertion:
    """A client assertion whose sender is not proven yet."""

    client_id: str
    token: str
    alg: str
    kid: str | None

    def verify(self, client: Client) -> bool:
        """True if the client signed it, for us, just now, and it was never seen before.

        Raises InvalidClient with the reason in its private detail.
        """
        claims = self._verified(client)
        settings = current_provider().settings
        lifetime = settings.lifetimes.client_assertion
        instant = timestamp(now())
        if claims.get("iss") != claims.get("sub") or claims.get("sub") != client.client_id:
            raise InvalidClient(detail="assertion: iss and sub have to be the client_id")
        issued_at = claims.get("iat", instant)
        if issued_at > instant + _LEEWAY:
            raise InvalidClient(detail="assertion: iat is in the future")
        if claims["exp"] - min(issued_at, instant) > lifetime + _LEEWAY:
            # Also of one that was made long ago and is about to expire: who knows where it has been?
            raise InvalidClient(detail=f"assertion: it lives longer than {lifetime} s")
        self._check_audience(claims, settings.issuer)
        self._check_replay(claims, instant)
        return True

    def _verified(self, client: Client) -> dict[str, Any]:
        allowed = _algorithms(client)
        if self.alg not in allowed:
            raise InvalidClient(detail=f"assertion: alg {self.alg!r}, allowed {allowed}")
        failure = None
        for keys in _candidates(client, self.kid):
            try:
                return verify_jwt(
                    keys,
                    self.token,
                    typ=("JWT", "client-authentication+jwt", ""),
                    issuer=client.client_id,
                    audience=None,
                    leeway=_LEEWAY,
                    algorithms=allowed,
                )
            except InvalidToken as error:
                failure = error
        raise InvalidClient(detail=f"assertion: {failure or 'the client has no keys'}")

    @staticmethod
    def _check_audience(claims: dict[str, Any], issuer: str) -> None:
        """Only us: an assertion that also names another server could be replayed by that server (CA5)."""
        ours = {issuer, f"{issuer}/oauth2/token"}
        audience = claims.get("aud")
        named = {audience} if isinstance(audience, str) else set(audience or ())
        if not named or not named <= ours:
            raise InvalidClient(detail=f"assertion: aud {sorted(map(str, named))}, expected {issuer}")

    def _check_replay(self, claims: dict[str, Any], instant: int) -> None:
        """A `jti` once. In the database, because a store that forgets would accept a replay (CA4, I2)."""
        jti = claims.get("jti")
        if not isinstance(jti, str) or not jti:
            raise InvalidClient(detail="assertion: jti is missing")
        key = f"assertion:{sha256_hex(self.client_id + chr(0) + jti)}"
        remaining = max(1, claims["exp"] - instant + 2 * _LEEWAY)
        if not current_provider().durable.put_if_absent(key, b"1", remaining):
            raise InvalidClient(detail="assertion: jti was used before")


def verify_assertion(token: str) -> Assertion:
    """Read whose assertion this claims to be. Raises InvalidClient if it is not even a JWT."""
    if len(token) > _MAX_BYTES or token.count(".") != 2:
        raise InvalidClient(detail="assertion: not a signed JWT")
    header_part, claims_part, _ = token.split(".")
    try:
        header, claims = orjson.loads(unb64url(header_part)), orjson.loads(unb64url(claims_part))
    except ValueError:
        raise InvalidClient(detail="assertion: not a signed JWT") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise InvalidClient(detail="assertion: not a signed JWT")
    subject, alg, kid = claims.get("sub"), header.get("alg"), header.get("kid")
    if not isinstance(subject, str) or not isinstance(alg, str):
        raise InvalidClient(detail="assertion: sub or alg is missing")
    return Assertion(subject, token, alg, kid if isinstance(kid, str) else None)


def _algorithms(client: Client) -> tuple[str, ...]:
    """The algorithms this client may use. The method decides the family, so RS→HS confusion has no way in."""
    if client.token_endpoint_auth_signing_alg:
        return (client.token_endpoint_auth_signing_alg,)
    return SYMMETRIC if client.token_endpoint_auth_method == "client_secret_jwt" else ASYMMETRIC


def _candidates(client: Client, kid: str | None) -> list[KeySet]:
    if client.token_endpoint_auth_method == "client_secret_jwt":
        return [KeySet([OctKey.import_key(secret)]) for secret in secrets_in_clear(client)]
    keys = current_provider().client_keys.of(client, kid)
    return [] if keys is None else [keys]
