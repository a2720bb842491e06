"""JSON Web Tokens as compact JWS: signing at the cost of the raw signature, and strict verification.

The verifier accepts nothing that is merely probable: the key, never the token, decides the algorithm, and
a token with two readings (duplicate members, loose base64) is refused before its signature is looked at.
"""

import base64
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from idp.core.errors import IdpError
from idp.core.strict_json import strict_json
from idp.services.keys.signer import Signer

MAX_TOKEN_BYTES = 16 * 1024
MAX_HEADER_BYTES = 4 * 1024
_FUTURE_ISSUE_SECONDS = 60
"""How far `iat` may lie ahead of our clock before the token is a fabrication."""
_LATEST_DATE = 253_402_300_799
"""The end of the year 9999: dates beyond it overflow what others parse them into."""

_RSA_ALGS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_HMAC_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
_EC_ALGS = {"P-256": frozenset({"ES256"}), "P-384": frozenset({"ES384"}), "P-521": frozenset({"ES512"})}
_EDWARDS_ALGS = frozenset({"EdDSA", "Ed25519"})
_MINIMUM_RSA_BITS = 2048

# Members that name a key, change the encoding or extend the meaning: none has a place in a token for us.
_REFUSED_MEMBERS = ("crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c", "p2c", "p2s")
_DATES = ("exp", "iat", "nbf")


