"""Looking up what the sign-in policy needs to know."""

from dataclasses import dataclass

from idp.core.clock import now
from idp.core.sign_up_settings import LegalDocument
from idp.engine.interaction import Facts, Progress, Requirements, SessionFacts
from idp.identity.clients.client import Client
from idp.identity.consents.consents import Consent
from idp.identity.sessions.rows import Session
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
    consent: Consent | None
    """What the session's user has allowed the client before, if anything."""


def gather(requirements: Requirements, progress: Progress | None = None) -> Gathered:
    """The present facts about this browser, its user and the client."""
    provider = current_provider()
    progress = progress or Progress()
    session = current_session()
    client = provider.clients.get(requirements.client_id) if requirements.client_id else None
    in_question = progress.first_factor.user_id if progress.first_factor else session and session.user_id
    with reading():
        totp_enrolled = bool(in_question) and provider.totp.is_enrolled(str(in_question))
        consent = provider.consents.get(session.user_id, client.client_id) if session and client else None
        terms_due = session is not None and bool(due_documents(session.user_id))
    facts = Facts(
        now=now(),
        session=(SessionFacts(session.id, session.user_id, session.auth_time, session.acr) if session else None),
        totp_enrolled=totp_enrolled,
        sign_up_open=provider.settings.sign_up_policy == "open",
        terms_due=terms_due,
        consent_needed=client is not None and not _is_covered(requirements, client, consent),
        consent_possible=client is not None and client.asks_for_consent,
    )
    return Gathered(facts, progress, session, client, consent)


def due_documents(user_id: str) -> tuple[LegalDocument, ...]:
    """What the person has yet to accept: documents that are new, or in force in another version than they accepted."""
    provider = current_provider()
    documents = provider.settings.sign_up.documents
    if not documents:
        return ()
    accepted = provider.terms.latest(user_id)
    return tuple(
        document
        for document in documents
        if document.name not in accepted or accepted[document.name].version != document.version
    )


def _is_covered(requirements: Requirements, client: Client, consent: Consent | None) -> bool:
    """Whether what is remembered answers this request too. A client that others can pose as is always asked about."""
    return client.identity_is_assured and current_provider().consents.covers(
        consent, requirements.scopes, requirements.resources, requirements.claims
    )
