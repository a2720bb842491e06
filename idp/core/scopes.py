"""The grammar of scope values (RFC 6749 §3.3), and the standard ones with the claims they ask for
(OpenID Connect Core §5.4, §11)."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

SCOPE_TOKEN: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
"""One scope value."""

STANDARD_SCOPES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "openid": ("sub",),
        "profile": (
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ),
        "email": ("email", "email_verified"),
        "address": ("address",),
        "phone": ("phone_number", "phone_number_verified"),
        "offline_access": (),
    }
)
"""Scope value → the claims it asks for."""

STANDARD_CLAIMS: Final = frozenset(claim for claims in STANDARD_SCOPES.values() for claim in claims)
"""Every claim that some standard scope asks for."""


def claims_for_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """The claims that these scopes ask for; scopes that are not standard ask for none."""
    return frozenset(claim for scope in scopes for claim in STANDARD_SCOPES.get(scope, ()))
