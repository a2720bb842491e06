"""Time-based one-time passwords (RFC 6238): six digits, 30 seconds, SHA-1, as every generator speaks."""

import hmac
import secrets
from base64 import b32decode, b32encode
from binascii import Error as Base32Error
from typing import Final

from pyotp import TOTP
from sqlalchemy import bindparam, delete, insert, select, update

from idp.core.clock import now, timestamp
from idp.core.crypto import Sealer, SealError
from idp.core.errors import Invalid, NotFound, Unavailable
from idp.core.events import Event
from idp.core.randomness import new_id
from idp.identity.locks import lock_user
from idp.services.audit import AuditTrail
from idp.storage.db import reading, transaction
from idp.storage.prepared import prepared
from idp.storage.tables import TotpCredential

STEP_SECONDS: Final = 30
DIGITS: Final = 6
WINDOW: Final = 1
"""How many steps a generator's clock may be off, either way (RFC 6238 §5.2)."""

_SEED_BYTES = 20
_FEWEST_SEED_BYTES = 16  # RFC 4226 §4 R6: at least 128 bits, 160 recommended

_c = TotpCredential.__table__.c
# Built once: building a statement costs more than running it.
_ENROLLED: Final = prepared(select(_c.id).where(_c.user_id == bindparam("user"), _c.confirmed_at.is_not(None)))


class Totp:
    """A user's generator; one per user. Guessing is limited by the caller (`services/limits`)."""

    def __init__(self, sealer: Sealer, audit: AuditTrail) -> None:
        self._sealer = sealer
        self._audit = audit

    def enrol(self, user_id: str, seed: str | None = None, *, actor: str = "operator") -> str:
        """Give the user a generator, replacing the one before; returns the seed in base32, to be shown once.

        Without `seed` a new one of 160 bits is made. Raises NotFound, or Invalid for an unfit seed.
        """
        text = _new_seed() if seed is None else _checked_seed(seed)
        credential_id = new_id()
        sealed = self._sealer.seal(text.encode(), _place(credential_id))
        with transaction() as connection:
            if lock_user(connection, user_id) is None:
                raise NotFound("there is no such user")
            connection.execute(delete(TotpCredential).where(TotpCredential.user_id == user_id))
            connection.execute(
                insert(TotpCredential).values(
                    id=credential_id, user_id=user_id, sealed_seed=sealed, last_step=0, confirmed_at=now()
                )
            )
            self._audit.record(Event.TOTP_ENROLLED, actor=actor, user_id=user_id)
        return text

    def is_enrolled(self, user_id: str) -> bool:
        """True if the user has a generator."""
        with reading() as connection:
            return connection.execute(_ENROLLED, {"user": user_id}).first() is not None

    def verify(self, user_id: str, code: str) -> bool:
        """True if `code` is the user's, of the current step or a neighbour, and was not accepted before.

        Accepting a step uses up that one and all before it (RFC 6238 §5.2). Raises Unavailable if the
        seed cannot be opened.
        """
        digits = code.replace(" ", "") if len(code) <= 4 * DIGITS else ""
        if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
            return False
        statement = select(TotpCredential.id, TotpCredential.sealed_seed, TotpCredential.last_step).where(
            TotpCredential.user_id == user_id, TotpCredential.confirmed_at.is_not(None)
        )
        with reading() as connection:
            row = connection.execute(statement).first()
        if row is None:
            return False
        step = self._matching_step(row.id, row.sealed_seed, digits)
        return step is not None and step > row.last_step and self._consume(row.id, step)

    @staticmethod
    def provisioning_uri(seed: str, account: str, issuer: str) -> str:
        """The `otpauth://` URI that a generator scans; `account` and `issuer` are what it displays."""
        return str(TOTP(seed).provisioning_uri(name=account, issuer_name=issuer))

    def _matching_step(self, credential_id: str, sealed: bytes, digits: str) -> int | None:
        try:
            seed = self._sealer.open(sealed, _place(credential_id)).decode("ascii")
        except SealError as error:
            raise Unavailable("the seed of a one-time password generator cannot be opened") from error
        generator = TOTP(seed, digits=DIGITS, interval=STEP_SECONDS)
        current = timestamp(now()) // STEP_SECONDS
        found = None
        for step in range(current - WINDOW, current + WINDOW + 1):
            # No early end: the time says nothing about which step matched.
            if hmac.compare_digest(generator.generate_otp(step), digits):
                found = step
        return found

    @staticmethod
    def _consume(credential_id: str, step: int) -> bool:
        """Decided by one statement in the database: of parallel uses of a step, one wins."""
        statement = (
            update(TotpCredential)
            .where(TotpCredential.id == credential_id, TotpCredential.last_step < step)
            .values(last_step=step)
            .returning(TotpCredential.id)
            .execution_options(synchronize_session=False)
        )
        with transaction() as connection:
            return connection.execute(statement).first() is not None


def _place(credential_id: str) -> str:
    return f"totp_credentials/sealed_seed/{credential_id}"


def _new_seed() -> str:
    return b32encode(secrets.token_bytes(_SEED_BYTES)).decode("ascii").rstrip("=")


def _checked_seed(seed: str) -> str:
    text = seed.replace(" ", "").rstrip("=").upper()
    try:
        raw = b32decode(text + "=" * (-len(text) % 8))
    except (Base32Error, ValueError):
        raise Invalid("a seed is written in base32 (RFC 4648 §6)", "seed") from None
    if not _FEWEST_SEED_BYTES <= len(raw) <= 128:
        raise Invalid("a seed has 128 bits or more (RFC 4226 §4)", "seed")
    return text
