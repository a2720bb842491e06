"""The applications that can use a person's account: those they allowed, and the operator's own that hold tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Row, Table, and_, func, or_, select

from idp.core.clock import now
from idp.core.events import Event
from idp.identity.clients.client import Client
from idp.identity.clients.registry import ClientRegistry
from idp.identity.consents.consents import Consent, Consents
from idp.identity.families import revoke_families
from idp.identity.locks import lock_user
from idp.identity.sessions.sessions import Sessions
from idp.services.audit import AuditTrail
from idp.storage.db import reading, transaction
from idp.storage.tables import SessionRow, TokenFamily

_REASON: Final = "disconnected"
_families = cast(Table, TokenFamily.__table__)
_sessions = cast(Table, SessionRow.__table__)


@dataclass(frozen=True, slots=True)
class Application:
    """A client that may use the account, or does."""

    client: Client
    scopes: frozenset[str]
    """What was allowed; of a client that nobody is asked about, what its tokens are for."""
    resources: frozenset[str]
    claims: frozenset[str]
    since: datetime
    last_used: datetime | None
    """When it last signed the person in or refreshed its tokens, as far as that is still known."""
    is_offline: bool
    """It holds tokens that go on when the person signs out."""
    was_allowed: bool
    """The person allowed it; False for the operator's own."""


class Applications:
    """What people see of the clients that use their accounts, and how they end that."""

    def __init__(self, clients: ClientRegistry, consents: Consents, sessions: Sessions, audit: AuditTrail) -> None:
        self._clients = clients
        self._consents = consents
        self._sessions = sessions
        self._audit = audit

    def list(self, user_id: str) -> Sequence[Application]:
        """Every application of the user, the latest used first."""
        with reading():
            consents = {consent.client_id: consent for consent in self._consents.list(user_id)}
            living = _living_families(user_id)
            used = _last_uses(user_id, self._sessions.last_sign_ins(user_id))
        found = [
            self._application(client_id, consents.get(client_id), living.get(client_id, ()), used.get(client_id))
            for client_id in consents.keys() | living.keys()
        ]
        return sorted(
            (application for application in found if application is not None),
            key=lambda application: (application.last_used or application.since, application.client.client_id),
            reverse=True,
        )

    def get(self, user_id: str, client_id: str) -> Application | None:
        """One of them; None if this client has nothing to do with the user."""
        return next((one for one in self.list(user_id) if one.client.client_id == client_id), None)

    def disconnect(self, user_id: str, client_id: str) -> bool:
        """Withdraw what the user allowed a client, and every token it has for them; False if there was nothing.

        Opaque tokens, UserInfo, introspection and refreshing end at once, a JWT with its own few minutes. The client
        leaves the sessions that it takes part in, and is told so by back-channel logout.
        """
        actor = f"user:{user_id}"
        with transaction() as connection:
            lock_user(connection, user_id)
            # In the order in which a code is redeemed, so that the two wait for one another and never in a circle.
            dismissed = self._sessions.dismiss(user_id, client_id)
            if self._consents.revoke(user_id, client_id, actor=actor):
                return True
            families = revoke_families(
                connection, _REASON, TokenFamily.user_id == user_id, TokenFamily.client_id == client_id
            )
            if families:
                self._audit.record(
                    Event.TOKEN_REVOKED,
                    actor=actor,
                    user_id=user_id,
                    client_id=client_id,
                    reason=_REASON,
                    families=families,
                )
            return bool(families or dismissed)

    def _application(
        self,
        client_id: str,
        consent: Consent | None,
        living: Sequence[Row[*tuple[Any, ...]]],
        last_used: datetime | None,
    ) -> Application | None:
        client = self._clients.get(client_id)
        if client is None:
            return None
        held = frozenset(scope for row in living for scope in row.scopes)
        return Application(
            client=client,
            scopes=consent.scopes if consent else held,
            resources=consent.resources if consent else frozenset(name for row in living for name in row.resources),
            claims=consent.claims if consent else frozenset(),
            since=consent.granted_at if consent else min(row.created_at for row in living),
            last_used=last_used,
            is_offline=any(row.offline for row in living),
            was_allowed=consent is not None,
        )


def _living_families(user_id: str) -> Mapping[str, list[Row[*tuple[Any, ...]]]]:
    """The user's token families that still open something, by client."""
    at = now()
    session_is_alive = and_(
        _sessions.c.ended_at.is_(None), _sessions.c.idle_expires_at > at, _sessions.c.expires_at > at
    )
    query = (
        select(
            _families.c.client_id,
            _families.c.scopes,
            _families.c.resources,
            _families.c.offline,
            _families.c.created_at,
        )
        .outerjoin_from(_families, _sessions, _sessions.c.id == _families.c.session_id)
        .where(
            _families.c.user_id == user_id,
            _families.c.revoked_at.is_(None),
            _families.c.idle_expires_at > at,
            _families.c.expires_at > at,
            or_(_families.c.offline, session_is_alive),
        )
    )
    found: dict[str, list[Row[*tuple[Any, ...]]]] = {}
    with reading() as connection:
        for row in connection.execute(query):
            found.setdefault(row.client_id, []).append(row)
    return found


def _last_uses(user_id: str, sign_ins: Mapping[str, datetime]) -> Mapping[str, datetime]:
    """When each client was last used: from what is kept anyway, so that no use costs a write of its own."""
    used = func.max(func.coalesce(_families.c.last_used_at, _families.c.created_at))
    query = (
        select(_families.c.client_id, used.label("at"))
        .where(_families.c.user_id == user_id)
        .group_by(_families.c.client_id)
    )
    found = dict(sign_ins)
    with reading() as connection:
        for row in connection.execute(query):
            found[row.client_id] = max(row.at, found.get(row.client_id, row.at))
    return found
