"""The ordered table of checks at the authorization endpoint.

Order is meaning: nothing may redirect before the redirect URI is proven (RFC 6749 §4.1.2.1), the response mode has
to be known before an error can travel through it, and cheap refusals come before costly ones.
"""

from collections.abc import Callable

from idp.oauth.authorization_request import AuthorizationRequest
from idp.oauth.checks import (
    acr,
    claims,
    client,
    hints,
    id_token_hint,
    max_age,
    nonce,
    pkce,
    prompt,
    redirect_uri,
    repeated,
    request_object,
    resource,
    response_mode,
    response_type,
    scope,
    size,
)
from idp.oauth.checks.draft import Draft

Check = Callable[[Draft], None]

#: Until these have passed, whatever is wrong is told to the person on a page, never to a URI.
BEFORE_REDIRECT: tuple[Check, ...] = (
    client.check,
    request_object.unpack,
    redirect_uri.check,
)

#: From here on every error goes back to the client, with `state` and `iss`.
AFTER_REDIRECT: tuple[Check, ...] = (
    response_mode.check,
    repeated.check,
    size.check,
    request_object.check,
    response_type.check,
    nonce.check,
    pkce.check,
    prompt.check,
    max_age.check,
    scope.check,
    resource.check,
    claims.check,
    acr.check,
    id_token_hint.check,
    hints.check,
)


def run(draft: Draft) -> AuthorizationRequest:
    """Every check in order. Raises PageError or, once redirecting is safe, an OAuthError."""
    for check in (*BEFORE_REDIRECT, *AFTER_REDIRECT):
        check(draft)
    return draft.finish()
