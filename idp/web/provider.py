"""The services of one process, as the doors see them. Built once, in `idp/app.py`."""

from dataclasses import dataclass
from typing import cast

from flask import current_app

from idp.core.crypto import Sealer, SecretRing
from idp.core.fetch import Fetcher
from idp.core.settings import Settings
from idp.engine.applications import Applications
from idp.engine.email_change import EmailChange
from idp.engine.evidence import Evidence
from idp.engine.interaction import Interactions
from idp.engine.lifecycle import Lifecycle
from idp.engine.lifecycle.leaving import Leaving
from idp.engine.lifecycle.retention import Retention
from idp.engine.lockout import Lockout
from idp.engine.mail import MailRoom
from idp.engine.notices import Notices
from idp.engine.password_reset import PasswordReset
from idp.engine.privacy.erasure import Eraser
from idp.engine.privacy.exports import Exports
from idp.engine.sign_up import SignUp
from idp.engine.tokens import Tokens
from idp.identity.access.roles import Roles
from idp.identity.clients.initial_access import InitialAccessTokens
from idp.identity.clients.published_keys import ClientKeys
from idp.identity.clients.registry import ClientRegistry
from idp.identity.clients.resource_servers import ResourceServers
from idp.identity.clients.self_registration import SelfRegistration
from idp.identity.clients.software_statements import SoftwareStatements
from idp.identity.consents.consents import Consents
from idp.identity.consents.terms import TermsAcceptances
from idp.identity.credentials.mailed_proofs import MailedProofs
from idp.identity.credentials.passwords import Passwords
from idp.identity.credentials.totp import Totp
from idp.identity.directory.avatars import Avatars
from idp.identity.directory.preferences import Preferences
from idp.identity.directory.subjects import Subjects
from idp.identity.directory.users import Users
from idp.identity.sessions.sessions import Sessions
from idp.services.audit import AuditTrail
from idp.services.keys.keyset import Keyset
from idp.services.keys.rotation import Rotation
from idp.services.limits.pending import Pending
from idp.services.limits.throttle import Throttle
from idp.services.outbox import Courier, Outbox
from idp.storage.ephemeral import EphemeralStore

EXTENSION = "idp"


@dataclass(frozen=True, slots=True)
class Provider:
    """Every service, by the name of its room."""

    settings: Settings
    secrets: SecretRing
    sealer: Sealer
    store: EphemeralStore
    """Short-lived values; its loss only makes people start again."""
    durable: EphemeralStore
    """Replay markers and revocations: in the database, because forgetting them would accept too much."""
    fetcher: Fetcher
    audit: AuditTrail
    evidence: Evidence
    throttle: Throttle
    pending: Pending
    keyset: Keyset
    rotation: Rotation
    users: Users
    avatars: Avatars
    preferences: Preferences
    subjects: Subjects
    passwords: Passwords
    totp: Totp
    proofs: MailedProofs
    roles: Roles
    clients: ClientRegistry
    client_keys: ClientKeys
    registration: SelfRegistration
    initial_access: InitialAccessTokens
    software_statements: SoftwareStatements
    resource_servers: ResourceServers
    consents: Consents
    terms: TermsAcceptances
    sessions: Sessions
    applications: Applications
    outbox: Outbox
    mail: MailRoom
    notices: Notices
    courier: Courier
    sign_up: SignUp
    interactions: Interactions
    tokens: Tokens
    lifecycle: Lifecycle
    email_change: EmailChange
    lockout: Lockout
    leaving: Leaving
    exports: Exports
    eraser: Eraser
    password_reset: PasswordReset
    retention: Retention


def current_provider() -> Provider:
    """The provider of the current Flask application."""
    return cast(Provider, current_app.extensions[EXTENSION])
