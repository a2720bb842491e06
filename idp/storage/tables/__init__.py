"""Every table, one module per subject. They sit low so that foreign keys never tangle the rooms above."""

from idp.storage.tables.access import Role, RoleAssignment
from idp.storage.tables.audit import AuditEvent, AuditHead, AuditSeal, AuditStream
from idp.storage.tables.clients import ClientLogo, ClientRow, ClientSecret, InitialAccessToken, ResourceServerRow
from idp.storage.tables.consents import ConsentRecord, ConsentRow, TermsAcceptance
from idp.storage.tables.credentials import FormerPassword, MailedProof, PasswordCredential, TotpCredential
from idp.storage.tables.ephemeral import EphemeralEntry
from idp.storage.tables.keys import SigningKeyRow
from idp.storage.tables.limits import ThrottleRow
from idp.storage.tables.outbox import OutboxMessage
from idp.storage.tables.privacy import DataExport, DataExportPart, ErasedUser
from idp.storage.tables.sessions import SessionParticipant, SessionRow
from idp.storage.tables.tokens import TokenFamily
from idp.storage.tables.users import AvatarRow, MailOptIn, PairwiseSubject, UserEmail, UserRow
from idp.storage.tables.versions import ConfigurationVersion

__all__ = [
    "AuditEvent",
    "AuditHead",
    "AuditSeal",
    "AuditStream",
    "AvatarRow",
    "ClientLogo",
    "ClientRow",
    "ClientSecret",
    "ConfigurationVersion",
    "ConsentRecord",
    "ConsentRow",
    "DataExport",
    "DataExportPart",
    "EphemeralEntry",
    "ErasedUser",
    "FormerPassword",
    "InitialAccessToken",
    "MailOptIn",
    "MailedProof",
    "OutboxMessage",
    "PairwiseSubject",
    "PasswordCredential",
    "ResourceServerRow",
    "Role",
    "RoleAssignment",
    "SessionParticipant",
    "SessionRow",
    "SigningKeyRow",
    "TermsAcceptance",
    "ThrottleRow",
    "TokenFamily",
    "TotpCredential",
    "UserEmail",
    "UserRow",
]
