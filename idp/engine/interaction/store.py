"""Keeping Interactions: begin, load for the right browser, update without losing a parallel update."""

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from idp.core.clock import now
from idp.core.crypto import constant_time_equal, sha256_hex
from idp.core.randomness import new_token
from idp.core.setting_sections import Lifetimes
from idp.engine.interaction.record import (
    Failure,
    FirstFactor,
    Interaction,
    Progress,
    Recovery,
    Registration,
    Requirements,
)
from idp.services.limits.pending import Pending
from idp.storage.ephemeral import EphemeralStore

_PREFIX = "interaction:"


class Interactions:
    """Interactions in the ephemeral store.

    The record outlives its own validity (`lifetimes.interaction`), so that a person who comes back late is
    taken to the start of the same request instead of a dead end (`lifetimes.interaction_restart`).
    """

    def __init__(self, store: EphemeralStore, pending: Pending, lifetimes: Lifetimes) -> None:
        self._store = store
        self._pending = pending
        self._lifetimes = lifetimes

    def begin(
        self,
        *,
        browser_id: str,
        visitor: str | None,
        requirements: Requirements,
        resume_path: str,
        restart_path: str,
        request: dict[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> Interaction:
        """Start an Interaction for the browser that holds `browser_id`. `{id}` in `resume_path` is filled in.

        `progress` is what the person has done before. `visitor` is who it is counted for until somebody has signed in.
        Raises TooMany if they have begun many others.
        """
        ticket = self._pending.begin("sign_in", visitor)
        interaction_id = new_token(160)
        interaction = Interaction(
            id=interaction_id,
            browser_hash=sha256_hex(browser_id),
            expires_at=now() + timedelta(seconds=self._lifetimes.interaction),
            requirements=requirements,
            resume_path=resume_path.replace("{id}", interaction_id),
            restart_path=restart_path,
            request=request or {},
            progress=replace(progress or Progress(), ticket=ticket),
        )
        self._store.put(_key(interaction_id), _dump(interaction), self._lifetimes.interaction_restart)
        return interaction

    def load(self, interaction_id: str, browser_id: str | None) -> Interaction | None:
        """The Interaction, if it exists and this browser began it (an attacker's link opens nothing)."""
        if browser_id is None or not interaction_id.isascii() or len(interaction_id) > 64:
            return None
        return self.find(sha256_hex(interaction_id), browser_id)

    def find(self, digest: str, browser_id: str | None) -> Interaction | None:
        """The same by the hash of its id, which is all that others may keep of it (`digest_of`)."""
        raw = self._store.get(_PREFIX + digest) if browser_id is not None else None
        if raw is None or browser_id is None:
            return None
        interaction = _load(raw)
        return interaction if constant_time_equal(interaction.browser_hash, sha256_hex(browser_id)) else None

    def update(self, interaction: Interaction, *, prolong: bool = False, **changes: Any) -> Interaction | None:
        """Store new progress. None if another tab changed it meanwhile: go back to the hub and look again.

        With `prolong` the person has as much time again, because they now have to wait for a mail.
        """
        expires_at = now() + timedelta(seconds=self._lifetimes.interaction) if prolong else interaction.expires_at
        changed = replace(interaction, expires_at=expires_at, progress=replace(interaction.progress, **changes))
        stored = self._store.compare_and_set(
            _key(interaction.id), _dump(interaction), _dump(changed), self._lifetimes.interaction_restart
        )
        return changed if stored else None

    def authenticated(self, interaction: Interaction, **changes: Any) -> Interaction | None:
        """Like `update`, when somebody has just proven who they are: it counts for no visitor any more."""
        changed = self.update(interaction, ticket=None, **changes)
        if changed is not None and interaction.progress.ticket is not None:
            self._pending.finished(interaction.progress.ticket)
        return changed

    def fail(self, interaction: Interaction, failure: Failure) -> None:
        """Note how it ended, whatever other tabs do at the same moment; nothing if it was answered or is gone."""
        present: Interaction | None = interaction
        while present is not None and not present.progress.completed:
            if self.update(present, failure=failure) is not None:
                return
            raw = self._store.get(_key(interaction.id))
            present = _load(raw) if raw is not None else None

    def complete(self, interaction: Interaction) -> bool:
        """Mark it answered; True for exactly one of any number of parallel callers."""
        return self.update(interaction, completed=True) is not None


def is_expired(interaction: Interaction) -> bool:
    """True if the person took too long and has to begin again."""
    return interaction.expires_at <= now()


def digest_of(interaction: Interaction) -> str:
    """What may be kept of an Interaction elsewhere: its id is a bearer value of its browser."""
    return sha256_hex(interaction.id)


def _key(interaction_id: str) -> str:
    # Stored hashed, like a session id.
    return _PREFIX + sha256_hex(interaction_id)


def _dump(interaction: Interaction) -> bytes:
    return orjson.dumps(asdict(interaction), default=_plain, option=orjson.OPT_SORT_KEYS)


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"an Interaction cannot hold a {type(value).__name__}")


def _load(raw: bytes) -> Interaction:
    record = orjson.loads(raw)
    required, progress = record["requirements"], record["progress"]
    for name in ("acr_values", "ui_locales", "scopes", "resources", "claims"):
        required[name] = tuple(required[name])
    required["prompts"] = frozenset(required["prompts"])
    failure = progress["failure"]
    for name in ("first_factor", "returning"):
        if proven := progress.get(name):
            progress[name] = FirstFactor(
                proven["user_id"], datetime.fromisoformat(proven["at"]), tuple(proven["amr"]), proven.get("credential")
            )
    if registration := progress["registration"]:
        progress["registration"] = Registration(**registration)
    if recovery := progress["recovery"]:
        progress["recovery"] = Recovery(**recovery)
    if failure:
        progress["failure"] = Failure(**failure)
    record["expires_at"] = datetime.fromisoformat(record["expires_at"])
    record["requirements"] = Requirements(**required)
    record["progress"] = Progress(**progress)
    return Interaction(**record)
