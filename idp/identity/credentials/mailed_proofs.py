"""Proofs that somebody reads mail at an address: a code to type and a link to follow, of which one can be used once.

What is decided here is decided by the database in one statement, however many workers are asked at once. A proof is
replaced by the next one of its purpose and subject, and stored as hashes only.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from secrets import randbelow
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Row, Table, delete, insert, select, update

from idp.core.clock import now
from idp.core.crypto import SecretRing, sha256_hex
from idp.core.randomness import new_id, new_token
from idp.storage.batches import delete_in_batches
from idp.storage.db import reading, transaction
from idp.storage.tables import MailedProof

CODE_LIFETIME: Final = timedelta(minutes=10)
CODE_TRIES: Final = 5
_KEY: Final = "mailed-code"

_table = cast(Table, MailedProof.__table__)
_c = _table.c


class Purpose(StrEnum):
    """What a proof is good for. One of another purpose never passes for it (TK3)."""

    REGISTRATION = "registration"
    INVITATION = "invitation"
    PASSWORD_RESET = "password_reset"
    UNLOCK = "unlock"
    EMAIL_CHANGE = "email_change"
    EMAIL_UNDO = "email_undo"
    REACTIVATION = "reactivation"
    DELETION_UNDO = "deletion_undo"

    @property
    def lifetime(self) -> timedelta:
        """How long the link works."""
        return _LIFETIMES[self]


_LIFETIMES: Final = {
    Purpose.REGISTRATION: timedelta(hours=24),
    Purpose.INVITATION: timedelta(hours=72),
    Purpose.PASSWORD_RESET: timedelta(minutes=30),
    Purpose.UNLOCK: timedelta(hours=24),
    Purpose.EMAIL_CHANGE: timedelta(hours=24),
    Purpose.EMAIL_UNDO: timedelta(days=7),
    Purpose.REACTIVATION: timedelta(minutes=30),
    Purpose.DELETION_UNDO: timedelta(days=30),
}


class CodeVerdict(StrEnum):
    """What became of a code that was typed."""

    RIGHT = "right"
    WRONG = "wrong"
    OVER = "over"
    """The proof is used, replaced, too old, or had too many wrong codes: only a new one helps."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof as it is stored."""

    id: str
    purpose: Purpose
    user_id: str | None
    address: str
    details: Mapping[str, Any]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class IssuedProof:
    """A new proof with what is mailed, and kept nowhere."""

    proof: Proof
    code: str
    token: str


