"""The sign-in policy: given what is required, done and known, what comes next? Pure, and the only such place.

Pages do their one thing and return to the hub, which asks here. `prompt=none` asks the same question and
turns every answer but DONE into an error, so silent and visible sign-in cannot disagree.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from idp.engine.interaction.record import Progress, Recovery, Requirements
from idp.identity.credentials.assurance import ACR_MFA, satisfies


class Step(StrEnum):
    """One page of a sign-in, or its end."""

    REGISTER = "register"
    VERIFY_EMAIL = "verify-email"
    SELECT_ACCOUNT = "select-account"
    LOGIN = "login"
    FORGOT_PASSWORD = "recover"
    RESET_CODE = "recover-code"
    NEW_PASSWORD = "new-password"
    TOTP = "totp"
    ACCEPT_TERMS = "accept-terms"
    COME_BACK = "come-back"
    CONSENT = "consent"
    DONE = "done"
    FAILED = "failed"
    """Ended without success; `progress.failure` says why."""
    UNMET = "unmet"
    """The requested assurance is out of this person's reach."""


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """The browser's present session, of a user who is active."""

    id: str
    user_id: str
    auth_time: datetime
    acr: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the hub looked up for the policy."""

    now: datetime
    session: SessionFacts | None = None
    totp_enrolled: bool = False
    """Of the user in question: who passed the first factor, else the session's."""
    sign_up_open: bool = False
    """Everybody may register."""
    terms_due: bool = False
    """The session's user has not accepted the terms or the privacy notice in the version that is in force."""
    consent_needed: bool = False
    """The client needs consent, and none is remembered that covers this request."""
    consent_possible: bool = True
    """False for first-party clients, which are never asked about, not even with prompt=consent."""


def next_step(requirements: Requirements, progress: Progress, facts: Facts) -> Step:
    """The one thing to do next."""
    if progress.failure is not None:
        return Step.FAILED
    if progress.recovery is not None:
        return _recovery_step(progress.recovery)
    if _is_registering(requirements, progress, facts):
        return _registration_step(progress)
    if "select_account" in requirements.prompts and not progress.account_selected:
        return Step.SELECT_ACCOUNT
    if progress.first_factor is not None:
        return Step.TOTP
    if progress.returning is not None:
        return Step.COME_BACK
    session = acceptable_session(requirements, progress, facts)
    if session is None:
        return Step.LOGIN
    step_up = _step_up(requirements, session, facts)
    if step_up is not None:
        return step_up
    if facts.terms_due:
        return Step.ACCEPT_TERMS
    if _consent_is_due(requirements, progress, session, facts):
        return Step.CONSENT
    return Step.DONE


def _is_registering(requirements: Requirements, progress: Progress, facts: Facts) -> bool:
    """Whether the person is to register rather than to sign in (Initiating User Registration §4.1)."""
    if progress.authenticated_session_id is not None:
        return False
    if progress.registration is not None and progress.registration.is_proven:
        return True  # invited, or followed the link in a mail
    if requirements.subject_hint is not None:
        return False  # whoever is meant has an account
    chosen = progress.is_registering
    return facts.sign_up_open and ("create" in requirements.prompts if chosen is None else chosen)


def _registration_step(progress: Progress) -> Step:
    registration = progress.registration
    if registration is None or registration.is_proven or not registration.details:
        return Step.REGISTER
    return Step.VERIFY_EMAIL


def _recovery_step(recovery: Recovery) -> Step:
    if recovery.user_id is not None:
        return Step.NEW_PASSWORD
    return Step.FORGOT_PASSWORD if recovery.proof_id is None else Step.RESET_CODE


def acceptable_session(requirements: Requirements, progress: Progress, facts: Facts) -> SessionFacts | None:
    """The browser's session, if it may answer this request without the person signing in again."""
    session = facts.session
    if session is None:
        return None
    # OpenID Connect Core §3.1.2.1: the hinted person, or nobody.
    if requirements.subject_hint not in (None, session.user_id):
        return None
    if progress.selected_user_id not in (None, session.user_id):
        return None
    if progress.authenticated_session_id == session.id:
        return session
    if progress.account_selected and progress.selected_user_id is None:
        return None  # "use another account" was chosen
    if "login" in requirements.prompts:
        return None
    # max_age=0 means what prompt=login means: any earlier authentication is too old.
    if requirements.max_age is not None:
        age = (facts.now - session.auth_time).total_seconds()
        if requirements.max_age == 0 or age > requirements.max_age:
            return None
    return session


def _step_up(requirements: Requirements, session: SessionFacts, facts: Facts) -> Step | None:
    """The step that raises the session to the requested level, or None if it is high enough."""
    if facts.totp_enrolled and session.acr != ACR_MFA:
        # Enrolled since the session began, or asked to step up: either way the second factor is owed.
        return Step.TOTP
    if not requirements.acr_values or satisfies(session.acr, requirements.acr_values):
        return None
    if requirements.acr_essential:
        return Step.UNMET  # OpenID Connect Core §5.5.1.1
    return None  # voluntary: answered at the level there is


def _consent_is_due(requirements: Requirements, progress: Progress, session: SessionFacts, facts: Facts) -> bool:
    if requirements.client_id is None or not facts.consent_possible:
        return False
    if progress.consented_user_id == session.user_id:
        return False
    return facts.consent_needed or "consent" in requirements.prompts
