"""By which name clients know a person: the `sub` claim (OpenID Connect Core §8).

Most clients see the same one. Those registered for pairwise subjects see one for each *sector* (the host that they
share), so that nobody can follow a person from one sector to another. It is random and stored, and not computed from a
secret: secrets change, and a `sub` never may.
"""

from typing import Final, cast

from sqlalchemy import Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from idp.core.randomness import new_subject
from idp.storage.db import reading, transaction
from idp.storage.tables import PairwiseSubject


class Subjects:
    """From users to subjects and back."""

    def of(self, user_id: str, sector: str | None) -> str:
        """The user's `sub` in a sector, for ever the same; without a sector the public one. Opens a transaction."""
        if sector is None:
            return user_id
        key = {"sector": sector, "user_id": user_id}
        with reading() as connection:
            subject = connection.execute(_SUBJECT, key).scalar()
        if subject is not None:
            return str(subject)
        with transaction() as connection:
            # Of any number who do this at once, one is first.
            connection.execute(_INSERTS[connection.dialect.name], {**key, "subject": new_subject()})
            return str(connection.execute(_SUBJECT, key).scalar_one())

    def user_of(self, subject: str, sector: str | None) -> str | None:
        """The user that a client of the sector means by `subject`; None if there is no such user there."""
        if sector is None:
            return subject
        with reading() as connection:
            user_id = connection.execute(_USER, {"sector": sector, "subject": subject}).scalar()
        return None if user_id is None else str(user_id)


_table = cast(Table, PairwiseSubject.__table__)
_c = _table.c
_SUBJECT: Final = select(_c.subject).where(_c.sector == bindparam("sector"), _c.user_id == bindparam("user_id"))
_USER: Final = select(_c.user_id).where(_c.sector == bindparam("sector"), _c.subject == bindparam("subject"))
_INSERTS: Final = {
    "postgresql": postgresql.insert(_table).on_conflict_do_nothing(),
    "sqlite": sqlite.insert(_table).on_conflict_do_nothing(),
}
