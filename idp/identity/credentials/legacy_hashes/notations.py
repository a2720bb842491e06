"""The ways in which systems write their hashes down: one reader for each, found by how the text begins."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from idp.core.errors import Invalid
from idp.identity.credentials.legacy_hashes.derive import checked
from idp.identity.credentials.legacy_hashes.recipe import LegacyHash, Recipe

LONGEST_HASH: Final = 4096

_BCRYPT = re.compile(r"\$2[aby]?\$([0-9]{2})\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})")
_BCRYPT_ALPHABET: Final = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ARGON2 = re.compile(
    r"\$(argon2(?:id|i|d))\$(?:v=([0-9]{1,3})\$)?m=([0-9]{1,9}),t=([0-9]{1,9}),p=([0-9]{1,9})"
    r"\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)"
)
# passlib writes the iterations alone, the PHC string format (Auth0, Node) by name and with the length.
_PBKDF2_CRYPT = re.compile(
    r"\$pbkdf2(?:-(sha1|sha256|sha512))?\$(?:i=)?([0-9]{1,9})(?:,l=[0-9]{1,4})?\$([^$]*)\$([^$]+)"
)
_PBKDF2_DJANGO = re.compile(r"pbkdf2_(sha1|sha256|sha512)\$([0-9]{1,9})\$([^$]+)\$([A-Za-z0-9+/=]+)")
_PBKDF2_WERKZEUG = re.compile(r"pbkdf2:(sha1|sha256|sha512)(?::([0-9]{1,9}))?\$([^$]+)\$([0-9a-f]+)")
_SCRYPT_CRYPT = re.compile(r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,9}),p=([0-9]{1,9})\$([^$]*)\$([^$]+)")
_SCRYPT_DJANGO = re.compile(r"scrypt\$([0-9]{1,9})\$([^$]+)\$([0-9]{1,9})\$([0-9]{1,9})\$([A-Za-z0-9+/=]+)")
_SCRYPT_WERKZEUG = re.compile(r"scrypt:([0-9]{1,9}):([0-9]{1,9}):([0-9]{1,9})\$([^$]+)\$([0-9a-f]+)")
_FAST = re.compile(r"(?:md5|sha1|unsalted_md5|unsalted_sha1|crypt|sha256|sha512)\$|\$[156]\$|\{[A-Za-z0-9-]+\}")
_WERKZEUG_OLD_ITERATIONS: Final = 150_000
"""What werkzeug took before it began to write the number down."""


def read_hash(text: str) -> LegacyHash:
    """A hash in any notation that says by itself what it is.

    bcrypt (`$2a$ $2b$ $2y$`), Argon2 (`$argon2id$`), Django's hashers, werkzeug's, passlib's and PHC's PBKDF2 and
    scrypt. Raises Invalid, without a word of the hash, for what is not known, damaged or unaffordable.
    """
    if len(text) > LONGEST_HASH:
        raise Invalid("the hash is too long", "password")
    for prefix, reader in _READERS.items():
        if text.startswith(prefix):
            return reader(text)
    if _FAST.match(text):
        raise Invalid("the hash is of a kind that is guessed too fast to be taken over", "password")
    raise Invalid("the hash is in no notation that is known here", "password")


def bcrypt_hash(text: str, scheme: str = "bcrypt") -> LegacyHash:
    """A modular-crypt bcrypt hash."""
    rounds, salt, digest = _matched(_BCRYPT, text)
    # 22 characters are 132 bits for 128. Old systems wrote anything into the last four, and nobody read them.
    salt = salt[:-1] + _BCRYPT_ALPHABET[_BCRYPT_ALPHABET.index(salt[-1]) & 0b110000]
    return _made(scheme, salt.encode(), digest.encode(), rounds=int(rounds))


def argon2_hash(text: str) -> LegacyHash:
    """A hash as the reference implementation of Argon2 writes it."""
    match = _ARGON2.fullmatch(text)
    if match is None:
        raise _damaged()
    scheme, version, memory, passes, lanes, salt, digest = match.groups()
    numbers = {"v": int(version or 0x10), "m": int(memory), "t": int(passes), "p": int(lanes)}
    return _made(scheme, base64_bytes(salt), base64_bytes(digest), **numbers)


def pbkdf2_hash(algorithm: str, iterations: int, salt: bytes, digest: bytes) -> LegacyHash:
    """PBKDF2 with HMAC-SHA1, -SHA256 or -SHA512 (`algorithm`: `sha1`, `sha256`, `sha512`)."""
    return _made(f"pbkdf2-{algorithm}", salt, digest, iterations=iterations)


def scrypt_hash(n: int, r: int, p: int, salt: bytes, digest: bytes) -> LegacyHash:
    """Plain scrypt."""
    return _made("scrypt", salt, digest, n=n, r=r, p=p)


def firebase_hash(signer_key: bytes, separator: bytes, rounds: int, mem_cost: int, *, salt: bytes, digest: bytes) -> (
    LegacyHash
):  # fmt: skip
    """Firebase's modified scrypt: the project's signer key, encrypted under a key derived from the password.

    It is encrypted in counter mode, so what the password contributes is the key stream, and that is the signer key
    exclusive-or the stored hash. The key stream is taken over as the digest; the signer key is not needed again, and
    is stored nowhere.
    """
    if len(signer_key) != len(digest):
        raise Invalid("the hash does not belong to this signer key", "password")
    if not 1 <= mem_cost <= 30:
        raise Invalid("Firebase's mem_cost is between 1 and 30", "password")
    stream = bytes(left ^ right for left, right in zip(signer_key, digest, strict=True))
    return _made("firebase-scrypt", salt + separator, stream, n=2**mem_cost, r=rounds, p=1)


def base64_bytes(text: str) -> bytes:
    """Bytes from base64 in any of its dress: either alphabet, passlib's dots, padded or not. Raises Invalid."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/").replace(".", "+")
    try:
        return b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (Base64Error, ValueError):
        raise _damaged() from None


