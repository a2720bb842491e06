"""Looking up what the sign-in policy needs to know."""

from dataclasses import dataclass

from idp.core.clock import now
from idp.engine.interaction import Facts, Progress, Requirements, SessionFacts
from idp.identity.clients.client import Client
from idp.identity.sessions.sessions import Session
from idp.storage.db import reading
from idp.web.browser_session import current_session
from idp.web.provider import current_provider


@dataclass(frozen=True, slots=True)
class Gathered:
    """The facts, and the records they were read from."""

    facts: Facts
    progress: Progress
    session: Session | None
    client: Client | None


def gather(requirements: Requirements, progress: Progress | None = None) -> Gathered:
    """The present facts about this browser, its user and the client."""
    provider = current_provider()
    progress = progress or Progress()
    session = current_session()
    client = provider.clients.get(requirements.client_id) if requirements.client_id else None
    in_question = progress.first_factor.user_id if progress.first_factor else session and session.user_id
    with reading():
        facts = Facts(
            now=now(),
            session=(SessionFacts(session.id, session.user_id, session.auth_time, session.acr) if session else None),
            totp_enrolled=bool(in_question) and provider.totp.is_enrolled(str(in_question)),
            consent_needed=client is not None and not _consent_is_remembered(requirements, client, session),
            consent_possible=client is not None and client.asks_for_consent,
        )
    return Gathered(facts, progress, session, client)


def _consent_is_remembered(requirements: Requirements, client: Client, session: Session | None) -> bool:
    if session is None or not client.identity_is_assured:
        return False
    consents = current_provider().consents
    return consents.covers(
        consents.get(session.user_id, client.client_id),
        requirements.scopes,
        requirements.resources,
        requirements.claims,
    )
