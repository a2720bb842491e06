"""The in-flight sign-in: its record, its store and its policy."""

from idp.engine.interaction.policy import Facts, SessionFacts, Step, acceptable_session, next_step
from idp.engine.interaction.record import (
    Failure,
    FirstFactor,
    Interaction,
    Progress,
    Recovery,
    Registration,
    Requirements,
)
from idp.engine.interaction.store import Interactions, digest_of, is_expired

__all__ = [
    "Facts",
    "Failure",
    "FirstFactor",
    "Interaction",
    "Interactions",
    "Progress",
    "Recovery",
    "Registration",
    "Requirements",
    "SessionFacts",
    "Step",
    "acceptable_session",
    "digest_of",
    "is_expired",
    "next_step",
]
