"""What is over leaves after a while: in small transactions, so that nobody's sign-in waits for it."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, cast

from sqlalchemy import Table

from idp.core.setting_sections import Retention as RetentionSettings
from idp.engine.evidence import Evidence
from idp.engine.privacy.retention import PrivacyRetention
from idp.identity.clients.self_registration import SelfRegistration
from idp.identity.credentials.mailed_proofs import MailedProofs
from idp.identity.directory.avatars import Avatars
from idp.identity.sessions.sessions import Sessions
from idp.services.limits.throttle import Throttle
from idp.services.outbox import Outbox
from idp.storage.batches import delete_in_batches
from idp.storage.ephemeral import EphemeralStore
from idp.storage.tables import TokenFamily

_families: Final = cast(Table, TokenFamily.__table__)


class Retention:
    """Deletes what has been over for long enough."""

    def __init__(
        self,
        settings: RetentionSettings,
        sessions: Sessions,
        throttle: Throttle,
        evidence: Evidence,
        outbox: Outbox,
        stores: Iterable[EphemeralStore],
        registration: SelfRegistration | None = None,
        proofs: MailedProofs | None = None,
        avatars: Avatars | None = None,
        privacy: PrivacyRetention | None = None,
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._throttle = throttle
        self._evidence = evidence
        self._outbox = outbox
        self._registration = registration
        self._proofs = proofs
        self._avatars = avatars
        self._privacy = privacy
        self._stores = tuple(stores)

    def tasks(self, at: datetime) -> dict[str, Callable[[], int]]:
        """What is to be done as of `at`, by name; each task returns how many records it deleted.

        Apart, so that one that fails stops no other.
        """
        settings = self._settings
        tasks: dict[str, Callable[[], int]] = {
            "short-lived values": lambda: sum(store.purge() for store in self._stores),
            "throttles": self._throttle.purge,
            "sessions": lambda: self._sessions.purge(at - timedelta(days=settings.session_days)),
            "messages": lambda: self._outbox.purge(at - timedelta(days=settings.message_days)),
            "token families": lambda: self._purge_families(at - timedelta(days=settings.token_family_days)),
        }
        if registration := self._registration:
            tasks["unused clients"] = lambda: registration.delete_unused(at)
            tasks["initial access tokens"] = lambda: registration.purge_initial_access(at)
        if proofs := self._proofs:
            tasks["mailed codes and links"] = proofs.purge
        if avatars := self._avatars:
            tasks["former pictures"] = lambda: avatars.collect(at)
        if settings.audit_days:
            tasks["audit events"] = lambda: self._evidence.purge(at - timedelta(days=settings.audit_days))
        return tasks | (self._privacy.tasks(at) if self._privacy else {})

    @staticmethod
    def _purge_families(before: datetime) -> int:
        return delete_in_batches(_families, _families.c.expires_at < before)
