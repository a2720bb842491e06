"""Making and checking password hashes: Argon2id over an HMAC pepper, and the hashes of other systems under a MAC."""

import base64
import hmac
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from idp.core.crypto import DerivedKey, SecretRing
from idp.core.errors import Invalid, Unavailable
from idp.core.setting_sections import PasswordSettings
from idp.identity.credentials.legacy_hashes import LegacyHash, derive
from idp.identity.credentials.legacy_hashes.recipe import from_stored, is_legacy
from idp.storage.db import holds_connection

PEPPER: Final = "password-pepper"
LEGACY_PEPPER: Final = "legacy-password-pepper"
LONGEST_WAIT: Final = 6.0
"""Seconds to wait for a turn at hashing before the caller is told to come back."""
LONGEST_WORK: Final = 8.0
"""Seconds in which everything that one request hashes must have had its turn."""

_SALT_BYTES = 16
_HASH_BYTES = 32
_log = logging.getLogger(__name__)


class Patience:
    """How long one request still waits for its turns: several of them must not add up to an answer that never comes."""

    def __init__(self) -> None:
        self._until = time.monotonic() + LONGEST_WORK

    @property
    def left(self) -> float:
        """Seconds to wait for the next turn."""
        return max(0.0, min(LONGEST_WAIT, self._until - time.monotonic()))


@dataclass(frozen=True, slots=True)
class StoredHash:
    """A hash as the database has it, and which of the secret keys gave it its pepper."""

    hash: str
    pepper_id: str

    @property
    def scheme(self) -> str | None:
        """The algorithm of another system that made it; None for our own."""
        return self.hash.split("$")[2] if is_legacy(self.hash) else None


class PasswordHashes:
    """Hashes passwords. Memory and processor time are bounded: `argon2_concurrency` at a time.

    A password is never hashed inside a transaction. What is passed in is a normalized password.
    """

    def __init__(self, settings: PasswordSettings, secrets: SecretRing) -> None:
        self._secrets = secrets
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_iterations,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_parallelism,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
        )
        self._turns = BoundedSemaphore(settings.argon2_concurrency)
        self._dummy = _dummy_hash(settings)

    def make(self, text: str, patience: Patience) -> StoredHash:
        """A new hash, by the current settings and pepper. Raises Unavailable under overload."""
        pepper = self._secrets.current(PEPPER)
        with self._turn(patience):
            return StoredHash(self._hasher.hash(_peppered(pepper, text)), pepper.id)

    def adopt(self, legacy: LegacyHash) -> StoredHash:
        """What is stored of another system's hash: no digest, but a MAC of it. Costs next to nothing."""
        pepper = self._secrets.current(LEGACY_PEPPER)
        return StoredHash(legacy.recipe.stored(_mac(pepper, legacy.digest)), pepper.id)

    def matches(self, stored: StoredHash, text: str, patience: Patience, typed: str | None = None) -> bool:
        """True if the hash is of that password; False also if it is damaged or its pepper is lost.

        Other systems did not normalize: theirs are tried with what was `typed` first. Raises Unavailable.
        """
        pepper = self._secrets.by_id(PEPPER if stored.scheme is None else LEGACY_PEPPER, stored.pepper_id)
        if pepper is None:
            return False
        if stored.scheme is not None:
            return self._matches_legacy(stored.hash, pepper, _spellings(text, typed), patience)
        return self._matches_own(stored.hash, pepper, text, patience)

    def cost_as_much(self, text: str, patience: Patience) -> None:
        """Do the work of a check and come to nothing: an Argon2 hash that nothing matches."""
        self._matches_own(self._dummy, self._secrets.current(PEPPER), text, patience)

    def cost_as_legacy(self, like: StoredHash, text: str, patience: Patience, typed: str) -> None:
        """Do the work of checking another system's hash, and come to nothing."""
        nobody = DerivedKey("", os.urandom(_HASH_BYTES))
        self._matches_legacy(like.hash, nobody, _spellings(text, typed), patience)

    def is_outdated(self, stored: StoredHash) -> bool:
        """True if the hash would be made otherwise today."""
        if stored.scheme is not None or stored.pepper_id != self._secrets.current(PEPPER).id:
            return True
        return bool(self._hasher.check_needs_rehash(stored.hash))

    def can_check(self, stored: StoredHash) -> bool:
        """False, and said to the operator, if the pepper of this hash is lost."""
        if self._secrets.by_id(PEPPER, stored.pepper_id) is not None:
            return True
        _log.error(
            "the secret key behind password pepper %s is not configured: nobody whose password was made "
            "with it can sign in; add it to IDP_PREVIOUS_SECRET_KEYS",
            stored.pepper_id,
        )
        return False

    def _matches_own(self, encoded: str, pepper: DerivedKey, text: str, patience: Patience) -> bool:
        with self._turn(patience):
            try:
                return bool(self._hasher.verify(encoded, _peppered(pepper, text)))
            except (VerificationError, InvalidHashError):
                return False

    def _matches_legacy(self, encoded: str, pepper: DerivedKey, spellings: Iterable[str], patience: Patience) -> bool:
        """True if one of the spellings matches; a wrong password is tried in all of them, whoever it is for."""
        try:
            recipe, mac = from_stored(encoded)
            for spelling in spellings:
                with self._turn(patience):
                    digest = derive(recipe, spelling.encode())
                if hmac.compare_digest(_mac(pepper, digest), mac):
                    return True
        except Invalid:
            _log.error("a hash of another system cannot be checked: it is damaged, or asks for too much")
        return False

    @contextmanager
    def _turn(self, patience: Patience) -> Iterator[None]:
        if holds_connection():
            raise RuntimeError("a password is never hashed inside a transaction")
        if not self._turns.acquire(timeout=patience.left):
            raise Unavailable("too many passwords are being checked at once")
        try:
            yield
        finally:
            self._turns.release()


def _spellings(text: str, typed: str | None) -> Iterable[str]:
    return dict.fromkeys((text if typed is None else typed, text))


def _dummy_hash(settings: PasswordSettings) -> str:
    """A hash that nothing matches and that costs as much as a real one; made without running Argon2."""
    salt, digest = (base64.b64encode(os.urandom(size)).rstrip(b"=").decode() for size in (_SALT_BYTES, _HASH_BYTES))
    cost = f"m={settings.argon2_memory_kib},t={settings.argon2_iterations},p={settings.argon2_parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"


def _peppered(pepper: DerivedKey, text: str) -> bytes:
    # The MAC gives every password the same size, so that a long one costs no more than a short one.
    return hmac.digest(pepper.key, text.encode(), "sha256")


def _mac(pepper: DerivedKey, digest: bytes) -> bytes:
    return hmac.digest(pepper.key, digest, "sha256")
