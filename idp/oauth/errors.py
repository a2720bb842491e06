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
    """A parameter is missing, malformed, repeated or in contradiction with another (RFC 6749 §5.2, §4.1.2.1)."""

    error = "invalid_request"


class InvalidClient(OAuthError):
    """The client could not prove who it is; answers 401 with a `WWW-Authenticate` header (RFC 6749 §5.2)."""

    error = "invalid_client"
    status_code = 401
    default_description = "client authentication failed"

    def get_headers(self) -> list[tuple[str, str]]:
        """RFC 6749 §5.2: the scheme that the client used, as a challenge."""
        headers: list[tuple[str, str]] = super().get_headers()
        # RFC 9110 §11.6.1 wants a challenge with every 401, whichever method the client tried.
        headers.append(("WWW-Authenticate", 'Basic realm="idp", charset="UTF-8"'))
        return headers


class InvalidGrant(OAuthError):
    """The code or refresh token is wrong, spent, expired, revoked or another client's (RFC 6749 §5.2)."""

    error = "invalid_grant"


class UnauthorizedClient(OAuthError):
    """The client is not registered for this grant type or response type (RFC 6749 §5.2, §4.1.2.1)."""

    error = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    """The server does not have this grant type (RFC 6749 §5.2)."""

    error = "unsupported_grant_type"


class InvalidScope(OAuthError):
    """The scope is malformed, or nothing of it is available to the client (RFC 6749 §5.2, §4.1.2.1)."""

    error = "invalid_scope"


class InvalidTarget(OAuthError):
    """The resource is unknown, not allowed to the client, or not clear from the scope (RFC 8707 §2)."""

    error = "invalid_target"


class UnsupportedResponseType(OAuthError):
    """The server does not have this response type (RFC 6749 §4.1.2.1)."""

    error = "unsupported_response_type"


class AccessDenied(OAuthError):
    """The person cancelled or did not allow the request (RFC 6749 §4.1.2.1)."""

    error = "access_denied"


class LoginRequired(OAuthError):
    """prompt=none, and nobody suitable is signed in (OpenID Connect Core §3.1.2.6)."""

    error = "login_required"


class ConsentRequired(OAuthError):
    """prompt=none, and the person would have to consent (OpenID Connect Core §3.1.2.6)."""

    error = "consent_required"


class InteractionRequired(OAuthError):
    """prompt=none, and the person would have to do something (OpenID Connect Core §3.1.2.6)."""

    error = "interaction_required"


class AccountSelectionRequired(OAuthError):
    """prompt=none, and the person would have to choose an account (OpenID Connect Core §3.1.2.6)."""

    error = "account_selection_required"


class InvalidRequestObject(OAuthError):
    """The request object is malformed, not signed by the client, or not for us (RFC 9101 §7)."""

    error = "invalid_request_object"
    default_description = "the request object is malformed"


class InvalidRequestUri(OAuthError):
    """The `request_uri` is not registered, or leads nowhere (RFC 9101 §7)."""

    error = "invalid_request_uri"


class RequestUriNotSupported(OAuthError):
    """The `request_uri` parameter is not supported (OpenID Connect Core §3.1.2.6)."""

    error = "request_uri_not_supported"


class RegistrationNotSupported(OAuthError):
    """The `registration` parameter is not supported (OpenID Connect Core §3.1.2.6)."""

    error = "registration_not_supported"


class UnmetAuthenticationRequirements(OAuthError):
    """The essential `acr` is out of reach (OpenID Connect Core Error Code unmet_authentication_requirements 1.0)."""

    error = "unmet_authentication_requirements"


class InvalidToken(OAuthError):
    """The access token is malformed, expired or revoked (RFC 6750 §3.1)."""

    error = "invalid_token"
    status_code = 401


class InsufficientScope(OAuthError):
    """The access token does not open this (RFC 6750 §3.1)."""

    error = "insufficient_scope"
    status_code = 403


class InvalidRedirectUri(OAuthError):
    """A redirect URI cannot be registered (RFC 7591 §3.2.2)."""

    error = "invalid_redirect_uri"


class InvalidClientMetadata(OAuthError):
    """The metadata of a client that wants to register is malformed or contradicts itself (RFC 7591 §3.2.2)."""

    error = "invalid_client_metadata"


class InvalidSoftwareStatement(OAuthError):
    """The software statement is malformed, out of date, or not by whom it names (RFC 7591 §3.2.2)."""

    error = "invalid_software_statement"


class UnapprovedSoftwareStatement(OAuthError):
    """The software statement is by somebody who is not trusted here (RFC 7591 §3.2.2)."""

    error = "unapproved_software_statement"


class TemporarilyUnavailable(OAuthError):
    """Too much was asked in too short a time; `Retry-After` says when to come again (RFC 6585 §4)."""

    error = "temporarily_unavailable"
    status_code = 429

    def __init__(self, description: str | None = None, *, retry_after: int = 1, detail: str | None = None) -> None:
        super().__init__(description, detail=detail)
        self.retry_after = retry_after

    def get_headers(self) -> list[tuple[str, str]]:
        """With the time to wait (RFC 9110 §10.2.3)."""
        headers: list[tuple[str, str]] = super().get_headers()
        headers.append(("Retry-After", str(self.retry_after)))
        return headers


#: Registered code → class, for outcomes that other floors name by their code.
BY_CODE: dict[str, type[OAuthError]] = {cls.error: cls for cls in OAuthError.__subclasses__()}
