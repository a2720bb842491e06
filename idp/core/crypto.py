"""Secrets at rest: keyed hashes, derived keys, and the AES-256-GCM envelope.

Two roots of trust feed this module. `IDP_SECRET_KEY` is stretched by HKDF into one key per purpose
(client-secret hashes, refresh tokens, CSRF, cookies, the password pepper). The key-encryption key seals
what must be read back, such as private signing keys. Neither is ever stored beside what it protects.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION = b"\x01"
_NONCE_BYTES = 12
_WRAPPED_KEY_BYTES = 32 + 16
_KEY_ID_BYTES = 4


def b64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64url(text: str) -> bytes:
    """The bytes of an unpadded base64url string. Raises ValueError on any other spelling of them."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64url(data) != text:
        # Python's decoder skips foreign characters and ignores loose bits: one value, one spelling.
        raise ValueError("not canonical base64url")
    return data


def sha256_hex(value: str) -> str:
    """How a high-entropy bearer value (session id, code) is stored: one-way, no key, no salt needed."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def constant_time_equal(left: str, right: str) -> bool:
    """Compare two strings of any alphabet without leaking where they differ."""
    return hmac.compare_digest(left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class DerivedKey:
    """A 256-bit key for one purpose, and the short public name of the secret it came from."""

    id: str
    key: bytes


class SecretRing:
    """The current `IDP_SECRET_KEY` and its predecessors.

    New values are made under the current secret; values made under a predecessor still verify, so the
    secret can be changed without signing anyone out.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets or any(len(secret) < 32 for secret in secrets):
            raise ValueError("a secret key has at least 32 characters")
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._derived: dict[str, tuple[DerivedKey, ...]] = {}

    def candidates(self, purpose: str) -> tuple[DerivedKey, ...]:
        """The keys that may have made a value of this purpose, the current one first."""
        keys = self._derived.get(purpose)
        if keys is None:
            keys = tuple(
                DerivedKey(
                    hashlib.sha256(b"idp key id" + secret).hexdigest()[:8],
                    HKDF(SHA256(), 32, salt=b"idp", info=purpose.encode()).derive(secret),
                )
                for secret in self._secrets
            )
            self._derived[purpose] = keys
        return keys

    def current(self, purpose: str) -> DerivedKey:
        """The key that makes new values of this purpose."""
        return self.candidates(purpose)[0]

    def by_id(self, purpose: str, key_id: str) -> DerivedKey | None:
        """The key of that name, or None if the secret behind it is no longer configured."""
        return next((key for key in self.candidates(purpose) if key.id == key_id), None)

    def mac(self, purpose: str, message: bytes) -> bytes:
        """HMAC-SHA256 of `message` under the current key."""
        return hmac.digest(self.current(purpose).key, message, "sha256")

    def verify_mac(self, purpose: str, message: bytes, mac: bytes) -> bool:
        """True if any configured secret made this MAC."""
        return any(
            hmac.compare_digest(hmac.digest(key.key, message, "sha256"), mac) for key in self.candidates(purpose)
        )

    def keyed_hash(self, purpose: str, value: str) -> str:
        """How a high-entropy secret is stored: `<key id>$<hex HMAC-SHA256>`.

        Deliberately fast: it guards 256-bit generated secrets on hot paths, never passwords.
        """
        key = self.current(purpose)
        return f"{key.id}${hmac.digest(key.key, value.encode('utf-8', 'surrogatepass'), 'sha256').hex()}"

    def verify_keyed_hash(self, purpose: str, value: str, stored: str) -> bool:
        """Compare a presented secret with its stored keyed hash in constant time."""
        key_id, _, digest = stored.partition("$")
        key = self.by_id(purpose, key_id)
        if key is None:
            return False
        made = hmac.digest(key.key, value.encode("utf-8", "surrogatepass"), "sha256").hex()
        return hmac.compare_digest(made, digest)


class SealError(Exception):
    """A sealed value is damaged, was moved to another row, or its key-encryption key is missing."""


class Sealer:
    """Authenticated envelope encryption: AES-256-GCM under a fresh data key, itself wrapped by the KEK.

    The additional data (`aad`) names the place of the value (table/column/row id), so a sealed value
    copied to another row does not open. The blob names its KEK, so several can be configured while one
    replaces another.

    Layout: version 1 | KEK id 4 | nonce 12 | wrapped data key 48 | nonce 12 | ciphertext and tag.
    """

    def __init__(self, keks: Sequence[bytes]) -> None:
        if not keks or any(len(kek) != 32 for kek in keks):
            raise ValueError("a key-encryption key has exactly 32 bytes")
        self._keks: Mapping[bytes, AESGCM] = {self._id(kek): AESGCM(kek) for kek in keks}
        self._current = self._id(keks[0])

    @staticmethod
    def _id(kek: bytes) -> bytes:
        return hashlib.sha256(b"idp kek id" + kek).digest()[:_KEY_ID_BYTES]

    def seal(self, plaintext: bytes, aad: str) -> bytes:
        """Encrypt `plaintext` for the place named by `aad`."""
        data_key = AESGCM.generate_key(256)
        wrap_nonce, nonce = os.urandom(_NONCE_BYTES), os.urandom(_NONCE_BYTES)
        place = aad.encode()
        wrapped = self._keks[self._current].encrypt(wrap_nonce, data_key, place)
        return (
            _VERSION + self._current + wrap_nonce + wrapped + nonce
            + AESGCM(data_key).encrypt(nonce, plaintext, place)
        )  # fmt: skip

    def reseal(self, blob: bytes, aad: str) -> bytes | None:
        """The same value under the current KEK; None if it is that already. Raises SealError as `open` does."""
        value = self.open(blob, aad)
        return None if blob[1 : 1 + _KEY_ID_BYTES] == self._current else self.seal(value, aad)

    def open(self, blob: bytes, aad: str) -> bytes:
        """Decrypt a sealed value. Raises SealError if it cannot be trusted."""
        if blob[:1] != _VERSION:
            raise SealError("unknown version of sealed value")
        key_id, rest = blob[1 : 1 + _KEY_ID_BYTES], blob[1 + _KEY_ID_BYTES :]
        kek = self._keks.get(key_id)
        if kek is None:
            raise SealError(f"the key-encryption key {key_id.hex()} that sealed this value is not configured")
        wrap_nonce, rest = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        wrapped, rest = rest[:_WRAPPED_KEY_BYTES], rest[_WRAPPED_KEY_BYTES:]
        nonce, ciphertext = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        place = aad.encode()
        try:
            return AESGCM(kek.decrypt(wrap_nonce, wrapped, place)).decrypt(nonce, ciphertext, place)
        except (InvalidTag, ValueError) as error:
            raise SealError("a sealed value does not open in this place") from error
