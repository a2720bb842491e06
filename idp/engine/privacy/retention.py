"""What maintenance does for privacy: people, copies and proofs leave when their time has come."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Table

from idp.core.setting_sections import Retention as RetentionSettings
from idp.engine.privacy.erasure import Eraser
from idp.engine.privacy.exports import Exports
from idp.storage.batches import delete_in_batches
from idp.storage.tables import ConsentRecord, TermsAcceptance


class PrivacyRetention:
    """Tasks for the periodic maintenance (`engine/lifecycle/retention`)."""

    def __init__(self, settings: RetentionSettings, eraser: Eraser, exports: Exports) -> None:
        self._settings = settings
        self._eraser = eraser
        self._exports = exports

    def tasks(self, at: datetime) -> dict[str, Callable[[], int]]:
        """What is to be done as of `at`, by name; each task returns how many people or records are gone by it."""
        settings, eraser = self._settings, self._eraser
        tasks: dict[str, Callable[[], int]] = {
            "erased people from backups": eraser.erase_returned,
            "erased people": lambda: eraser.erase_due(at),
        }
        if settings.deactivated_days:
            before_then = at - timedelta(days=settings.deactivated_days)
            tasks["long deactivated people"] = lambda: eraser.erase_deactivated(before_then)
        if settings.unused_account_days:
            before = at - timedelta(days=settings.unused_account_days)
            tasks["unused accounts"] = lambda: eraser.erase_unused(before)
        tasks["messages about erased people"] = eraser.purge
        tasks["copies of personal data"] = lambda: self._exports.purge(at)
        tasks["proofs of consent"] = lambda: self._purge_proofs(at - timedelta(days=settings.consent_record_days))
        return tasks

    @staticmethod
    def _purge_proofs(before: datetime) -> int:
        """Those of people who were erased before that instant."""
        tables = (cast(Table, row.__table__) for row in (ConsentRecord, TermsAcceptance))
        return sum(delete_in_batches(table, table.c.erased_at < before) for table in tables)
