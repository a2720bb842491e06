"""Access tokens: RFC 9068 JWTs, or opaque references for APIs that prefer to ask."""

from dataclasses import dataclass
from typing import Any

import orjson

from idp.core.clock import now, timestamp
from idp.core.crypto import sha256_hex
from idp.core.randomness import new_token
from idp.core.settings import Settings
from idp.engine.tokens.authorization import Authorization
from idp.engine.tokens.families import Families, Family
from idp.engine.tokens.target import Target
from idp.services.keys.jws import InvalidToken, sign_jwt, verify_jwt
from idp.services.keys.keyset import Keyset
from idp.storage.db import reading
from idp.storage.ephemeral import EphemeralStore

TYP = "at+jwt"


@dataclass(frozen=True, slots=True)
class IssuedAccessToken:
    """An access token as the token endpoint returns it."""

    value: str
    expires_in: int
    scopes: tuple[str, ...]
    id: str
    """The `jti`, for the audit trail: it names the token without being one."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token that was presented to us: authentic and unexpired, perhaps revoked."""

    claims: dict[str, Any]

    @property
    def id(self) -> str:
        """The `jti`."""
        return str(self.claims["jti"])

    @property
    def client_id(self) -> str:
        """The client it was issued to."""
        return str(self.claims["client_id"])

    @property
    def subject(self) -> str:
        """The `sub`: a user as the client knows them, or the client itself."""
        return str(self.claims["sub"])

    @property
    def audience(self) -> tuple[str, ...]:
        """The `aud`, always as a tuple."""
        value = self.claims["aud"]
        return (value,) if isinstance(value, str) else tuple(value)

    @property
    def scopes(self) -> tuple[str, ...]:
        """The granted scopes."""
        return tuple(str(self.claims.get("scope", "")).split())

    @property
    def family_id(self) -> str | None:
        """The token family; None for client credentials."""
        family_id, dot, _ = self.id.partition(".")
        return family_id if dot else None


@dataclass(frozen=True, slots=True)
class Standing:
    """What has become of an access token since it was issued."""

    is_revoked: bool
    """The token or its family was revoked, or its user may no longer sign in."""
    family: Family | None
    """None for client credentials."""


class AccessTokens:
    """Issues, reads and revokes access tokens.

    `references` holds opaque tokens; `revocations` holds the ids of revoked ones and must not forget: it is
    the database, whatever serves as the ephemeral store.
    """

    def __init__(
        self,
        settings: Settings,
        keyset: Keyset,
        families: Families,
        references: EphemeralStore,
        revocations: EphemeralStore,
    ) -> None:
        self._issuer = settings.issuer
        self._keyset = keyset
        self._families = families
        self._references = references
        self._revocations = revocations

    def issue_to_user(
        self, authorization: Authorization, target: Target, *, family_id: str, roles: tuple[str, ...]
    ) -> IssuedAccessToken:
        """A token with which the client acts for the user (RFC 9068 §2.2)."""
        claims: dict[str, Any] = {
            "sub": authorization.subject,
            "client_id": authorization.client_id,
            # The family in the id makes revocation of the whole family visible at every use.
            "jti": f"{family_id}.{new_token(96)}",
            "auth_time": timestamp(authorization.auth_time),
            "acr": authorization.acr,
            "amr": list(authorization.amr),
        }
        if roles:
            claims["roles"] = list(roles)  # RFC 9068 §2.2.3.1
        return self._issue(claims, target)

    def issue_to_client(self, client_id: str, target: Target) -> IssuedAccessToken:
        """A token with which the client acts for itself: `sub` is the client (RFC 9068 §2.2)."""
        return self._issue({"sub": client_id, "client_id": client_id, "jti": new_token(128)}, target)

    def _issue(self, claims: dict[str, Any], target: Target) -> IssuedAccessToken:
        issued_at = timestamp(now())
        audience = target.audience
        claims |= {
            "iss": self._issuer,
            "aud": audience[0] if len(audience) == 1 else list(audience),
            "iat": issued_at,
            "exp": issued_at + target.lifetime,
        }
        if target.scopes:
            claims["scope"] = " ".join(target.scopes)
        if target.format == "opaque":
            value = new_token(256)
            self._references.put(_reference_key(value), orjson.dumps(claims), target.lifetime)
        else:
            value = sign_jwt(self._keyset.signer(target.alg), claims, TYP)
        return IssuedAccessToken(value, target.lifetime, target.scopes, claims["jti"])

    def read(self, token: str) -> AccessToken | None:
        """The token if we issued it and it has not expired; otherwise None. Says nothing of revocation."""
        if token.count(".") == 2:
            try:
                claims = verify_jwt(
                    self._keyset.verification_keys(), token, typ=TYP, issuer=self._issuer, audience=None
                )
            except InvalidToken:
                return None
            return AccessToken(claims)
        raw = self._references.get(_reference_key(token))
        if raw is None:
            return None
        claims = orjson.loads(raw)
        return AccessToken(claims) if claims["exp"] > timestamp(now()) else None

    def standing(self, token: AccessToken) -> Standing:
        """What the database says of the token now."""
        with reading():
            family = None if token.family_id is None else self._families.get(token.family_id)
            is_revoked = self._revocations.get(_revocation_key(token.id)) is not None
        has_fallen = token.family_id is not None and (family is None or not family.is_alive)
        return Standing(is_revoked or has_fallen, family)

    def revoke(self, token: AccessToken) -> None:
        """Refuse this one token from now on, for as long as it would have lived."""
        remaining = int(token.claims["exp"]) - timestamp(now())
        self._revocations.put(_revocation_key(token.id), b"1", max(1, remaining))


def _reference_key(value: str) -> str:
    return "access-token:" + sha256_hex(value)


def _revocation_key(token_id: str) -> str:
    return "revoked-token:" + token_id
