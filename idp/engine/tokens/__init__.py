"""Everything the token endpoint hands out, and what becomes of it."""

from dataclasses import dataclass

from idp.engine.tokens.access_token import AccessToken, AccessTokens, IssuedAccessToken
from idp.engine.tokens.authorization import Authorization
from idp.engine.tokens.authorization_code import (
    AuthorizationCode,
    AuthorizationCodes,
    UnknownCode,
)
from idp.engine.tokens.claims import PERSON_CLAIMS, userinfo_claims
from idp.engine.tokens.encryption import Encryption
from idp.engine.tokens.errors import CodeReused, InvalidGrant, InvalidScope, InvalidTarget, TokenRefused
from idp.engine.tokens.families import Families, Family
from idp.engine.tokens.id_token import IdTokens, half_hash
from idp.engine.tokens.refresh_token import PresentedToken, Refresh, RefreshTokens
from idp.engine.tokens.target import Target, Targets


@dataclass(frozen=True, slots=True)
class Tokens:
    """The token services of one process."""

    codes: AuthorizationCodes
    families: Families
    refresh: RefreshTokens
    access: AccessTokens
    id: IdTokens
    encryption: Encryption
    targets: Targets


__all__ = [
    "PERSON_CLAIMS",
    "AccessToken",
    "AccessTokens",
    "Authorization",
    "AuthorizationCode",
    "AuthorizationCodes",
    "CodeReused",
    "Encryption",
    "Families",
    "Family",
    "IdTokens",
    "InvalidGrant",
    "InvalidScope",
    "InvalidTarget",
    "IssuedAccessToken",
    "PresentedToken",
    "Refresh",
    "RefreshTokens",
    "Target",
    "Targets",
    "TokenRefused",
    "Tokens",
    "UnknownCode",
    "half_hash",
    "userinfo_claims",
]
