"""Revoking token families together with the session or consent they rest on."""

from sqlalchemy import ColumnElement, Connection, update

from idp.core.clock import now
from idp.storage.tables import TokenFamily


def revoke_families(connection: Connection, reason: str, *conditions: ColumnElement[bool]) -> int:
    """Revoke the families that meet all `conditions` and are not revoked yet; returns how many.

    Needs `transaction()`, so that the tokens die with what allowed them or not at all.
    """
    if not conditions:
        raise ValueError("revoking every token family of everybody is never meant")
    statement = (
        update(TokenFamily)
        .where(TokenFamily.revoked_at.is_(None), *conditions)
        .values(revoked_at=now(), revoke_reason=reason)
        .returning(TokenFamily.id)
        .execution_options(synchronize_session=False)
    )
    return len(connection.execute(statement).all())
