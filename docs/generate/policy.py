"""The decision table in explanation/sign-in-policy.md: what `next_step()` really answers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from docs.generate.markdown import code, table
from idp.engine.interaction import (
    Facts,
    Failure,
    FirstFactor,
    Progress,
    Recovery,
    Registration,
    Requirements,
    SessionFacts,
    Step,
    next_step,
)
from idp.identity.credentials.assurance import ACR_MFA, ACR_PASSWORD
from idp.oauth.authorize import _SILENT as SILENT

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ALICE = SessionFacts("session", "alice", NOW - timedelta(minutes=30), ACR_PASSWORD)
ALICE_MFA = SessionFacts("session", "alice", NOW - timedelta(minutes=30), ACR_MFA)


_NOTHING = "nothing special"
_SIGNED_IN = "signed in; consent is remembered"


@dataclass(frozen=True, slots=True)
class Case:
    """A situation in words, and the same in data."""

    asked: str
    situation: str
    requirements: Requirements
    facts: Facts
    progress: Progress = field(default_factory=Progress)

    @property
    def step(self) -> Step:
        """What the policy answers."""
        return next_step(self.requirements, self.progress, self.facts)


def _asks(*prompts: str, **requirements: Any) -> Requirements:
    return Requirements(client_id="app", prompts=frozenset(prompts), **requirements)


def _with(session: SessionFacts | None, **facts: bool) -> Facts:
    return Facts(NOW, session, **facts)


def cases() -> Iterator[Case]:
    """The situations worth telling, the simplest first."""
    yield from _plain()
    yield from _registration()
    yield from _prompts()
    yield from _freshness()
    yield from _levels()
    yield from _recovery()
    cancelled = Progress(failure=Failure("access_denied", ""))
    yield Case("anything", "cancelled, or not allowed", _asks(), _with(ALICE), cancelled)
    yield Case("sign-in without an app", "signed in", Requirements(), _with(ALICE))


def _plain() -> Iterator[Case]:
    first = Progress(first_factor=FirstFactor("alice", NOW, ("pwd",)))
    no_consent = _with(ALICE, consent_needed=True, consent_possible=False)
    yield Case(_NOTHING, "nobody is signed in", _asks(), _with(None))
    yield Case(_NOTHING, "right password; codes are enrolled", _asks(), _with(None, totp_enrolled=True), first)
    left = Progress(returning=FirstFactor("alice", NOW, ("pwd",)))
    yield Case(_NOTHING, "proven to be somebody who had left", _asks(), _with(None), left)
    yield Case(_NOTHING, "signed in; consent is missing", _asks(), _with(ALICE, consent_needed=True))
    yield Case(_NOTHING, _SIGNED_IN, _asks(), _with(ALICE))
    yield Case(_NOTHING, "signed in; the client needs no consent", _asks(), no_consent)
    yield Case(_NOTHING, "signed in by password; codes were enrolled since", _asks(), _with(ALICE, totp_enrolled=True))


def _registration() -> Iterator[Case]:
    asks, unknown = _asks("create"), _with(None, sign_up_open=True)
    signed_in = _with(ALICE, sign_up_open=True)
    typed = Registration("ann@example.com", proof_id="p", details={"password": "…"})
    proven = Registration("ann@example.com", is_proven=True)
    registered = Progress(authenticated_session_id="session", registration=typed)
    yield Case("`prompt=create`", "nobody is signed in", asks, unknown)
    yield Case("`prompt=create`", "signed in before", asks, signed_in)
    yield Case("`prompt=create`", "the form was sent; a code was mailed", asks, unknown, Progress(registration=typed))
    yield Case("`prompt=create`", "would rather sign in", asks, unknown, Progress(is_registering=False))
    yield Case("`prompt=create`", "the code was right", asks, signed_in, registered)
    yield Case(_NOTHING, "would rather register", _asks(), unknown, Progress(is_registering=True))
    yield Case(_NOTHING, "the same, where not everybody may", _asks(), _with(None), Progress(is_registering=True))
    yield Case(_NOTHING, "followed an invitation", _asks(), _with(None), Progress(registration=proven))
    yield Case(
        _NOTHING, "signed in; the terms have changed", _asks(), _with(ALICE, terms_due=True, consent_needed=True)
    )


def _prompts() -> Iterator[Case]:
    signed_in = _with(ALICE)
    anew = Progress(authenticated_session_id="session", account_selected=True)
    yield Case("`prompt=login`", "signed in before", _asks("login"), signed_in)
    yield Case("`prompt=login`", "signed in during this request", _asks("login"), signed_in, anew)
    allowed = Progress(consented_user_id="alice")
    others = Progress(consented_user_id="bob")
    yield Case("`prompt=consent`", _SIGNED_IN, _asks("consent"), signed_in)
    yield Case(
        "`prompt=consent`", "the client needs no consent", _asks("consent"), _with(ALICE, consent_possible=False)
    )
    yield Case("`prompt=consent`", "allowed on the page just now", _asks("consent"), signed_in, allowed)
    yield Case("`prompt=consent`", "allowed by Bob, before Alice signed in", _asks("consent"), signed_in, others)
    chosen = Progress(account_selected=True, selected_user_id="alice")
    another = Progress(account_selected=True)
    yield Case("`prompt=select_account`", "signed in", _asks("select_account"), signed_in)
    yield Case(
        "`prompt=select_account`", "the signed-in account was chosen", _asks("select_account"), signed_in, chosen
    )
    yield Case("`prompt=select_account`", "another account was asked for", _asks("select_account"), signed_in, another)


def _freshness() -> Iterator[Case]:
    signed_in = _with(ALICE)
    yield Case("`max_age=3600`", "signed in 30 minutes ago", _asks(max_age=3600), signed_in)
    yield Case("`max_age=60`", "signed in 30 minutes ago", _asks(max_age=60), signed_in)
    yield Case("`max_age=0`", "signed in before", _asks(max_age=0), signed_in)
    yield Case("`id_token_hint` of Alice", "Alice is signed in", _asks(subject_hint="alice"), signed_in)
    yield Case("`id_token_hint` of Bob", "Alice is signed in", _asks(subject_hint="bob"), signed_in)


def _levels() -> Iterator[Case]:
    asks, asks_essentially = _asks(acr_values=(ACR_MFA,)), _asks(acr_values=(ACR_MFA,), acr_essential=True)
    by_password = "signed in by password; no second factor"
    yield Case("`acr_values` MFA", "signed in by password; codes are enrolled", asks, _with(ALICE, totp_enrolled=True))
    yield Case("`acr_values` MFA", "signed in with MFA", asks, _with(ALICE_MFA, totp_enrolled=True))
    yield Case("`acr_values` MFA", by_password, asks, _with(ALICE))
    yield Case("essential `acr` MFA", by_password, asks_essentially, _with(ALICE))


def _recovery() -> Iterator[Case]:
    proven = Recovery("alice@example.com", "proof", user_id="alice")
    for situation, recovery in (
        ("the password is forgotten", Recovery()),
        ("an address was given", Recovery("alice@example.com", "proof")),
        ("what was mailed was brought back", proven),
    ):
        yield Case("anything", situation, _asks(), _with(None), Progress(recovery=recovery))
    yield Case(
        "anything", "what was mailed was brought back; somebody is signed in", _asks(), _with(ALICE),
        Progress(recovery=proven),
    )  # fmt: skip


def decision_table() -> str:
    """The cases, their step, and what `prompt=none` would answer."""
    rows = [(case.asked, case.situation, code(case.step.value), _silently(case)) for case in cases()]
    return table(("the request asks for", "the situation", "next step", "with `prompt=none` instead"), rows)


def _silently(case: Case) -> str:
    if case.progress != Progress() or case.requirements.prompts or case.requirements.client_id is None:
        return "–"  # silence leaves nothing to progress with, and excludes other prompts
    return "a code" if case.step is Step.DONE else code(SILENT[case.step]().error)
