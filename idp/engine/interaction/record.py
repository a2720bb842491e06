"""An Interaction: one sign-in in flight, bound to one browser, held in the ephemeral store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Requirements:
    """What the sign-in has to satisfy before its request may be answered. Knows no protocol."""

    client_id: str | None = None
    prompts: frozenset[str] = frozenset()
    max_age: int | None = None
    """Seconds since the last active authentication that are still fresh enough."""
    acr_values: tuple[str, ...] = ()
    acr_essential: bool = False
    subject_hint: str | None = None
    """The only user who may complete this sign-in."""
    login_hint: str | None = None
    ui_locales: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    """Claims asked for one by one, beyond what the scopes cover."""
    redirect_uri: str | None = None
    """Shown to the person before they allow; decided and used elsewhere."""


@dataclass(frozen=True, slots=True)
class FirstFactor:
    """A password was right, and a second factor is still owed. Not a session: it opens nothing."""

    user_id: str
    at: datetime
    amr: tuple[str, ...]
    credential: str | None = None
    """Which password it was (`Passwords.verify`); None if the browser's session is the first factor."""


@dataclass(frozen=True, slots=True)
class Registration:
    """An account that somebody wants and that does not exist yet: nothing of it is in the directory."""

    email: str
    is_proven: bool = False
    """The person reads mail at that address: they brought back what was sent there."""
    proof_id: str | None = None
    """What was mailed last (`MailedProofs`)."""
    is_invited: bool = False
    """That was an invitation, which holds until the account is made."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What the account begins with: the prepared password, the name, what was accepted. Empty until it was typed."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """A forgotten password on its way to a new one."""

    username: str = ""
    """The address as it was typed."""
    proof_id: str | None = None
    """What was mailed last (`MailedProofs`), or would have been if the address were somebody's."""
    user_id: str | None = None
    """Who has proven that they read mail at `address`; they may replace the password `credential`."""
    address: str = ""
    credential: str | None = None
    attempt: str = ""
    """What the audit trail calls this reset."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How the sign-in ended without success: a registered error code and a sentence for the client."""

    error: str
    description: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What the person has completed so far in this Interaction."""

    account_selected: bool = False
    selected_user_id: str | None = None
    first_factor: FirstFactor | None = None
    returning: FirstFactor | None = None
    """Somebody who left has proven to be it, by every factor there is; they have still to say that they are back."""
    authenticated_session_id: str | None = None
    """The browser session that was opened or renewed by an active authentication in this Interaction."""
    consented_user_id: str | None = None
    """Who allowed the request on the consent page; what exactly is remembered with their consent."""
    is_registering: bool | None = None
    """The person chose to register (or not to); None as long as what the application asked for stands."""
    registration: Registration | None = None
    recovery: Recovery | None = None
    """The person has forgotten their password."""
    failure: Failure | None = None
    completed: bool = False
    ticket: str | None = None
    """What it is counted under while nobody has proven who they are (`Pending`)."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """The record. `request` belongs to the door that began it and is opaque to everyone else."""

    id: str
    browser_hash: str
    expires_at: datetime
    requirements: Requirements
    resume_path: str
    """Where the browser goes when nothing is left to do, relative to the issuer."""
    restart_path: str
    """Where it goes to begin again after the Interaction has expired."""
    request: dict[str, Any] = field(default_factory=dict)
    progress: Progress = Progress()
