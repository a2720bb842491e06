"""Finding out by what the rows about somebody are found."""

from sqlalchemy import select

from idp.engine.privacy.vocabulary import Person
from idp.storage.db import reading
from idp.storage.tables import PairwiseSubject, UserEmail, UserRow

_users, _emails, _subjects = UserRow.__table__.c, UserEmail.__table__.c, PairwiseSubject.__table__.c


def find_person(user_id: str) -> Person | None:
    """The person of that identifier; None if there is no such user."""
    with reading() as connection:
        if connection.execute(select(_users.id).where(_users.id == user_id)).first() is None:
            return None
        subjects = connection.execute(select(_subjects.subject).where(_subjects.user_id == user_id)).scalars().all()
        addresses = connection.execute(
            select(_emails.address, _emails.canonical).where(_emails.user_id == user_id).order_by(_emails.created_at)
        ).all()
    spellings = dict.fromkeys(text for row in addresses for text in row)
    return Person(user_id, (user_id, *subjects), tuple(spellings))
