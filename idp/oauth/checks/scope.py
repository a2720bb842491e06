"""`scope`: what the client asks for, reduced to what it may have (RFC 6749 §3.3)."""

from idp.oauth.checks.draft import Draft
from idp.oauth.client_scopes import allowed_scopes, parsed_scope
from idp.oauth.errors import InvalidScope


def check(draft: Draft) -> None:
    """Keep the scopes that exist and that the client is registered for; unknown ones are ignored
    (OpenID Connect Core §3.1.2.1). Raises InvalidScope if they are malformed or none is left."""
    requested = parsed_scope(draft.params.get("scope", ""))
    is_known = draft.provider.tokens.targets.is_known_scope
    granted = tuple(value for value in allowed_scopes(draft.client, requested) if is_known(value))
    # OpenID Connect Core §11: without a code there is no refresh token, and without that offline_access means nothing.
    may_be_offline = "code" in draft.returns and draft.client.allows_grant("refresh_token")
    if "offline_access" in granted and not may_be_offline:
        granted = tuple(value for value in granted if value != "offline_access")
    if not granted:
        raise InvalidScope("none of the requested scopes is available to this client")
    if "id_token" in draft.returns and "openid" not in granted:
        raise InvalidScope("an ID token needs the scope openid")
    draft.scopes = granted
