"""Which scopes a client may have for a person: asked at the authorization endpoint, and again by every grant (RT5)."""

from collections.abc import Iterable

from idp.core.scopes import STANDARD_SCOPES
from idp.identity.clients.client import Client


def allowed_scopes(client: Client, scopes: Iterable[str]) -> tuple[str, ...]:
    """Those of `scopes` that the client is registered for; without a registration, the standard ones."""
    allowed = client.scopes if client.scopes is not None else STANDARD_SCOPES
    return tuple(scope for scope in scopes if scope in allowed)
