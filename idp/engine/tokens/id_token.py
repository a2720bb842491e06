"""ID tokens (OpenID Connect Core §2, §3.1.3.6)."""

import hashlib
from typing import Any

from idp.core.clock import now, timestamp
from idp.core.crypto import b64url
from idp.core.settings import Settings
from idp.engine.tokens.authorization import Authorization
from idp.engine.tokens.claims import id_token_claims
from idp.engine.tokens.encryption import Encryption
from idp.identity.clients.client import Client
from idp.identity.directory.users import User
from idp.services.keys.jwe import NotDecrypted, decrypt
from idp.services.keys.jws import InvalidToken, sign_jwt, verify_jwt
from idp.services.keys.keyset import Keyset

TYP = "JWT"
_DOTS_OF_A_JWE = 4

#: The hash that goes with a signature algorithm (OpenID Connect Core §3.1.3.6; Ed25519 signs with SHA-512).
_HASHES = {"RS256": hashlib.sha256, "PS256": hashlib.sha256, "ES256": hashlib.sha256, "EdDSA": hashlib.sha512}


class IdTokens:
    """Issues ID tokens, and reads them back as hints."""

    def __init__(self, settings: Settings, keyset: Keyset, encryption: Encryption) -> None:
        self._issuer = settings.issuer
        self._lifetime = settings.lifetimes.id_token
        self._keyset = keyset
        self._encryption = encryption

    def issue(
        self,
        user: User,
        authorization: Authorization,
        client: Client,
        *,
        nonce: str | None = None,
        access_token: str | None = None,
        code: str | None = None,
        stands_alone: bool = False,
    ) -> str:
        """An ID token bound to the access token and the code that come with it.

        Signed, and perhaps encrypted, as the client of `authorization` registered. Raises NoEncryptionKey.

        `stands_alone`: no access token will ever open UserInfo, so the claims of the scopes are in here. `auth_time`
        comes from the authorization, never from the clock: it stays the same across refreshes.
        """
        issued_at = timestamp(now())
        alg = client.metadata.id_token_signed_response_alg
        # Person claims first: no attribute of a user may overwrite a protocol claim.
        claims: dict[str, Any] = id_token_claims(user, authorization, with_scopes=stands_alone)
        claims |= {
            "iss": self._issuer,
            "sub": authorization.subject,
            "aud": authorization.client_id,
            "iat": issued_at,
            "exp": issued_at + self._lifetime,
            "auth_time": timestamp(authorization.auth_time),
            "acr": authorization.acr,
            "amr": list(authorization.amr),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        if authorization.session_id is not None:
            claims["sid"] = authorization.session_id
        if access_token is not None:
            claims["at_hash"] = half_hash(access_token, alg)
        if code is not None:
            claims["c_hash"] = half_hash(code, alg)
        return self._encryption.of_id_token(client, sign_jwt(self._keyset.signer(alg), claims, TYP))

    def read_hint(self, token: str) -> dict[str, Any] | None:
        """The claims of an `id_token_hint` that we issued, expired or not; None for anything else.

        The client may have encrypted it to our key (§3.1.2.1). The signature is always checked, so `alg: none` never
        passes. A signed UserInfo response is no hint: unlike every ID token it has no `exp` (§2).
        """
        try:
            claims = verify_jwt(
                self._keyset.hint_keys(),
                self._opened(token),
                typ=TYP,
                issuer=self._issuer,
                audience=None,
                verify_expiry=False,
            )
        except (InvalidToken, NotDecrypted, UnicodeDecodeError):
            return None
        return claims if "exp" in claims else None

    def _opened(self, token: str) -> str:
        if token.count(".") != _DOTS_OF_A_JWE:
            return token
        return decrypt(self._keyset.decryption_keys(), token).decode("ascii")


def half_hash(value: str, alg: str) -> str:
    """`at_hash` and `c_hash`: the left half of the hash, in base64url (OpenID Connect Core §3.1.3.6)."""
    digest = _HASHES[alg](value.encode("ascii")).digest()
    return b64url(digest[: len(digest) // 2])
