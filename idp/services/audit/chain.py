"""What an event is sealed with: a hash over itself and the seal before it.

Two parts of an event may be a person's data: whom it is about (`subject`) and where it came from (`origin`). The chain
holds a salted digest of each instead of the part itself. To erase a person is to replace their parts and to forget the
salts: what the digests were made of can then be neither read nor guessed, and the chain still verifies.

Everything is SHA-256 over JSON in one spelling, so that a program that knows nothing of this product can check it:
members sorted by name, no white space, UTF-8, no needless escapes.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

GENESIS = bytes(32)
"""Stands for the seal before the first."""
SALT_BYTES = 16
USER_PREFIX = "user:"

_spell = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_SUBJECT = ("user_id", "session_id", "details")
_ORIGIN = ("actor", "ip_address", "user_agent", "request_id")
_CLEAR = ("id", "event", "client_id")


@dataclass(frozen=True, slots=True)
class Part:
    """The digest of a part of an event, and the salt that went into it."""

    salt: bytes | None
    """None once it was forgotten."""
    digest: bytes


def subject_part(event: Mapping[str, Any], salt: bytes | None = None) -> Part:
    """Whom an event is about, under that salt or a new one."""
    return _part(event, _SUBJECT, salt)


def origin_part(event: Mapping[str, Any], salt: bytes | None = None) -> Part:
    """Who did it and from where, under that salt or a new one."""
    return _part(event, _ORIGIN, salt)


def seal_hash(
    previous: bytes, stream: str, sequence: int, event: Mapping[str, Any], subject: bytes, origin: bytes
) -> bytes:
    """The hash of the seal that follows `previous`; `subject` and `origin` are the digests of the parts."""
    link = {name: event[name] for name in _CLEAR}
    link["at"] = exact_instant(event["at"])
    link["actor"] = nameless(event["actor"])
    link["previous"] = previous.hex()
    link["stream"] = stream
    link["sequence"] = sequence
    link["subject"] = subject.hex()
    link["origin"] = origin.hex()
    return _hash(link)


def nameless(actor: str) -> str:
    """An actor without the name of a person; clients, `operator` and `system` as they are."""
    return USER_PREFIX if actor.startswith(USER_PREFIX) else actor


def exact_instant(at: datetime) -> str:
    """RFC 3339 in UTC, to the microsecond, which is as precisely as both databases keep it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _part(event: Mapping[str, Any], names: tuple[str, ...], salt: bytes | None) -> Part:
    if salt is None:
        salt = os.urandom(SALT_BYTES)
    return Part(salt, _hash({**{name: event[name] for name in names}, "salt": salt.hex()}))


def _hash(value: Mapping[str, Any]) -> bytes:
    # Half a surrogate is never recorded; whoever writes one into the database is to be found out, not to be crashed on.
    return sha256(_spell(value).encode("utf-8", "surrogatepass")).digest()
