"""Why tokens are refused. The OAuth door gives each its registered error code."""

from idp.core.errors import IdpError


class TokenRefused(IdpError):
    """Base: `str(error)` is for the client, `detail` for the audit trail alone."""

    def __init__(self, message: str, detail: str | None = None) -> None:
        super().__init__(message)
        self.detail = detail or message


class InvalidGrant(TokenRefused):
    """The code or refresh token is unknown, used, expired, revoked or someone else's (RFC 6749 §5.2)."""


class CodeReused(InvalidGrant):
    """A code was presented twice; everything issued from it has to be revoked."""

    def __init__(self, family_id: str) -> None:
        super().__init__("the authorization code is not valid", "code reused")
        self.family_id = family_id


class InvalidScope(TokenRefused):
    """More was asked for than was authorized (RFC 6749 §5.2)."""


class InvalidTarget(TokenRefused):
    """The resource is unknown, disabled or was not authorized (RFC 8707 §2)."""
