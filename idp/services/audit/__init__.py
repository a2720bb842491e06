"""The audit trail: who did what, from where, in the same transaction as the deed."""

from idp.services.audit.trail import AuditRecord, AuditTrail, RequestContext, request_context

__all__ = ["AuditRecord", "AuditTrail", "RequestContext", "request_context"]
