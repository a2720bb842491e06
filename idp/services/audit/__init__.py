"""The audit trail: who did what, from where, in the same transaction as the deed."""

from idp.services.audit.about import Place
from idp.services.audit.records import AuditFilter, AuditRecord, Seal, SealedRecord
from idp.services.audit.sealing import BrokenChain
from idp.services.audit.trail import AuditTrail, RequestContext, request_context

__all__ = [
    "AuditFilter",
    "AuditRecord",
    "AuditTrail",
    "BrokenChain",
    "Place",
    "RequestContext",
    "Seal",
    "SealedRecord",
    "request_context",
]
