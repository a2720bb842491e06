"""Where a forgotten password stands in the sign-in policy: every combination of what is asked for, done and known."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

from idp.engine.interaction import (
    Facts,
    Failure,
    FirstFactor,
    Progress,
    Recovery,
    Requirements,
    SessionFacts,
    Step,
    next_step,
)
from idp.identity.credentials.assurance import ACR_MFA, ACR_PASSWORD

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
FIRST = FirstFactor("alice", NOW, ("pwd",))
STAGES = {
    Step.FORGOT_PASSWORD: Recovery("alice@example.com"),
    Step.RESET_CODE: Recovery("alice@example.com", proof_id="proof"),
    Step.NEW_PASSWORD: Recovery("alice@example.com", proof_id="proof", user_id="alice"),
}


def situations() -> Iterator[tuple[Requirements, Progress, Facts]]:
    """Thousands of them; none has a forgotten password yet."""
    sessions = [None, *(SessionFacts("s", who, NOW - timedelta(hours=1), acr) for who in ("alice", "bob") for acr in
                        (ACR_PASSWORD, ACR_MFA))]  # fmt: skip
    for prompts, max_age, hint, essential in product(
        ((), ("login",), ("consent",), ("select_account",), ("create",)), (None, 0, 60), (None, "alice"), (False, True)
    ):
        requirements = Requirements(
            client_id="app",
            prompts=frozenset(prompts),
            max_age=max_age,
            subject_hint=hint,
            acr_values=(ACR_MFA,) if essential else (),
            acr_essential=essential,
        )
        for session, enrolled, consent, first, opened, selected in product(
            sessions, (False, True), (False, True), (None, FIRST), (None, "s"), (False, True)
        ):
            progress = Progress(first_factor=first, authenticated_session_id=opened, account_selected=selected)
            yield requirements, progress, Facts(NOW, session, totp_enrolled=enrolled, consent_needed=consent)


def test_a_forgotten_password_comes_before_everything_but_the_end() -> None:
    count = 0
    for requirements, progress, facts in situations():
        for step, recovery in STAGES.items():
            assert next_step(requirements, replace(progress, recovery=recovery), facts) is step
            failed = replace(progress, recovery=recovery, failure=Failure("access_denied", ""))
            assert next_step(requirements, failed, facts) is Step.FAILED
            count += 1
    assert count == 3 * 60 * 160


def test_its_pages_are_due_at_no_other_time() -> None:
    for requirements, progress, facts in situations():
        assert next_step(requirements, progress, facts) not in STAGES


def test_mf1_the_second_factor_comes_right_after_it() -> None:
    """What the page of the new password leaves behind: a first factor, and nothing to recover any more."""
    for requirements, progress, facts in situations():
        if not requirements.prompts & {"select_account", "create"}:
            done = replace(progress, recovery=None, first_factor=FIRST)
            assert next_step(requirements, done, facts) is Step.TOTP
