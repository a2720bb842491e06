"""Token families: the rows behind refresh tokens and revocation. SQLAlchemy Core only: a hot path."""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, insert, select, update
from sqlalchemy.engine import Row

from idp.core.clock import now
from idp.core.settings import Lifetimes
from idp.engine.tokens.authorization import Authorization
from idp.identity.families import revoke_families
from idp.storage.db import reading, transaction
from idp.storage.tables import TokenFamily, UserRow


@dataclass(frozen=True, slots=True)
class Family:
    """A token family as it stands."""

    id: str
    authorization: Authorization
    salt: bytes
    generation: int
    rotated_at: datetime | None
    idle_expires_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    user_is_active: bool

    @property
    def is_alive(self) -> bool:
        """Not revoked, not expired, and its user may still sign in."""
        instant = now()
        return (
            self.revoked_at is None
            and self.user_is_active
            and self.idle_expires_at > instant
            and self.expires_at > instant
        )


class Families:
    """Storage of token families."""

    def __init__(self, lifetimes: Lifetimes) -> None:
        self._lifetimes = lifetimes

    def create(
        self, family_id: str, authorization: Authorization, *, code_hash: str, with_refresh_token: bool
    ) -> Family:
        """Store a new family in the open transaction.

        A family without a refresh token lives only as long as an access token can.
        """
        instant = now()
        lifetime = self._lifetimes.refresh_token_absolute if with_refresh_token else 86400
        idle = self._lifetimes.refresh_token_idle if with_refresh_token else 86400
        family = Family(
            id=family_id,
            authorization=authorization,
            salt=os.urandom(16),
            generation=1 if with_refresh_token else 0,
            rotated_at=None,
            idle_expires_at=instant + timedelta(seconds=idle),
            expires_at=instant + timedelta(seconds=lifetime),
            revoked_at=None,
            user_is_active=True,
        )
        with transaction() as session:
            session.execute(
                insert(TokenFamily).values(
                    id=family_id,
                    client_id=authorization.client_id,
                    user_id=authorization.user_id,
                    session_id=authorization.session_id,
                    code_hash=code_hash,
                    scopes=list(authorization.scopes),
                    resources=list(authorization.resources),
                    claims_request=authorization.claims_request,
                    auth_time=authorization.auth_time,
                    acr=authorization.acr,
                    amr=list(authorization.amr),
                    offline=authorization.is_offline,
                    salt=family.salt,
                    generation=family.generation,
                    idle_expires_at=family.idle_expires_at,
                    expires_at=family.expires_at,
                    created_at=instant,
                )
            )
        return family

    def get(self, family_id: str) -> Family | None:
        """The family, whatever its state."""
        return self._one(TokenFamily.id == family_id)

    def find_by_code(self, code_hash: str) -> Family | None:
        """The family that was issued from a code."""
        return self._one(TokenFamily.code_hash == code_hash)

    def rotate(self, family: Family) -> bool:
        """Move to the next refresh token, in the open transaction; True for exactly one parallel caller."""
        instant = now()
        with transaction() as session:
            result = session.execute(
                update(TokenFamily)
                .where(
                    and_(
                        TokenFamily.id == family.id,
                        TokenFamily.generation == family.generation,
                        TokenFamily.revoked_at.is_(None),
                    )
                )
                .values(
                    generation=TokenFamily.generation + 1,
                    rotated_at=instant,
                    idle_expires_at=self._next_idle_expiry(family, instant),
                )
            )
        return bool(result.rowcount)  # type: ignore[attr-defined]

    def touch(self, family: Family) -> None:
        """Extend the idle lifetime of a family whose refresh token is not rotated."""
        with transaction() as session:
            session.execute(
                update(TokenFamily)
                .where(TokenFamily.id == family.id)
                .values(idle_expires_at=self._next_idle_expiry(family, now()))
            )

    def revoke(self, family_id: str, reason: str) -> bool:
        """Revoke the family in the open transaction; True if it was alive until now."""
        with transaction() as session:
            return revoke_families(session, reason, TokenFamily.id == family_id) > 0

    def _next_idle_expiry(self, family: Family, instant: datetime) -> datetime:
        return min(instant + timedelta(seconds=self._lifetimes.refresh_token_idle), family.expires_at)

    def _one(self, condition: Any) -> Family | None:
        with reading() as session:
            row = session.execute(
                select(TokenFamily.__table__, UserRow.status)
                .join(UserRow, UserRow.id == TokenFamily.user_id)
                .where(condition)
            ).first()
        return None if row is None else _family(row)


def _family(row: Row[Any]) -> Family:
    return Family(
        id=row.id,
        authorization=Authorization(
            client_id=row.client_id,
            user_id=row.user_id,
            session_id=row.session_id,
            scopes=tuple(row.scopes),
            resources=tuple(row.resources),
            auth_time=row.auth_time,
            acr=row.acr,
            amr=tuple(row.amr),
            claims_request=row.claims_request,
        ),
        salt=row.salt,
        generation=row.generation,
        rotated_at=row.rotated_at,
        idle_expires_at=row.idle_expires_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        user_is_active=row.status == "active",
    )
