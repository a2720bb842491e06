"""Refresh tokens: derived, not stored; rotated, with reuse detection (RFC 9700 §4.14).

A refresh token is `base64url(family id | generation | HMAC)`. The HMAC needs both `IDP_SECRET_KEY` and the
family's salt, so neither a database dump nor the key alone yields a token, and the successor of a token can
be computed again: a client that lost the answer, or refreshed from two processes at once, gets the same
successor within the race grace. One row per family carries the current generation.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from idp.core.clock import now
from idp.core.crypto import SecretRing, b64url, unb64url
from idp.core.setting_sections import Lifetimes
from idp.engine.tokens.families import Families, Family

_PURPOSE = "refresh-token"
_SIZE = 16 + 4 + 32


class Refresh(Enum):
    """What became of a refresh attempt."""

    ROTATED = auto()
    """A new generation: the presented token is spent."""
    REPEATED = auto()
    """A repeat within the race grace: the same successor again."""
    KEPT = auto()
    """The client's tokens are not rotated: it keeps the one it has."""
    REUSED = auto()
    """A spent token after its grace: the family has to be revoked."""
    DEAD = auto()
    """Unknown, expired, revoked, or of a user who may no longer sign in."""


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """A refresh token whose MAC is right, with its family."""

    family: Family
    generation: int


class RefreshTokens:
    """Minting, reading and rotating refresh tokens."""

    def __init__(self, secrets: SecretRing, families: Families, lifetimes: Lifetimes) -> None:
        self._secrets = secrets
        self._families = families
        self._grace = timedelta(seconds=lifetimes.refresh_token_race_grace)

    def mint(self, family: Family, generation: int) -> str:
        """The refresh token of one generation of a family."""
        body = _body(family.id, generation)
        return b64url(body + self._secrets.mac(_PURPOSE, body + family.salt))

    def read(self, token: str) -> PresentedToken | None:
        """The family of a token that we made, whatever its state; None for anything else."""
        try:
            raw = unb64url(token)
        except ValueError:
            return None
        if len(raw) != _SIZE:
            return None
        family = self._families.get(str(uuid.UUID(bytes=raw[:16])))
        if family is None or not self._secrets.verify_mac(_PURPOSE, raw[:20] + family.salt, raw[20:]):
            return None
        return PresentedToken(family, int.from_bytes(raw[16:20]))

    def advance(self, presented: PresentedToken, *, rotate: bool) -> tuple[Refresh, int]:
        """Use the token once, in the open transaction: what became of it, and the generation now current.

        The caller acts on REUSED and DEAD.
        """
        family = presented.family
        if not family.is_alive:
            return Refresh.DEAD, family.generation
        if presented.generation == family.generation:
            if not rotate:
                return Refresh.KEPT if self._families.touch(family) else Refresh.DEAD, family.generation
            if self._families.rotate(family):
                return Refresh.ROTATED, family.generation + 1
        # Spent, perhaps just now by another process: judge by what is stored, not by what was read before.
        latest = self._families.get(family.id)
        if latest is None or not latest.is_alive:
            return Refresh.DEAD, family.generation
        return self._repeat_or_reuse(latest, presented.generation), latest.generation

    def _repeat_or_reuse(self, family: Family, generation: int) -> Refresh:
        is_predecessor = generation == family.generation - 1
        if is_predecessor and family.rotated_at is not None and now() - family.rotated_at <= self._grace:
            return Refresh.REPEATED
        return Refresh.REUSED


def _body(family_id: str, generation: int) -> bytes:
    return uuid.UUID(family_id).bytes + generation.to_bytes(4)
