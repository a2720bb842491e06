"""How pages look to a person, and which mail they want beside what nobody can do without."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast, get_args

from sqlalchemy import Table, select, update
from sqlalchemy.dialects import postgresql, sqlite

from idp.core.clock import now
from idp.core.errors import Invalid, NotFound
from idp.core.events import Event
from idp.identity.locks import lock_user
from idp.services.audit import AuditTrail
from idp.storage.db import reading, transaction
from idp.storage.tables import MailOptIn, UserRow

Theme = Literal["light", "dark"]
THEMES: Final[tuple[str, ...]] = get_args(Theme)
MAIL_TOPICS: Final = ("product_news", "tips")
"""Mail that people get only if they ask for it. Notices about the account are no topic: they cannot be declined."""

_opt_ins = cast(Table, MailOptIn.__table__)


@dataclass(frozen=True, slots=True)
class MailDecision:
    """What a person said last about a topic, and when."""

    topic: str
    is_wanted: bool
    decided_at: datetime


class Preferences:
    """Language and time zone are claims, which `Users` keeps; here is what applications are not told."""

    def __init__(self, audit: AuditTrail) -> None:
        self._audit = audit

    def set_theme(self, user_id: str, theme: str | None, *, actor: str = "operator") -> None:
        """`light`, `dark`, or None for what the device prefers. Raises Invalid or NotFound."""
        if theme is not None and theme not in THEMES:
            raise Invalid(f"a theme is one of {', '.join(THEMES)}", "theme")
        changed = (
            update(UserRow)
            .where(UserRow.id == user_id, UserRow.theme.is_distinct_from(theme))
            .values(theme=theme)
            .returning(UserRow.id)
            .execution_options(synchronize_session=False)
        )
        with transaction() as connection:
            if lock_user(connection, user_id) is None:
                raise NotFound("there is no such user")
            if connection.execute(changed).first() is not None:
                self._audit.record(Event.PREFERENCES_CHANGED, actor=actor, user_id=user_id, theme=theme or "system")

    def mail(self, user_id: str) -> dict[str, MailDecision]:
        """What the user decided, by topic. No decision is no consent."""
        query = select(_opt_ins.c.topic, _opt_ins.c.is_wanted, _opt_ins.c.decided_at).where(
            _opt_ins.c.user_id == user_id
        )
        with reading() as connection:
            return {row.topic: MailDecision(*row) for row in connection.execute(query)}

    def decide_mail(self, user_id: str, wanted: Mapping[str, bool], *, actor: str = "operator") -> None:
        """Note decisions by topic, with the time; one that is the same as before keeps its own.

        To leave alone what was never asked for is no decision, and is not noted. Raises NotFound or Invalid.
        """
        unknown = set(wanted) - set(MAIL_TOPICS)
        if unknown:
            raise Invalid(f"a topic of mail is one of {', '.join(MAIL_TOPICS)}", "mail")
        at = now()
        with transaction() as connection:
            if lock_user(connection, user_id) is None:
                raise NotFound("there is no such user")
            before = {topic: decision.is_wanted for topic, decision in self.mail(user_id).items()}
            changed = {topic: is_wanted for topic, is_wanted in wanted.items() if before.get(topic, False) != is_wanted}
            for topic, is_wanted in changed.items():
                decision = {"user_id": user_id, "topic": topic, "is_wanted": is_wanted, "decided_at": at}
                connection.execute(_DECIDE[connection.dialect.name], decision)
            if changed:
                self._audit.record(Event.PREFERENCES_CHANGED, actor=actor, user_id=user_id, mail=changed)


def _upsert(insertion: postgresql.Insert | sqlite.Insert) -> postgresql.Insert | sqlite.Insert:
    decided = {name: insertion.excluded[name] for name in ("is_wanted", "decided_at")}
    return insertion.on_conflict_do_update(index_elements=[_opt_ins.c.user_id, _opt_ins.c.topic], set_=decided)


_DECIDE: Final = {
    "postgresql": _upsert(postgresql.insert(_opt_ins)),
    "sqlite": _upsert(sqlite.insert(_opt_ins)),
}
