"""The algorithms of other systems, and how much they may cost.

Costs come from imported files. One line that asks for gigabytes or hours must not take the server down, so they
are bounded when a hash is read and again before it is computed.
"""

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import bcrypt
from argon2.low_level import ARGON2_VERSION, Type, hash_secret_raw
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from idp.core.errors import Invalid
from idp.identity.credentials.legacy_hashes.recipe import LONGEST_SALT, Recipe

BCRYPT_READS: Final = 72
"""Bytes of a password that bcrypt looks at."""

_MIB = 1024 * 1024
LARGEST_COSTS: Final[Mapping[str, int]] = MappingProxyType({
    "bcrypt rounds": 14,
    "PBKDF2 iterations": 5_000_000,
    "scrypt memory": 128 * _MIB,
    "scrypt blocks": 2**21,
    "Argon2 memory": 256 * 1024,
    "Argon2 memory times passes": 1024 * 1024,
})  # fmt: skip
"""What one verification may cost: seconds, not minutes. Argon2 counts in KiB, the memory of scrypt is in bytes."""

_ARGON2_TYPES = MappingProxyType({"argon2i": Type.I, "argon2d": Type.D, "argon2id": Type.ID})
_MOST_LANES = 16
_LONGEST_DIGEST = 128
_AES_KEY_BYTES = 32


def derive(recipe: Recipe, password: bytes) -> bytes:
    """The digest of a password, as the other system would have made it. Raises Invalid for an impossible recipe."""
    checked(recipe)
    try:
        return _ALGORITHMS[recipe.scheme][1](recipe, password)
    except (ValueError, MemoryError, OverflowError) as error:
        raise Invalid(f"the hash cannot be computed: {type(error).__name__}") from None


def checked(recipe: Recipe) -> Recipe:
    """The recipe, if it is complete and affordable. Raises Invalid."""
    algorithm = _ALGORITHMS.get(recipe.scheme)
    if algorithm is None:
        raise Invalid(f"there is no algorithm '{recipe.scheme[:32]}'")
    if len(recipe.salt) > LONGEST_SALT:
        raise Invalid("the salt is too long")
    if not 16 <= recipe.length <= _LONGEST_DIGEST:
        raise Invalid("the digest has an impossible length")
    try:
        algorithm[0](recipe)
    except KeyError as error:
        raise Invalid(f"the hash does not say its {error.args[0]}") from None
    return recipe


def _within(what: str, value: int, smallest: int, largest: int | None = None) -> None:
    limit = LARGEST_COSTS[what] if largest is None else largest
    if not smallest <= value <= limit:
        raise Invalid(f"{what}: {value} is not between {smallest} and {limit}")


# ---- bcrypt ----------------------------------------------------------------------------------------------


def _check_bcrypt(recipe: Recipe) -> None:
    _within("bcrypt rounds", recipe.costs["rounds"], 4)


def _bcrypt(recipe: Recipe, password: bytes) -> bytes:
    # As its predecessors did: what is beyond 72 bytes is not looked at. Our own hash, made right after, has it all.
    setting = b"$2b$%02d$%b" % (recipe.costs["rounds"], recipe.salt)
    return bcrypt.hashpw(password[:BCRYPT_READS], setting)[-recipe.length :]


def _bcrypt_sha256(recipe: Recipe, password: bytes) -> bytes:
    return _bcrypt(recipe, hashlib.sha256(password).hexdigest().encode())


# ---- PBKDF2 (RFC 8018 §5.2) ------------------------------------------------------------------------------


def _check_pbkdf2(recipe: Recipe) -> None:
    blocks = -(-recipe.length // hashlib.new(_pbkdf2_hash(recipe)).digest_size)
    _within("PBKDF2 iterations", recipe.costs["iterations"] * blocks, 1)


def _pbkdf2(recipe: Recipe, password: bytes) -> bytes:
    return hashlib.pbkdf2_hmac(
        _pbkdf2_hash(recipe), password, recipe.salt, recipe.costs["iterations"], dklen=recipe.length
    )


def _pbkdf2_hash(recipe: Recipe) -> str:
    return recipe.scheme.removeprefix("pbkdf2-")


# ---- scrypt (RFC 7914), and what Firebase makes of it ----------------------------------------------------


def _check_scrypt(recipe: Recipe) -> None:
    n, r, p = (recipe.costs[name] for name in ("n", "r", "p"))
    if n < 2 or n & (n - 1):
        raise Invalid("scrypt: N is not a power of two")
    _within("scrypt blocks", r, 1)
    _within("scrypt lanes", p, 1, _MOST_LANES)
    _within("scrypt memory", 128 * n * r, 1)
    _within("scrypt blocks", n * r * p, 1)


def _scrypt(recipe: Recipe, password: bytes) -> bytes:
    return _scrypt_key(recipe, password, recipe.length)


def _scrypt_key(recipe: Recipe, password: bytes, length: int) -> bytes:
    n, r, p = (recipe.costs[name] for name in ("n", "r", "p"))
    # OpenSSL counts a little more than RFC 7914's 128·N·r.
    memory = 128 * r * (n + p + 2) + _MIB
    return hashlib.scrypt(password, salt=recipe.salt, n=n, r=r, p=p, maxmem=memory, dklen=length)


def _firebase(recipe: Recipe, password: bytes) -> bytes:
    return key_stream(_scrypt_key(recipe, password, _AES_KEY_BYTES), recipe.length)


def key_stream(key: bytes, length: int) -> bytes:
    """The first bytes of AES-256-CTR from counter 0, with which Firebase encrypts the project's signer key."""
    encryptor = Cipher(AES(key), CTR(bytes(16))).encryptor()
    return encryptor.update(bytes(length)) + encryptor.finalize()


# ---- Argon2 (RFC 9106), without our pepper ---------------------------------------------------------------


def _check_argon2(recipe: Recipe) -> None:
    memory, passes, lanes = (recipe.costs[name] for name in ("m", "t", "p"))
    _within("Argon2 lanes", lanes, 1, _MOST_LANES)
    _within("Argon2 memory", memory, 8 * lanes)
    _within("Argon2 memory times passes", passes, 1)
    _within("Argon2 memory times passes", memory * passes, 1)
    if recipe.costs["v"] not in (0x10, ARGON2_VERSION):
        raise Invalid("Argon2: there is no such version")
    if len(recipe.salt) < 8:
        raise Invalid("Argon2: the salt is too short")


def _argon2(recipe: Recipe, password: bytes) -> bytes:
    costs = recipe.costs
    return hash_secret_raw(
        password, recipe.salt, costs["t"], costs["m"], costs["p"], recipe.length,
        _ARGON2_TYPES[recipe.scheme], costs["v"],
    )  # fmt: skip


_ALGORITHMS: Final[Mapping[str, tuple[Callable[[Recipe], None], Callable[[Recipe, bytes], bytes]]]] = MappingProxyType({
    "bcrypt": (_check_bcrypt, _bcrypt),
    "bcrypt-sha256": (_check_bcrypt, _bcrypt_sha256),
    "pbkdf2-sha1": (_check_pbkdf2, _pbkdf2),
    "pbkdf2-sha256": (_check_pbkdf2, _pbkdf2),
    "pbkdf2-sha512": (_check_pbkdf2, _pbkdf2),
    "scrypt": (_check_scrypt, _scrypt),
    "firebase-scrypt": (_check_scrypt, _firebase),
    "argon2i": (_check_argon2, _argon2),
    "argon2d": (_check_argon2, _argon2),
    "argon2id": (_check_argon2, _argon2),
})  # fmt: skip
