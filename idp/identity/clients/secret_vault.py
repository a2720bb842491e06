"""Stored client secrets, and the one object that can make, check and open them."""

from dataclasses import dataclass, field
from datetime import datetime

from idp.core.clock import now
from idp.core.crypto import Sealer, SecretRing
from idp.core.randomness import new_id

PURPOSE = "client-secret"


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """One of a client's secrets, as stored. `sealed_secret` exists for `client_secret_jwt` only."""

    id: str
    keyed_hash: str = field(repr=False)
    sealed_secret: bytes | None = field(repr=False)
    created_at: datetime
    expires_at: datetime | None

    def is_valid(self, at: datetime) -> bool:
        """True unless it has expired by `at`."""
        return self.expires_at is None or at < self.expires_at


class SecretVault:
    """Makes, checks and opens stored secrets with the deployment's keys."""

    def __init__(self, secrets: SecretRing, sealer: Sealer) -> None:
        self._secrets = secrets
        self._sealer = sealer

    def store(self, secret: str, *, readable: bool) -> StoredSecret:
        """A new record of `secret`, without expiry; `readable` seals it beside its hash."""
        secret_id = new_id()
        sealed = self._sealer.seal(secret.encode(), _place(secret_id)) if readable else None
        return StoredSecret(secret_id, self._secrets.keyed_hash(PURPOSE, secret), sealed, now(), None)

    def matches(self, presented: str, stored: StoredSecret) -> bool:
        """Compare in constant time."""
        return self._secrets.verify_keyed_hash(PURPOSE, presented, stored.keyed_hash)

    def open(self, stored: StoredSecret) -> str | None:
        """The secret itself if it was sealed. Raises SealError if it was tampered with."""
        if stored.sealed_secret is None:
            return None
        return self._sealer.open(stored.sealed_secret, _place(stored.id)).decode()


def _place(secret_id: str) -> str:
    return f"client_secrets/sealed_secret/{secret_id}"