class MailedProofs:
    """Issues proofs and redeems them."""

    def __init__(self, secrets: SecretRing) -> None:
        self._secrets = secrets

    def issue(
        self,
        purpose: Purpose,
        subject: str,
        address: str,
        *,
        user_id: str | None = None,
        details: Mapping[str, Any] | None = None,
        lifetime: timedelta | None = None,
    ) -> IssuedProof:
        """Make a proof to be mailed to `address`, in place of any other of this purpose and `subject`.

        `lifetime` is that of the link; the default is the purpose's.
        """
        at, proof_id = now(), new_id()
        code, token = f"{randbelow(10**6):06}", new_token()
        proof = Proof(
            id=proof_id,
            purpose=purpose,
            user_id=user_id,
            address=address,
            details=dict(details or {}),
            expires_at=at + (lifetime or purpose.lifetime),
        )
        with transaction() as connection:
            connection.execute(delete(_table).where(_c.purpose == purpose.value, _c.subject == subject))
            connection.execute(
                insert(_table).values(
                    **{**asdict(proof), "purpose": purpose.value},
                    subject=subject,
                    code_hash=self._secrets.keyed_hash(_KEY, f"{proof_id}:{code}"),
                    code_expires_at=at + CODE_LIFETIME,
                    tries=0,
                    token_hash=_token_hash(purpose, token),
                    created_at=at,
                )
            )
        return IssuedProof(proof, code, token)

    def try_code(self, purpose: Purpose, proof_id: str, code: str) -> tuple[CodeVerdict, Proof | None]:
        """Try a code, which counts before it is looked at. The right one uses the proof up; it comes with it."""
        at = now()
        alive = (_c.id == proof_id, _c.purpose == purpose.value, _c.used_at.is_(None))
        counted = (
            update(_table)
            .where(*alive, _c.code_expires_at > at, _c.tries < CODE_TRIES)
            .values(tries=_c.tries + 1)
            .returning(_c.code_hash)
        )
        with transaction() as connection:
            stored = connection.execute(counted).scalar_one_or_none()
            if stored is None:
                return CodeVerdict.OVER, None
            if not self._secrets.verify_keyed_hash(_KEY, f"{proof_id}:{code}", stored):
                return CodeVerdict.WRONG, None
            return CodeVerdict.RIGHT, self._use(at, *alive)

    def user_of(self, purpose: Purpose, proof_id: str) -> str | None:
        """Whose proof it is, whatever became of it; None if it is nobody's, or was replaced."""
        query = select(_c.user_id).where(_c.id == proof_id, _c.purpose == purpose.value)
        with reading() as connection:
            return cast(str | None, connection.execute(query).scalar_one_or_none())

    def find(self, purpose: Purpose, token: str) -> Proof | None:
        """The proof of a link that still works; looking does not use it (a mail scanner looks, too)."""
        where = (_c.token_hash == _token_hash(purpose, token), _c.used_at.is_(None), _c.expires_at > now())
        with reading() as connection:
            row = connection.execute(select(*_COLUMNS).where(*where)).first()
        return None if row is None else _proof(row)

    def redeem(self, purpose: Purpose, token: str) -> Proof | None:
        """Use a link; None if it does not work, or works no more. Of parallel attempts one gets it."""
        at = now()
        return self._use(at, _c.token_hash == _token_hash(purpose, token), _c.used_at.is_(None), _c.expires_at > at)

    def use(self, purpose: Purpose, proof_id: str) -> Proof | None:
        """Use a proof whose link was followed (`find`) and that was left to work until now; None if it does no more."""
        at = now()
        mine = (_c.id == proof_id, _c.purpose == purpose.value)
        return self._use(at, *mine, _c.used_at.is_(None), _c.expires_at > at)

    def withdraw(self, purpose: Purpose, subject: str) -> None:
        """What was mailed for this works no more."""
        with transaction() as connection:
            connection.execute(delete(_table).where(_c.purpose == purpose.value, _c.subject == subject))

    def withdraw_all(self, user_id: str, *purposes: Purpose, newer_than: Proof | None = None) -> None:
        """What was mailed to, or for, this user for these purposes works no more; older than a proof, it stays."""
        newer = () if newer_than is None else (_c.id > newer_than.id,)
        wanted = _c.purpose.in_([purpose.value for purpose in purposes])
        with transaction() as connection:
            connection.execute(delete(_table).where(_c.user_id == user_id, wanted, *newer))

    def adopt(self, address: str, user_id: str) -> None:
        """What was mailed to this address, and was nobody's yet, belongs to this user: it leaves when they do."""
        nobodys = (_c.address == address, _c.user_id.is_(None))
        with transaction() as connection:
            connection.execute(update(_table).where(*nobodys).values(user_id=user_id))

    def purge(self) -> int:
        """Delete proofs that are over, in small transactions; returns how many."""
        return delete_in_batches(_table, _c.expires_at <= now())

    @staticmethod
    def _use(at: datetime, *conditions: ColumnElement[bool]) -> Proof | None:
        statement = update(_table).where(*conditions).values(used_at=at).returning(*_COLUMNS)
        with transaction() as connection:
            row = connection.execute(statement).first()
        return None if row is None else _proof(row)


_COLUMNS: Final = tuple(_c[name] for name in Proof.__slots__)


def _proof(row: Row[Any]) -> Proof:
    return Proof(**{**row._mapping, "purpose": Purpose(row.purpose)})


def _token_hash(purpose: Purpose, token: str) -> str:
    return sha256_hex(f"{purpose.value}:{token}")
