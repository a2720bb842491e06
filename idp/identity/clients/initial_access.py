"""Initial access tokens: what an operator gives to whoever may register clients (RFC 7591 §1.2, §3)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Table, insert, or_, select, update

from idp.core.clock import now
from idp.core.crypto import sha256_hex
from idp.core.errors import Invalid, NotFound
from idp.core.events import Event
from idp.core.randomness import is_identifier, new_id, new_token
from idp.services.audit import AuditTrail
from idp.storage.batches import delete_in_batches
from idp.storage.db import reading, transaction
from idp.storage.tables import InitialAccessToken

_table: Final = cast(Table, InitialAccessToken.__table__)
_SHOWN = [column for column in _table.c if column.name != "token_hash"]
_LONGEST_TOKEN = 512
_LONGEST_NOTE = 255


@dataclass(frozen=True, slots=True)
class InitialAccess:
    """One such token, without its value. `uses_left` is None if there is no limit."""

    id: str
    note: str | None
    uses_left: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def is_valid(self, at: datetime) -> bool:
        """True if it still registers a client."""
        has_time = self.expires_at is None or at < self.expires_at
        return self.revoked_at is None and has_time and self.uses_left != 0


class InitialAccessTokens:
    """Makes, lists, revokes and spends initial access tokens. Only their hashes are stored."""

    def __init__(self, audit: AuditTrail) -> None:
        self._audit = audit

    def create(
        self,
        *,
        uses: int | None = 1,
        expires_in: int | None = None,
        note: str | None = None,
        actor: str = "operator",
    ) -> tuple[InitialAccess, str]:
        """A new token and its value, which is shown this once. `uses` None is no limit; `expires_in` is in seconds.

        Raises Invalid.
        """
        if (uses is not None and uses < 1) or (expires_in is not None and expires_in < 1):
            raise Invalid("a token is for at least one use and one second")
        if note is not None and (len(note) > _LONGEST_NOTE or not note.isprintable()):
            raise Invalid(f"a note is one line of at most {_LONGEST_NOTE} characters", "note")
        value, at = new_token(), now()
        expires_at = None if expires_in is None else at + timedelta(seconds=expires_in)
        made = InitialAccess(new_id(), note, uses, at, expires_at, None)
        with transaction() as connection:
            values: dict[str, Any] = {column.name: getattr(made, column.name) for column in _SHOWN}
            connection.execute(insert(_table).values(**values, token_hash=sha256_hex(value)))
            self._audit.record(Event.INITIAL_ACCESS_CREATED, actor=actor, initial_access=made.id, uses=uses, note=note)
        return made, value

    def find(self, value: str) -> InitialAccess | None:
        """The token of this value if it is good now; it still has to be spent."""
        if not 0 < len(value) <= _LONGEST_TOKEN:
            return None
        with reading() as connection:
            row = connection.execute(select(*_SHOWN).where(_table.c.token_hash == sha256_hex(value))).one_or_none()
        found = None if row is None else InitialAccess(*row)
        return found if found is not None and found.is_valid(now()) else None

    def spend(self, token_id: str) -> bool:
        """Use the token once; False if it is used up, expired or revoked by now.

        In the caller's transaction: test and count are one statement on one locked row, and a registration that
        fails gives the use back.
        """
        statement = update(_table).where(_table.c.id == token_id, _is_valid(now()))
        with transaction() as connection:
            # NULL less one is NULL: no limit stays no limit.
            return connection.execute(statement.values(uses_left=_table.c.uses_left - 1)).rowcount == 1

    def list(self) -> list[InitialAccess]:
        """All of them, the newest first."""
        with reading() as connection:
            found = connection.execute(select(*_SHOWN).order_by(_table.c.created_at.desc(), _table.c.id.desc()))
            return [InitialAccess(*row) for row in found]

    def revoke(self, token_id: str, *, actor: str = "operator") -> None:
        """Let nobody register by it any more. Raises NotFound."""
        if not is_identifier(token_id):
            raise NotFound(f"there is no initial access token '{token_id}'")
        statement = update(_table).where(_table.c.id == token_id, _table.c.revoked_at.is_(None))
        with transaction() as connection:
            if connection.execute(statement.values(revoked_at=now())).rowcount == 0:
                raise NotFound(f"there is no initial access token '{token_id}' that could be revoked")
            self._audit.record(Event.INITIAL_ACCESS_REVOKED, actor=actor, initial_access=token_id)

    def purge(self, before: datetime) -> int:
        """Delete the tokens that expired or were revoked before that instant; returns how many."""
        return delete_in_batches(_table, or_(_table.c.expires_at < before, _table.c.revoked_at < before))


def _is_valid(at: datetime) -> ColumnElement[bool]:
    """What `InitialAccess.is_valid` says, as the database decides it."""
    return (
        _table.c.revoked_at.is_(None)
        & or_(_table.c.expires_at.is_(None), _table.c.expires_at > at)
        & or_(_table.c.uses_left.is_(None), _table.c.uses_left > 0)
    )
