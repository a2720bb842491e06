"""`private_key_jwt` and `client_secret_jwt`: signed client assertions (RFC 7523 §3, OpenID Connect Core §9)."""

from dataclasses import dataclass
from typing import Any

import orjson

from idp.core.clock import now, timestamp
from idp.core.crypto import sha256_hex, unb64url
from idp.identity.clients.client import Client
from idp.oauth.client_signatures import ASYMMETRIC, LEEWAY, SYMMETRIC, signed_claims
from idp.oauth.errors import InvalidClient
from idp.services.keys.jws import InvalidToken
from idp.web.provider import current_provider

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_MAX_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Assertion:
    """A client assertion whose sender is not proven yet."""

    client_id: str
    token: str

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
        if issued_at > instant + LEEWAY:
            raise InvalidClient(detail="assertion: iat is in the future")
        if claims["exp"] - min(issued_at, instant) > lifetime + LEEWAY:
            # Also of one that was made long ago and is about to expire: who knows where it has been?
            raise InvalidClient(detail=f"assertion: it lives longer than {lifetime} s")
        self._check_audience(claims, settings.issuer)
        self._check_replay(claims, instant)
        return True

    def _verified(self, client: Client) -> dict[str, Any]:
        try:
            return signed_claims(
                client,
                self.token,
                algorithms=_algorithms(client),
                typ=("JWT", "client-authentication+jwt", ""),
                issuer=client.client_id,
            )
        except InvalidToken as error:
            raise InvalidClient(detail=f"assertion: {error.reason}") from error

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
        remaining = max(1, claims["exp"] - instant + 2 * LEEWAY)
        if not current_provider().durable.put_if_absent(key, b"1", remaining):
            raise InvalidClient(detail="assertion: jti was used before")


def verify_assertion(token: str) -> Assertion:
    """Read whose assertion this claims to be. Raises InvalidClient if it is not even a JWT."""
    if len(token) > _MAX_BYTES or token.count(".") != 2:
        raise InvalidClient(detail="assertion: not a signed JWT")
    try:
        claims = orjson.loads(unb64url(token.split(".")[1]))
    except ValueError:
        raise InvalidClient(detail="assertion: not a signed JWT") from None
    subject = claims.get("sub") if isinstance(claims, dict) else None
    if not isinstance(subject, str):
        raise InvalidClient(detail="assertion: sub is missing")
    return Assertion(subject, token)


def _algorithms(client: Client) -> tuple[str, ...]:
    """The algorithms this client may use. The method decides the family, so RS→HS confusion has no way in."""
    if client.token_endpoint_auth_signing_alg:
        return (client.token_endpoint_auth_signing_alg,)
    return SYMMETRIC if client.token_endpoint_auth_method == "client_secret_jwt" else ASYMMETRIC
