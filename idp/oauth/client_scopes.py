"""Scopes: what was asked for, and what of it a client may have; asked at every door, and again by every grant (RT5)."""

from collections.abc import Iterable

from idp.core.scopes import SCOPE_TOKEN, STANDARD_SCOPES
from idp.identity.clients.client import Client
from idp.oauth.errors import InvalidScope

MAX_SCOPES = 100


def parsed_scope(text: str) -> tuple[str, ...]:
    """The values of a `scope` parameter (RFC 6749 §3.3), each once. Raises InvalidScope if they are malformed.

    Only spaces part them: a line break is no space. More than one space in a row is forgiven.
    """
    values = tuple(dict.fromkeys(value for value in text.split(" ") if value))
    if len(values) > MAX_SCOPES or not all(SCOPE_TOKEN.fullmatch(value) for value in values):
        raise InvalidScope("scope is malformed or too long")
    return values


def allowed_scopes(client: Client, scopes: Iterable[str]) -> tuple[str, ...]:
    """Those of `scopes` that the client is registered for; without a registration, the standard ones."""
    allowed = client.scopes if client.scopes is not None else STANDARD_SCOPES
    return tuple(scope for scope in scopes if scope in allowed)
