"""Who was erased, remembered so that a restored backup brings nobody back (KY4).

A user identifier is 122 random bits that are never given twice: its hash recognises it and reveals nothing. The hashes
are kept in the database, and in a file apart from it, because a restored database has forgotten them, too.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, cast

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite

from idp.core.clock import now
from idp.core.crypto import sha256_hex
from idp.core.errors import Unavailable
from idp.storage.db import reading, transaction
from idp.storage.tables import ErasedUser, UserRow

_table = cast(Table, ErasedUser.__table__)
_users = UserRow.__table__.c
_INSERTS: Final = {
    "postgresql": postgresql.insert(_table).on_conflict_do_nothing(),
    "sqlite": sqlite.insert(_table).on_conflict_do_nothing(),
}
_PAGE: Final = 5000
_HASH: Final = re.compile("[0-9a-f]{64}")


def tombstone(user_id: str) -> str:
    """The hash by which an erased user is recognised."""
    return sha256_hex(f"erased user {user_id}")


def was_erased(user_id: str) -> bool:
    """True if a user of that identifier was erased: nobody is given it again."""
    with reading() as connection:
        return connection.execute(select(_table.c.key).where(_table.c.key == tombstone(user_id))).first() is not None


def read_list(path: Path) -> set[str]:
    """The hashes in a file, one on each line; none if it is not there yet. Raises Unavailable if it cannot be read."""
    try:
        return {word for line in path.read_text().splitlines() if _HASH.fullmatch(word := line.strip())}
    except FileNotFoundError:
        return set()
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"the list of erased users cannot be read: {error}") from error


class Tombstones:
    """The hashes of those who were erased, in the table and in the file."""

    def __init__(self, path: Path | None) -> None:
        """`path`: `IDP_PRIVACY__ERASED_LIST`."""
        self._path = path

    def add(self, user_id: str) -> None:
        """Remember an erasure with the open transaction, and in the file at once. Raises Unavailable.

        The file comes first: if the transaction fails after that, it names somebody whose erasure was decided anyway.
        """
        key = tombstone(user_id)
        self._append(key)
        with transaction() as connection:
            connection.execute(_INSERTS[connection.dialect.name], {"key": key, "erased_at": now()})

    def missing_here(self) -> set[str]:
        """Those in the file that the database does not know: it is older than their erasure. Raises Unavailable."""
        listed = self.listed()
        if not listed:
            return listed
        with reading() as connection:
            return listed - set(connection.execute(select(_table.c.key)).scalars())

    def listed(self) -> set[str]:
        """Those in the file. Raises Unavailable if it cannot be read; one that is not there yet is empty."""
        return set() if self._path is None else read_list(self._path)

    def returned(self, keys: Iterable[str] = ()) -> list[str]:
        """Users who are here although they were erased, by the table, the file and the further `keys`."""
        with reading() as connection:
            known = {*keys, *self.listed(), *connection.execute(select(_table.c.key)).scalars()}
        found: list[str] = []
        after = ""
        while known:
            query = select(_users.id).where(_users.id > after).order_by(_users.id).limit(_PAGE)
            with reading() as connection:
                page = connection.execute(query).scalars().all()
            found += [user_id for user_id in page if tombstone(user_id) in known]
            if len(page) < _PAGE:
                break
            after = page[-1]
        return found

    def learn(self, keys: Iterable[str]) -> None:
        """Take hashes into the table, from a file that is newer than the database."""
        at = now()
        rows = [{"key": key, "erased_at": at} for key in sorted(keys)]
        if rows:
            with transaction() as connection:
                connection.execute(_INSERTS[connection.dialect.name], rows)

    def _append(self, key: str) -> None:
        if self._path is None:
            return
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, f"{key}\n".encode())
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise Unavailable(f"the list of erased users cannot be written: {error.strerror}") from error
