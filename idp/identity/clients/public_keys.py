"""The public keys of a client (RFC 7517): registered inline (`jwks`), or published at its `jwks_uri`."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import KeySet, import_key

from idp.core.crypto import unb64url
from idp.core.errors import Invalid

MAX_KEYS = 20
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
"""Verifying with an absurdly long key would cost us, not its owner."""

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_MEMBERS = ("kty", "use", "key_ops", "alg", "kid", "crv", "x", "y", "n", "e")
_CURVES = frozenset({"P-256", "P-384", "P-521", "Ed25519", "Ed448", "X25519", "X448"})
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


def check_jwks(jwks: Mapping[str, Any], field: str = "jwks") -> dict[str, Any]:
    """The usable public keys of a JWK Set; keys of unknown types are left out (RFC 7517 §5).

    Raises Invalid for private or symmetric keys, weak or malformed ones, repeated `kid`s, or no key at all.
    """
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not keys:
        raise Invalid("jwks must be an object with a non-empty array 'keys'", field)
    if len(keys) > MAX_KEYS:
        raise Invalid(f"jwks may have at most {MAX_KEYS} keys", field)
    usable = [key for key in keys if _is_usable(key, field)]
    if not usable:
        raise Invalid("jwks has no key of a supported type (RSA, EC, OKP)", field)
    kids = [key["kid"] for key in usable if "kid" in key]
    if len(set(kids)) != len(kids):
        raise Invalid("jwks has two keys with the same kid", field)
    return {"keys": [_known_members(key) for key in usable]}


def usable_keys(jwks: Mapping[str, Any], field: str = "jwks") -> dict[str, Any]:
    """The keys of somebody's published JWK Set that can verify a signature; the others are ignored (RFC 7517 §5).

    For what is fetched: nobody is there to put a bad key right, and the good ones beside it are wanted. Raises
    Invalid if there is none.
    """
    keys = jwks.get("keys")
    usable: dict[object, Any] = {}
    for key in keys if isinstance(keys, list) else []:
        with suppress(Invalid):
            if _is_usable(key, field):
                usable.setdefault(key.get("kid", len(usable)), key)
        if len(usable) == MAX_KEYS:
            break
    if not usable:
        raise Invalid(f"{field} has no usable key (RSA, EC, OKP)", field)
    return {"keys": [_known_members(key) for key in usable.values()]}


def _known_members(key: Mapping[str, Any]) -> dict[str, Any]:
    """The key without what we have no use for: it is kept and shown again, whatever was in it."""
    return {name: key[name] for name in _MEMBERS if name in key}


def _is_usable(key: object, field: str) -> bool:
    if not isinstance(key, dict) or not isinstance(key.get("kty"), str):
        raise Invalid("each key of jwks must be an object with a string 'kty'", field)
    if key["kty"] == "oct" or not _PRIVATE_MEMBERS.isdisjoint(key):
        raise Invalid("jwks contains a private or symmetric key: register public keys only", field)
    kid = key.get("kid", "")
    if not isinstance(kid, str) or len(kid) > 255:
        raise Invalid("kid must be a string of at most 255 characters", field)
    if key["kty"] == "RSA":
        _check_rsa_size(key, field)
    elif key["kty"] not in ("EC", "OKP") or key.get("crv") not in _CURVES:
        return False
    _import(key, field)
    return True


def _check_rsa_size(key: Mapping[str, Any], field: str) -> None:
    modulus = key.get("n")
    if not isinstance(modulus, str) or not _BASE64URL.fullmatch(modulus) or len(modulus) % 4 == 1:
        raise Invalid("an RSA key has a malformed modulus", field)
    bits = int.from_bytes(unb64url(modulus)).bit_length()
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise Invalid(f"an RSA key must have {MIN_RSA_BITS} to {MAX_RSA_BITS} bits", field)


def _import(key: dict[str, Any], field: str) -> None:
    """Let the cryptographic library judge the numbers (point on the curve, odd exponent)."""
    try:
        is_private = import_key(key).is_private
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        raise Invalid("jwks contains a malformed key", field) from None
    if is_private:
        raise Invalid("jwks contains a private key: register public keys only", field)


def key_set(jwks: Mapping[str, Any]) -> KeySet:
    """A checked JWK Set as key objects, ready to verify with."""
    return KeySet.import_key_set({"keys": list(jwks["keys"])})
