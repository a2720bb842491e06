"""Pictures that people upload of themselves: taken in, made harmless, kept as blobs, and collected when they are over.

Each upload has a name of its own, which no other content will ever have: the salted hash of the picture. So a name
tells nobody whose it is or what it shows, two people with the same picture have nothing in common, and what is
replaced can be deleted without asking who else might use it.
"""

import hashlib
import re
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, cast

from sqlalchemy import Table, delete, insert, select, update

from idp.core.clock import now
from idp.core.errors import NotFound, Unavailable
from idp.core.pictures import MEDIA_TYPE, square_copies
from idp.core.randomness import new_token
from idp.core.settings import Settings
from idp.identity.directory.users import User, Users
from idp.identity.locks import lock_user
from idp.storage.blobs import BlobStore
from idp.storage.db import reading, transaction
from idp.storage.tables import AvatarRow

SIDES: Final = (512, 256, 96)
"""Pixels of the copies that are kept: for applications, for the profile page, and for the chip with the name."""
LARGEST: Final = SIDES[0]
ABANDONED_AFTER: Final = timedelta(hours=1)
"""An upload that is nobody's picture for so long never will be."""
_COLLECTED_AT_ONCE: Final = 500

_table = cast(Table, AvatarRow.__table__)
_c = _table.c
_NAME: Final = re.compile(r"[0-9a-f]{64}")


class Avatars:
    """The pictures. A person has one or none; the `picture` claim is its URL."""

    def __init__(self, settings: Settings, blobs: BlobStore, users: Users) -> None:
        self._base = settings.url("/avatars/")
        self._blobs = blobs
        self._users = users

    def upload(self, user_id: str, data: bytes, *, actor: str = "operator") -> User:
        """Make `data` the user's picture, instead of the one before. Decodes it, so not for a transaction.

        Raises NotAPicture, NotFound, or Unavailable if the pictures' store is down; then nothing has changed.
        """
        copies = square_copies(data, SIDES)
        name = hashlib.sha256(new_token().encode() + copies[0]).hexdigest()
        at = now()
        # First the record, then the blobs, then whose they are: wherever this ends, nothing is left unknown.
        with transaction() as connection:
            connection.execute(
                insert(_table).values(name=name, user_id=None, created_at=at, collect_after=at + ABANDONED_AFTER)
            )
        for side, copy in zip(SIDES, copies, strict=True):
            self._blobs.put(_blob(name, side), copy, MEDIA_TYPE)
        with transaction() as connection:
            if lock_user(connection, user_id) is None:
                raise NotFound("there is no such user")
            former = self._release(user_id)
            mine = connection.execute(
                update(_table).where(_c.name == name, _c.user_id.is_(None)).values(user_id=user_id)
            )
            if mine.rowcount != 1:
                raise Unavailable("the upload took too long")
            user = self._users.update(user_id, actor=actor, picture=f"{self._base}{name}/{LARGEST}.webp")
        self._collect(former)
        return user

    def delete(self, user_id: str, *, actor: str = "operator") -> User:
        """Remove the user's picture: the claim, at once, and the blobs, now or when their store is back.

        A picture that is kept elsewhere is only forgotten. Raises NotFound.
        """
        with transaction() as connection:
            if lock_user(connection, user_id) is None:
                raise NotFound("there is no such user")
            former = self._release(user_id)
            user = self._users.update(user_id, actor=actor, picture=None)
        self._collect(former)
        return user

    def erase(self, user_id: str) -> None:
        """The same for somebody who is being erased. Raises NotFound."""
        self.delete(user_id, actor="system")

    def original(self, user_id: str) -> bytes | None:
        """The largest copy of the user's picture (WebP), for an export; what was uploaded is not kept."""
        with reading() as connection:
            name = connection.execute(select(_c.name).where(_c.user_id == user_id)).scalar()
        return None if name is None else self._blobs.get(_blob(name, LARGEST))

    def find(self, name: str, side: int) -> bytes | None:
        """The copy of that name and size; None as soon as it is nobody's picture any more."""
        if side not in SIDES or not _NAME.fullmatch(name):
            return None
        with reading() as connection:
            is_somebodys = connection.execute(select(_c.name).where(_c.name == name, _c.user_id.is_not(None))).first()
        return None if is_somebodys is None else self._blobs.get(_blob(name, side))

    def name_of(self, user: User) -> str | None:
        """The name of the picture that the user shows; None if there is none, or it is kept elsewhere."""
        name = (user.picture or "").removeprefix(self._base).partition("/")[0]
        return name if _NAME.fullmatch(name) else None

    def collect(self, at: datetime) -> int:
        """Delete what is nobody's picture: replaced, removed, never finished, its owner gone. Returns how many."""
        over = select(_c.name).where(_c.user_id.is_(None), _c.collect_after <= at).limit(_COLLECTED_AT_ONCE)
        with reading() as connection:
            names = list(connection.execute(over).scalars())
        for name in names:
            self._delete(name)
        return len(names)

    def _release(self, user_id: str) -> list[str]:
        """Make the user's picture nobody's, in the open transaction; returns its name."""
        released = (
            update(_table).where(_c.user_id == user_id).values(user_id=None, collect_after=now()).returning(_c.name)
        )
        with transaction() as connection:
            return list(connection.execute(released).scalars())

    def _collect(self, names: list[str]) -> None:
        """Delete them now; if their store is down, the worker does it later."""
        with suppress(Unavailable):
            for name in names:
                self._delete(name)

    def _delete(self, name: str) -> None:
        for side in SIDES:
            self._blobs.delete(_blob(name, side))
        with transaction() as connection:
            connection.execute(delete(_table).where(_c.name == name, _c.user_id.is_(None)))


def _blob(name: str, side: int) -> str:
    return f"{name}-{side}"
