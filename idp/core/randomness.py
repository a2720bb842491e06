"""Identifiers and secrets. Everything unguessable in the product comes from here."""

import os
import secrets
import time
import uuid


def new_id() -> str:
    """A UUIDv7 (RFC 9562 §5.7) as text: time-ordered, so that it clusters well as a primary key.

    It reveals when it was made; use `new_subject` for what strangers see.
    """
    millis = time.time_ns() // 1_000_000
    value = (millis & 0xFFFF_FFFF_FFFF) << 80
    value |= int.from_bytes(os.urandom(10))
    value &= ~(0xF << 76) & ~(0x3 << 62) & (1 << 128) - 1
    value |= 0x7 << 76 | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_subject() -> str:
    """A user's identifier (UUIDv4): permanent, public, and silent about the person."""
    return str(uuid.uuid4())


def is_identifier(text: str) -> bool:
    """False for what is none of ours, and what a database could not even be asked for (NUL, lone surrogates)."""
    return 0 < len(text) <= 36 and text.isascii() and text.isprintable()


def new_token(bits: int = 256) -> str:
    """An unguessable URL-safe value of at least `bits` bits."""
    return secrets.token_urlsafe(-(-bits // 8))
