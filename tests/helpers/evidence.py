"""The audit trail with its chain and its signed heads, on an empty database, and ways to tamper with it."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import insert, text

from idp.core.clock import now
from idp.core.crypto import Sealer
from idp.core.events import Event
from idp.core.settings import Settings
from idp.engine.evidence import Evidence, Report
from idp.services.audit import AuditTrail
from idp.services.keys.keyset import Keyset
from idp.services.keys.rotation import sealing_place
from idp.services.keys.signer import GeneratedKey, generate_key
from idp.storage.db import transaction
from idp.storage.tables import SigningKeyRow

SEALER = Sealer([b"k" * 32])


@cache
def rsa_key() -> GeneratedKey:
    """A key that takes its time to make, made once."""
    return generate_key("RS256")


def publish(key: GeneratedKey, state: str = "active") -> None:
    """Put a key where signing keys are."""
    with transaction() as connection:
        connection.execute(
            insert(SigningKeyRow).values(
                kid=key.kid,
                alg=key.alg,
                state=state,
                public_jwk=key.public_jwk,
                sealed_private_key=SEALER.seal(key.private_key, sealing_place(key.kid)),
            )
        )


@dataclass(frozen=True)
class Archive:
    """A trail, and what proves it."""

    audit: AuditTrail
    evidence: Evidence

    def fill(self, count: int, **options: Any) -> None:
        """Record some events and seal them."""
        for number in range(count):
            user = options.get("user_id", f"user-{number % 3}")
            self.audit.record(Event.SIGN_IN_SUCCEEDED, user_id=user, client_id="shop", session_id="s", number=number)
        self.audit.seal()

    def sign(self) -> list[str]:
        """Sign where the chains have come to; returns the statements."""
        return [head.statement for head in self.evidence.sign_heads(now(), is_due=False)]

    def erase(self, user_id: str) -> int:
        """Take somebody out of the trail."""
        with transaction():
            return self.audit.pseudonymise(user_id)

    def verify(self, *kept: str) -> Report:
        """What a verification says."""
        return self.evidence.verify(kept)

    def problems(self, *kept: str) -> list[tuple[int | None, str]]:
        """Places and problems that a verification finds."""
        return [(found.sequence, found.problem.value) for found in self.verify(*kept).findings]


def open_archive(key: GeneratedKey | None = None) -> Archive:
    """On the database of the application context, which gets a key to sign with."""
    publish(key or rsa_key())
    return Archive(AuditTrail(), Evidence(SETTINGS, Keyset(SETTINGS, SEALER)))


SETTINGS = Settings(keys={"algorithms": ("RS256",), "encryption_algorithms": ()})  # type: ignore[arg-type]


def tamper(statement: str, **values: Any) -> int:
    """SQL by somebody who got at the database; returns how many rows it changed."""
    with transaction() as connection:
        return connection.execute(text(statement), values).rowcount
