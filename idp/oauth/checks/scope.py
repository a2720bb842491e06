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
    # OpenID Connect Core §11: without a refresh token, offline_access means nothing.
    if "offline_access" in granted and not draft.client.allows_grant("refresh_token"):
        granted = tuple(value for value in granted if value != "offline_access")
    if not granted:
        raise InvalidScope("none of the requested scopes is available to this client")
    draft.scopes = granted
