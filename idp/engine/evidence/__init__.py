"""Proof that the audit trail is what it was: signed heads, deletion that leaves a signed checkpoint, verification."""

from idp.engine.evidence.evidence import Evidence
from idp.engine.evidence.heads import HEAD, Head, Statement, UntrustedStatement
from idp.engine.evidence.report import Finding, Problem, Report, StreamReport

__all__ = [
    "HEAD",
    "Evidence",
    "Finding",
    "Head",
    "Problem",
    "Report",
    "Statement",
    "StreamReport",
    "UntrustedStatement",
]
