"""Which terms and which privacy notice a person accepted, in which version, and when. Only ever added to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

from sqlalchemy import insert, select

from idp.core.clock import now
from idp.core.errors import Invalid
from idp.core.events import Event
from idp.core.randomness import new_id
from idp.core.sign_up_settings import LONGEST_VERSION
from idp.services.audit import AuditTrail
from idp.storage.db import reading, transaction
from idp.storage.tables import TermsAcceptance

Document: TypeAlias = Literal["terms", "privacy"]
DOCUMENTS: Final = ("terms", "privacy")
LONGEST_LOCALE: Final = 35

_c = TermsAcceptance.__table__.c


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A version of a document, accepted at an instant."""

    document: str
    version: str
    locale: str | None
    """The language that the text was shown in."""
    url: str | None
    """Where the text was to be read."""
    accepted_at: datetime


class TermsAcceptances:
    """Who accepted what. A record is proof, so none is ever changed or replaced."""

    def __init__(self, audit: AuditTrail) -> None:
        self._audit = audit

    def accept(
        self, user_id: str, document: Document, version: str, locale: str | None = None, url: str | None = None
    ) -> None:
        """Remember that the person accepted this version just now, in the caller's transaction. Raises Invalid."""
        _check(document, version, locale, url)
        values = {"document": document, "version": version, "locale": locale, "url": url}
        with transaction() as connection:
            connection.execute(
                insert(TermsAcceptance).values(id=new_id(), user_id=user_id, accepted_at=now(), **values)
            )
            self._audit.record(Event.TERMS_ACCEPTED, user_id=user_id, **values)

    def latest(self, user_id: str) -> dict[str, Acceptance]:
        """By document, what the person accepted last; without those they never accepted."""
        return {acceptance.document: acceptance for acceptance in reversed(self.history(user_id))}

    def history(self, user_id: str) -> Sequence[Acceptance]:
        """Everything the person ever accepted, the latest first."""
        query = (
            select(_c.document, _c.version, _c.locale, _c.url, _c.accepted_at)
            .where(_c.user_id == user_id)
            .order_by(_c.accepted_at.desc(), _c.id.desc())
        )
        with reading() as connection:
            return [Acceptance(*row) for row in connection.execute(query)]


def _check(document: str, version: str, locale: str | None, url: str | None) -> None:
    if document not in DOCUMENTS:
        raise Invalid(f"a document is one of {', '.join(DOCUMENTS)}", "document")
    if not 0 < len(version) <= LONGEST_VERSION or not version.isprintable():
        raise Invalid(f"a version is one line of 1 to {LONGEST_VERSION} characters", "version")
    if locale is not None and len(locale) > LONGEST_LOCALE:
        raise Invalid("'locale' must be a language tag (BCP 47), such as en-GB", "locale")
    if url is not None and not url.isprintable():
        raise Invalid("'url' contains a control character", "url")
