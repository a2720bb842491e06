"""JSON Web Encryption in compact form (RFC 7516): to a client's public key, and what comes encrypted to one of ours.

Like its sibling for signatures it accepts nothing that is merely probable: the key decides the algorithm, nothing is
decompressed, and no password is ever stretched for a stranger.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import orjson
from cryptography.exceptions import InvalidTag
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey, import_key

from idp.core.crypto import unb64url
from idp.core.errors import IdpError

KeyManagement = Literal[
    "RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"
]  # fmt: skip
"""How the content key travels (RFC 7518 §4). Never RSA1_5, whose padding tells too much when it is wrong."""
ContentEncryption = Literal["A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512", "A128GCM", "A192GCM", "A256GCM"]
KEY_MANAGEMENT: tuple[str, ...] = get_args(KeyManagement)
CONTENT_ENCRYPTION: tuple[str, ...] = get_args(ContentEncryption)
DEFAULT_CONTENT_ENCRYPTION = "A128CBC-HS256"
"""OpenID Connect Dynamic Client Registration §2: what counts if only the key management is registered."""

MAX_TOKEN_BYTES = 32 * 1024
_REFUSED_MEMBERS = ("zip", "crit", "jwk", "jku", "x5u", "x5c", "p2c", "p2s")
_ECDH_CURVES = frozenset({"P-256", "P-384", "P-521", "X25519", "X448"})
_MINIMUM_RSA_BITS = 2048


class NoEncryptionKey(IdpError):
    """The recipient has no key for the algorithm that it wants."""


class NotDecrypted(IdpError):
    """The token is not to be read. `reason` is for logs and tests, never for its bearer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, repr=False)
class DecryptionKey:
    """One of our private keys, and the one algorithm it is for."""

    kid: str
    alg: str
    key: Key


def recipient_of(keys: KeySet, alg: str) -> Key:
    """The key to encrypt to by `alg`. Raises NoEncryptionKey."""
    fitting = [key for key in keys if _fits(key, alg)]
    if not fitting:
        raise NoEncryptionKey(f"no key fits {alg}")
    # A key that says what it is for comes before one that may be anything.
    return min(fitting, key=lambda key: key.get("use") != "enc")


def encrypt(
    recipients: KeySet,
    payload: str | bytes,
    *,
    alg: str,
    enc: str | None,
    content_type: str | None,
    issuer: str | None = None,
) -> str:
    """A JWE for whoever holds the private half of one of `recipients` (RFC 7516 §5.1).

    `content_type` is `JWT` for a nested token (RFC 7519 §5.2); `issuer` is said in the header too (§5.3 there).
    Raises NoEncryptionKey.
    """
    key = recipient_of(recipients, alg)
    # Judged already, and joserfc would insist on one of the operations that come to the same.
    plain = {name: value for name, value in key.as_dict(private=False).items() if name not in ("key_ops", "use")}
    header: dict[str, Any] = {"alg": alg, "enc": enc or DEFAULT_CONTENT_ENCRYPTION}
    if content_type is not None:
        header["cty"] = content_type
    if key.kid is not None:
        header["kid"] = key.kid
    if issuer is not None:
        header["iss"] = issuer
    registry = jwe.JWERegistry(algorithms=[header["alg"], header["enc"]], strict_check_header=False)
    try:
        return jwe.encrypt_compact(header, payload, import_key(plain), registry=registry)
    except (JoseError, ValueError) as error:
        raise NoEncryptionKey(f"the key for {alg} cannot be used: {type(error).__name__}") from error


def decrypt(keys: Iterable[DecryptionKey], token: str) -> bytes:
    """The content of a JWE that was made for one of `keys` (RFC 7516 §5.2). Raises NotDecrypted."""
    header = _header(token)
    if header["enc"] not in CONTENT_ENCRYPTION:
        raise NotDecrypted("the algorithm is not accepted here")
    kid = header.get("kid")
    fitting = [own for own in keys if own.alg == header["alg"] and kid in (None, own.kid)]
    for own in fitting:
        try:
            decrypted = jwe.decrypt_compact(token, own.key, algorithms=[own.alg, header["enc"]])
        except (JoseError, InvalidTag, ValueError, TypeError, KeyError, OverflowError):
            continue
        if decrypted.plaintext is not None:
            return decrypted.plaintext
    raise NotDecrypted("no key of ours opens it")


def _header(token: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN_BYTES or token.count(".") != 4:
        raise NotDecrypted("not an encrypted token in compact form, or too long")
    try:
        header = orjson.loads(unb64url(token.partition(".")[0]))
    except ValueError:
        raise NotDecrypted("the header is not base64url JSON") from None
    if not isinstance(header, dict) or not all(isinstance(header.get(name), str) for name in ("alg", "enc")):
        raise NotDecrypted("the header names no algorithms")
    for member in _REFUSED_MEMBERS:
        if member in header:
            raise NotDecrypted(f"the header member '{member}' is not accepted")
    return header


def _fits(key: Key, alg: str) -> bool:
    """True if the key may serve `alg`: by its kind, and by what it says of itself."""
    if key.get("use") not in (None, "enc") or key.alg not in (None, alg):
        return False
    operations = key.get("key_ops")
    if alg.startswith("RSA"):
        fits = isinstance(key, RSAKey) and key.raw_value.key_size >= _MINIMUM_RSA_BITS
        needed = {"encrypt", "wrapKey"}
    else:
        fits = isinstance(key, ECKey | OKPKey) and key.curve_name in _ECDH_CURVES
        needed = {"deriveKey", "deriveBits"}
    return fits and (operations is None or (isinstance(operations, list) and not needed.isdisjoint(operations)))