class InvalidToken(IdpError):
    """The token is not to be believed. `reason` is for logs and tests, never for its bearer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def sign_jwt(signer: Signer, claims: Mapping[str, Any], typ: str) -> str:
    """A signed JWT (RFC 7519 §7.1) with `typ` and `kid` in its header.

    The claims are encoded as they are: the caller decides every one of them.
    """
    payload = orjson.dumps(claims if isinstance(claims, dict) else dict(claims))
    signing_input = _header(signer.kid, signer.alg, typ) + _encode(payload)
    return (signing_input + b"." + _encode(signer.sign(signing_input))).decode("ascii")


@lru_cache(maxsize=256)
def _header(kid: str, alg: str, typ: str) -> bytes:
    return _encode(orjson.dumps({"alg": alg, "typ": typ, "kid": kid})) + b"."


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def verify_jwt(
    keys: KeySet,
    token: str,
    *,
    typ: str | tuple[str, ...],
    issuer: str | None,
    audience: str | None,
    leeway: int = 0,
    verify_expiry: bool = True,
    requires_expiry: bool = True,
    algorithms: Collection[str] | None = None,
) -> dict[str, Any]:
    """The claims of a token that one of `keys` signed (RFC 7519 §7.2, RFC 8725).

    `typ` lists the accepted media types; an empty string among them accepts a token without one.
    `issuer=None` and `audience=None` leave `iss` and `aud` to the caller. `leeway` is in seconds and applies to
    `exp` and `nbf`.
    `verify_expiry=False` is for hints, which may be old; `requires_expiry=False` for tokens that may have no `exp`.
    `algorithms` narrows what the key allows.
    Raises InvalidToken.
    """
    header_part, payload_part, signature_part = _split(token)
    header = _read_header(header_part)
    payload, signature = _decode(payload_part, "payload"), _decode(signature_part, "signature")
    key = _choose_key(header, keys, algorithms)
    _check_signature(header.alg, key, f"{header_part}.{payload_part}".encode("ascii"), signature)
    if header.media_type not in [_media_type(name) for name in ((typ,) if isinstance(typ, str) else typ)]:
        raise InvalidToken("a token of another type")
    claims = _object(payload, "payload")
    _check_dates(claims, leeway, verify_expiry, requires_expiry)
    _check_parties(claims, issuer, audience)
    return claims


def read_header(token: str) -> "Header":
    """What the header of a token claims, to find the keys that it may be verified with. Raises InvalidToken."""
    return _read_header(_split(token)[0])


def read_payload(token: str) -> dict[str, Any]:
    """What a token says, not to be believed: to find the key that it is then verified with. Raises InvalidToken."""
    return _object(_decode(_split(token)[1], "payload"), "payload")


def read_unsigned(token: str) -> dict[str, Any] | None:
    """The claims of a JWT with `alg: none` (RFC 7519 §6); None if it has another. Raises InvalidToken.

    For request objects alone, where a setting allows them: whoever sends one could as well have written the query.
    """
    parts = token.split(".")
    if len(token) > MAX_TOKEN_BYTES or len(parts) != 3 or _read_header(parts[0]).alg != "none":
        return None
    if parts[2]:
        raise InvalidToken("an unsigned token with a signature")
    claims = _object(_decode(parts[1], "payload"), "payload")
    _check_dates(claims, 0, verify_expiry=True, requires_expiry=False)
    _check_parties(claims, None, None)
    return claims


def _split(token: str) -> list[str]:
    if not isinstance(token, str) or len(token) > MAX_TOKEN_BYTES:
        raise InvalidToken("the token is too long")
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        # Five parts would be a JWE (RFC 7516 §9).
        raise InvalidToken("not a signed token in compact form")
    if len(parts[0]) > MAX_HEADER_BYTES:
        raise InvalidToken("the header is too long")
    return parts


def _decode(part: str, what: str) -> bytes:
    try:
        raw = part.encode("ascii")
        data = base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_")
    except ValueError:
        raise InvalidToken(f"the {what} is not base64url") from None
    # One value, one spelling: loose bits at the end, padding and skipped characters are refused.
    if _encode(data) != raw:
        raise InvalidToken(f"the {what} is not canonical base64url")
    return data


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = strict_json(data)
    except ValueError:
        raise InvalidToken(f"the {what} is not unambiguous JSON") from None
    if not isinstance(value, dict):
        raise InvalidToken(f"the {what} is not a JSON object")
    return value


@dataclass(frozen=True, slots=True)
class Header:
    """What a token says of itself, not to be believed."""

    alg: str
    kid: str | None
    media_type: str


@lru_cache(maxsize=256)
def _read_header(part: str) -> Header:
    """What the header claims. Cached, because all tokens of one key and type share theirs."""
    header = _object(_decode(part, "header"), "header")
    for member in _REFUSED_MEMBERS:
        if member in header:
            raise InvalidToken(f"the header member '{member}' is not accepted")
    alg, kid, typ = header.get("alg"), header.get("kid"), header.get("typ", "")
    if not isinstance(alg, str):
        raise InvalidToken("the header names no algorithm")
    if kid is not None and not isinstance(kid, str):
        raise InvalidToken("the key id is not a string")
    if not isinstance(typ, str) or ("typ" in header and not typ):
        raise InvalidToken("the type is not a media type")
    return Header(alg, kid, _media_type(typ))


def _media_type(typ: str) -> str:
    """Without regard to case or the `application/` prefix (RFC 7515 §4.1.9)."""
    return typ.lower().removeprefix("application/")


def _choose_key(header: Header, keys: KeySet, algorithms: Collection[str] | None) -> Key:
    """One of the keys that we hold; the header only points."""
    if algorithms is not None and header.alg not in algorithms:
        raise InvalidToken("the algorithm is not accepted here")
    fitting = [
        key
        for key in keys
        if (header.kid is None or key.kid == header.kid)
        and key.get("use") in (None, "sig")
        and header.alg in _algorithms_of(key)
    ]
    if len(fitting) != 1:
        raise InvalidToken("no single key of ours fits the key id and the algorithm")
    return fitting[0]


def _algorithms_of(key: Key) -> Collection[str]:
    """What a key may be used for (RFC 8725 §3.1); its own `alg` member has the last word."""
    fitting: Collection[str] = ()
    if isinstance(key, RSAKey):
        fitting = _RSA_ALGS if key.raw_value.key_size >= _MINIMUM_RSA_BITS else ()
    elif isinstance(key, ECKey):
        fitting = _EC_ALGS.get(key.curve_name, ())
    elif isinstance(key, OKPKey):
        fitting = _EDWARDS_ALGS if key.curve_name == "Ed25519" else ()
    elif isinstance(key, OctKey):
        # RFC 7518 §3.2: an HMAC key is at least as long as its hash. Never an empty one.
        fitting = tuple(alg for alg, least in _HMAC_BYTES.items() if len(key.raw_value) >= least)
    declared = key.alg
    if declared is None:
        return fitting
    return (declared,) if declared in fitting else ()


def _check_signature(alg: str, key: Key, signing_input: bytes, signature: bytes) -> None:
    try:
        genuine = JWSRegistry.algorithms[alg].verify(signing_input, signature, key)
    except (JoseError, ValueError):
        genuine = False
    if not genuine:
        raise InvalidToken("the signature is wrong")


def _check_dates(claims: dict[str, Any], leeway: int, verify_expiry: bool, requires_expiry: bool) -> None:
    for name in _DATES:
        value = claims.get(name)
        # type(), because True is an int to isinstance() and 1.0 is a date to nobody.
        if name in claims and (type(value) is not int or not 0 <= value <= _LATEST_DATE):
            raise InvalidToken(f"'{name}' is not a whole number of seconds")
    moment = time.time()
    if verify_expiry:
        if requires_expiry and "exp" not in claims:
            raise InvalidToken("the token never expires")
        if claims.get("exp", _LATEST_DATE) + leeway <= moment:
            raise InvalidToken("the token has expired")
    if claims.get("nbf", 0) - leeway > moment:
        raise InvalidToken("the token is not valid yet")
    if claims.get("iat", 0) - max(leeway, _FUTURE_ISSUE_SECONDS) > moment:
        raise InvalidToken("the token was issued in the future")


def _check_parties(claims: dict[str, Any], issuer: str | None, audience: str | None) -> None:
    if issuer is not None and claims.get("iss") != issuer:
        raise InvalidToken("another issuer")
    for name in ("sub", "jti"):
        if name in claims and not isinstance(claims[name], str):
            raise InvalidToken(f"'{name}' is not a string")
    aud = claims.get("aud", [])
    audiences = [aud] if isinstance(aud, str) else aud
    if not isinstance(audiences, list) or not all(isinstance(entry, str) for entry in audiences):
        raise InvalidToken("'aud' is neither a string nor a list of strings")
    if audience is not None and audience not in audiences:
        raise InvalidToken("meant for another audience")
