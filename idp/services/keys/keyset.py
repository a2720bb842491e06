"""The keys that sign, verify and decrypt now, cached in the process and refreshed when a version counter moves."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.jwk import JWKRegistry, Key, KeySet
from sqlalchemy import and_, or_, select

from idp.core.crypto import Sealer, SealError
from idp.core.errors import ConfigurationError, Unavailable
from idp.core.settings import Settings
from idp.services.audit import AuditTrail
from idp.services.keys.jwe import DecryptionKey
from idp.services.keys.rotation import VERSION_NAME, Rotation, sealing_place
from idp.services.keys.signer import (
    ENCRYPTION_ALGORITHMS,
    LocalSigner,
    PrivateKey,
    Signer,
    load_private_key,
    private_jwk,
)
from idp.storage.db import reading
from idp.storage.tables import ConfigurationVersion, SigningKeyRow
from idp.storage.versions import VersionWatch

PUBLISHED_STATES = ("next", "active", "retiring")
_RETRY_SECONDS = 2.0

_rows = SigningKeyRow.__table__
_versions = ConfigurationVersion.__table__
_KEYS = (
    select(_rows.c.kid, _rows.c.alg, _rows.c.state, _rows.c.public_jwk, _rows.c.sealed_private_key)
    .where(
        or_(
            _rows.c.state.in_(PUBLISHED_STATES),
            # Retired because its time had come, not withdrawn before that because it leaked.
            and_(_rows.c.state == "retired", _rows.c.retired_at >= _rows.c.remove_after),
        )
    )
    .order_by(_rows.c.published_at, _rows.c.kid)
)
_VERSION = select(_versions.c.version).where(_versions.c.name == VERSION_NAME)

_JWK_MEMBERS = ("kty", "use", "alg", "kid", "crv", "n", "e", "x", "y")
"""All that a published JWK may contain; a private member has no way in."""


class NoSigningKey(Unavailable):
    """No key of an algorithm signs at the moment, though everything works: perhaps it is not configured any more."""


@dataclass(frozen=True, slots=True, repr=False)
class _SealedKey:
    kid: str
    alg: str
    sealed: bytes


@dataclass(frozen=True, slots=True, repr=False)
class _Snapshot:
    version: int
    active: Mapping[str, _SealedKey]
    decryption: tuple[_SealedKey, ...]
    verification: KeySet
    hints: KeySet
    document: dict[str, Any]


class Keyset:
    """The signing keys as this process knows them; at most a few seconds behind the database.

    If the database is down, the last known keys stay in use, so that tokens verify and the JWKS is served.
    """

    def __init__(self, settings: Settings, sealer: Sealer, audit: AuditTrail | None = None) -> None:
        self._rotation = Rotation(settings, sealer, audit)
        self._algorithms = settings.keys.algorithms
        self._sealer = sealer
        self._watch = VersionWatch(VERSION_NAME)
        self._lock = threading.Lock()
        self._snapshot: _Snapshot | None = None
        self._stale = False
        self._retry_at = 0.0
        self._signers: dict[str, LocalSigner] = {}
        self._decryption_keys: dict[str, DecryptionKey] = {}
        self._public_keys: dict[str, Key] = {}

    def ensure(self) -> None:
        """Make the keys that are missing, and open the active ones.

        Raises ConfigurationError if one does not open: its key-encryption key is not configured.
        """
        self._rotation.ensure()
        self.reload()
        for alg in self._algorithms:
            self.signer(alg)

    def signer(self, alg: str) -> Signer:
        """The active key of `alg`.

        Raises NoSigningKey if there is none, ConfigurationError if it does not open.
        """
        active = self._current().active.get(alg)
        if active is None:
            raise NoSigningKey(f"there is no active {alg} signing key")
        signer = self._signers.get(active.kid)
        return signer if signer is not None else self._open(active)

    def decryption_keys(self) -> list[DecryptionKey]:
        """Our private keys for what clients encrypt to us, those that are not published any more last.

        Raises ConfigurationError if one does not open.
        """
        snapshot = self._current()
        return [self._decryption_keys.get(key.kid) or self._open_decryption(key) for key in snapshot.decryption]

    def verification_keys(self) -> KeySet:
        """The public keys whose signatures are ours: next, active and retiring."""
        return self._current().verification

    def hint_keys(self) -> KeySet:
        """The same, and keys that have retired in good order: old ID tokens still serve as hints.

        Never a key that was withdrawn.
        """
        return self._current().hints

    def jwks_document(self) -> dict[str, Any]:
        """The JWK Set (RFC 7517 §5) to publish. Shared: do not change it."""
        return self._current().document

    @property
    def version(self) -> int:
        """Grows with every change of a key: for ETags, and for caches of what is built from the keys."""
        return self._current().version

    def reload(self) -> None:
        """Read the keys now instead of when the version counter is next looked at. Raises Unavailable."""
        with self._lock:
            self._snapshot = self._load()
            self._stale = False

    def _current(self) -> _Snapshot:
        # The watch is asked before anything is loaded: a change between the two is then seen next time.
        if self._watch.changed():
            self._stale = True
        snapshot = self._snapshot
        if snapshot is not None and not (self._stale and time.monotonic() >= self._retry_at):
            return snapshot
        # One thread reloads, the others go on with what they have, unless there is nothing yet.
        if not self._lock.acquire(blocking=snapshot is None):
            return snapshot if snapshot is not None else self._current()
        try:
            return self._reload(snapshot)
        finally:
            self._lock.release()

    def _reload(self, before: _Snapshot | None) -> _Snapshot:
        if before is None and self._snapshot is not None:
            return self._snapshot
        self._stale = False
        try:
            self._snapshot = self._load()
        except Unavailable:
            self._stale = True
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            if before is None:
                raise
            return before
        return self._snapshot

    def _load(self) -> _Snapshot:
        with reading() as connection:
            version = connection.execute(_VERSION).scalar() or 0
            rows = connection.execute(_KEYS).all()
        public = {row.kid: self._public_keys.get(row.kid) or _public_key(row.public_jwk) for row in rows}
        signing = [row for row in rows if row.alg not in ENCRYPTION_ALGORITHMS]
        active = {row.alg: _sealed(row) for row in signing if row.state == "active" and row.sealed_private_key}
        encryption = [row for row in rows if row.alg in ENCRYPTION_ALGORITHMS and row.sealed_private_key]
        kids = {key.kid for key in active.values()}
        self._public_keys = public
        self._signers = {kid: signer for kid, signer in self._signers.items() if kid in kids}
        self._decryption_keys = {kid: key for kid, key in self._decryption_keys.items() if kid in public}
        published = [row for row in signing if row.state in PUBLISHED_STATES]
        inviting = [row for row in encryption if row.state == "active"]
        return _Snapshot(
            version=version,
            active=active,
            decryption=tuple(_sealed(row) for row in sorted(encryption, key=lambda row: row.state != "active")),
            verification=KeySet([public[row.kid] for row in published]),
            hints=KeySet([public[row.kid] for row in signing]),
            document={"keys": [_published_jwk(row.public_jwk) for row in (*published, *inviting)]},
        )

    def _open(self, key: _SealedKey) -> LocalSigner:
        with self._lock:
            signer = self._signers.get(key.kid)
            if signer is not None:
                return signer
            signer = LocalSigner(key.kid, key.alg, self._opened(key))
            self._signers[key.kid] = signer
            return signer

    def _open_decryption(self, sealed: _SealedKey) -> DecryptionKey:
        key = DecryptionKey(sealed.kid, sealed.alg, private_jwk(self._opened(sealed)))
        self._decryption_keys[sealed.kid] = key
        return key

    def _opened(self, key: _SealedKey) -> PrivateKey:
        try:
            return load_private_key(self._sealer.open(key.sealed, sealing_place(key.kid)))
        except SealError as error:
            raise ConfigurationError(
                f"the key {key.kid} does not open: {error}; set IDP_KEY_ENCRYPTION_KEY to the key that "
                "sealed it, or name that key in IDP_PREVIOUS_KEY_ENCRYPTION_KEYS"
            ) from error


def _sealed(row: Any) -> _SealedKey:
    return _SealedKey(row.kid, row.alg, row.sealed_private_key)


def _published_jwk(jwk: Mapping[str, Any]) -> dict[str, Any]:
    return {member: jwk[member] for member in _JWK_MEMBERS if member in jwk}


def _public_key(jwk: Mapping[str, Any]) -> Key:
    return JWKRegistry.import_key(_published_jwk(jwk))
