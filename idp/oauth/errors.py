"""One class per registered error code.

`description` is for the client (RFC 6749 §5.2: printable ASCII without `"` and backslash); `detail` says what was
expected and received, and goes to the audit trail alone.
"""

import re
from typing import Any

from authlib.oauth2 import OAuth2Error

_FORBIDDEN = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")


def printable(text: str) -> str:
    """`text` in the alphabet that RFC 6749 allows for `error_description`."""
    return _FORBIDDEN.sub("?", text.replace('"', "'"))[:300]


class OAuthError(OAuth2Error):
    """Base of the registered errors. Answers as JSON at the token endpoint's kin."""

    error = "invalid_request"
    status_code = 400
    default_description = ""

    def __init__(self, description: str | None = None, *, detail: str | None = None) -> None:
        super().__init__(description=printable(description or self.default_description))
        self.detail = detail or self.description

    def get_body(self) -> list[tuple[str, Any]]:
        """The members of the error response (RFC 6749 §5.2)."""
        body = [("error", self.error)]
        if self.description:
            body.append(("error_description", self.description))
        return body


class InvalidRequest(OAuthError):
    """RFC 6749 §5.2, §4.1.2.1."""

    error = "invalid_request"


class InvalidClient(OAuthError):
    """RFC 6749 §5.2. With `challenge`, answers 401 and a `WWW-Authenticate: Basic` header."""

    error = "invalid_client"
    default_description = "client authentication failed"

    def __init__(self, description: str | None = None, *, detail: str | None = None, challenge: bool = False) -> None:
        super().__init__(description, detail=detail)
        self.status_code = 401
        self.challenge = challenge

    def get_headers(self) -> list[tuple[str, str]]:
        """RFC 6749 §5.2: the scheme that the client used, as a challenge."""
        headers: list[tuple[str, str]] = super().get_headers()
        # RFC 9110 §11.6.1 wants a challenge with every 401, whichever method the client tried.
        headers.append(("WWW-Authenticate", 'Basic realm="idp", charset="UTF-8"'))
        return headers


class InvalidGrant(OAuthError):
    """RFC 6749 §5.2."""

    error = "invalid_grant"


class UnauthorizedClient(OAuthError):
    """RFC 6749 §5.2, §4.1.2.1."""

    error = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    """RFC 6749 §5.2."""

    error = "unsupported_grant_type"


class InvalidScope(OAuthError):
    """RFC 6749 §5.2, §4.1.2.1."""

    error = "invalid_scope"


class InvalidTarget(OAuthError):
    """RFC 8707 §2."""

    error = "invalid_target"


class UnsupportedResponseType(OAuthError):
    """RFC 6749 §4.1.2.1."""

    error = "unsupported_response_type"


class AccessDenied(OAuthError):
    """RFC 6749 §4.1.2.1."""

    error = "access_denied"


class LoginRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    error = "login_required"


class ConsentRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    error = "consent_required"


class InteractionRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    error = "interaction_required"


class AccountSelectionRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    error = "account_selection_required"


class RequestNotSupported(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    error = "request_not_supported"


class RequestUriNotSupported(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    error = "request_uri_not_supported"


class RegistrationNotSupported(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    error = "registration_not_supported"


class UnmetAuthenticationRequirements(OAuthError):
    """OpenID Connect Core Error Code unmet_authentication_requirements 1.0."""

    error = "unmet_authentication_requirements"


class InvalidToken(OAuthError):
    """RFC 6750 §3.1."""

    error = "invalid_token"
    status_code = 401


class InsufficientScope(OAuthError):
    """RFC 6750 §3.1."""

    error = "insufficient_scope"
    status_code = 403


class UnsupportedTokenType(OAuthError):
    """RFC 7009 §2.2.1."""

    error = "unsupported_token_type"


#: Registered code → class, for outcomes that other floors name by their code.
BY_CODE: dict[str, type[OAuthError]] = {cls.error: cls for cls in OAuthError.__subclasses__()}