def _pbkdf2_crypt(text: str) -> LegacyHash:
    algorithm, iterations, salt, digest = _matched(_PBKDF2_CRYPT, text)
    return pbkdf2_hash(algorithm or "sha1", int(iterations), base64_bytes(salt), base64_bytes(digest))


def _pbkdf2_django(text: str) -> LegacyHash:
    algorithm, iterations, salt, digest = _matched(_PBKDF2_DJANGO, text)
    return pbkdf2_hash(algorithm, int(iterations), _bytes(salt), base64_bytes(digest))


def _pbkdf2_werkzeug(text: str) -> LegacyHash:
    algorithm, iterations, salt, digest = _matched(_PBKDF2_WERKZEUG, text)
    return pbkdf2_hash(algorithm, int(iterations or _WERKZEUG_OLD_ITERATIONS), _bytes(salt), _hex(digest))


def _scrypt_crypt(text: str) -> LegacyHash:
    exponent, r, p, salt, digest = _matched(_SCRYPT_CRYPT, text)
    return scrypt_hash(2 ** int(exponent), int(r), int(p), base64_bytes(salt), base64_bytes(digest))


def _scrypt_django(text: str) -> LegacyHash:
    n, salt, r, p, digest = _matched(_SCRYPT_DJANGO, text)
    return scrypt_hash(int(n), int(r), int(p), _bytes(salt), base64_bytes(digest))


def _scrypt_werkzeug(text: str) -> LegacyHash:
    n, r, p, salt, digest = _matched(_SCRYPT_WERKZEUG, text)
    return scrypt_hash(int(n), int(r), int(p), _bytes(salt), _hex(digest))


_READERS: Final[Mapping[str, Callable[[str], LegacyHash]]] = MappingProxyType({
    "$2": bcrypt_hash,
    "bcrypt$": lambda text: bcrypt_hash(text.removeprefix("bcrypt$")),
    "bcrypt_sha256$": lambda text: bcrypt_hash(text.removeprefix("bcrypt_sha256$"), "bcrypt-sha256"),
    "$argon2": argon2_hash,
    "argon2$": lambda text: argon2_hash("$" + text.removeprefix("argon2$")),
    "$pbkdf2": _pbkdf2_crypt,
    "pbkdf2_": _pbkdf2_django,
    "pbkdf2:": _pbkdf2_werkzeug,
    "$scrypt$": _scrypt_crypt,
    "scrypt$": _scrypt_django,
    "scrypt:": _scrypt_werkzeug,
})  # fmt: skip


def _made(scheme: str, salt: bytes, digest: bytes, **costs: int) -> LegacyHash:
    try:
        recipe = checked(Recipe(scheme, salt, len(digest), MappingProxyType(costs)))
    except Invalid as error:
        raise Invalid(str(error), "password") from None
    return LegacyHash(recipe, digest)


def _matched(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    match = pattern.fullmatch(text)
    if match is None:
        raise _damaged()
    return tuple(group or "" for group in match.groups())


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise _damaged() from None


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise _damaged() from None


def _damaged() -> Invalid:
    return Invalid("the hash is damaged", "password")
