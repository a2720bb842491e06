"""Grant types and response types: what a client may ask of which endpoint (RFC 7591 §2.1)."""

from collections.abc import Mapping
from typing import Any

from idp.core.errors import Invalid
from idp.identity.clients.members import Members

GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials", "implicit")
_CODE, _TOKENS = frozenset({"authorization_code"}), frozenset({"implicit"})
RESPONSE_TYPES: Mapping[str, frozenset[str]] = {
    "code": _CODE,
    "id_token": _TOKENS,
    "id_token token": _TOKENS,
    "code id_token": _CODE | _TOKENS,
    "code token": _CODE | _TOKENS,
    "code id_token token": _CODE | _TOKENS,
}
"""Response type → the grant types it needs (RFC 7591 §2.1). Their words are in alphabetical order."""


def without_front_channel(values: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata less the implicit grant and the response types that need it (RFC 7591 §2: a server may reduce)."""
    kept = dict(values)
    for field, is_kept in (
        ("grant_types", lambda name: name != "implicit"),
        ("response_types", lambda name: not isinstance(name, str) or name.split() == ["code"]),
    ):
        if isinstance(kept.get(field), list | tuple):
            kept[field] = [name for name in kept[field] if is_kept(name)]
    return kept


def check_grants(metadata: Members) -> None:
    """Grant types and response types that belong together are there together. Raises Invalid."""
    grants = set(metadata.grant_types)
    for response_type in metadata.response_types:
        if missing := RESPONSE_TYPES[response_type] - grants:
            raise Invalid(f"the response type {response_type} needs the grant type {min(missing)}", "grant_types")
    needed: set[str] = set().union(*(RESPONSE_TYPES[name] for name in metadata.response_types))
    for grant, example in (("authorization_code", "code"), ("implicit", "id_token")):
        if grant in grants - needed:
            raise Invalid(f"the grant type {grant} needs a response type such as {example}", "response_types")
    if needed and not metadata.redirect_uris:
        raise Invalid("at least one redirect URI is required", "redirect_uris")
    if "refresh_token" in grants and "authorization_code" not in grants:
        raise Invalid("the grant type refresh_token needs authorization_code", "grant_types")
    if "client_credentials" in grants and metadata.is_public:
        # RFC 6749 §4.4
        raise Invalid("a public client cannot use client_credentials", "grant_types")
