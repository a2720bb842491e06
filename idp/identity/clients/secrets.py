"""Client secrets: 256 generated bits, kept as a keyed hash, several valid while one replaces another.

A fast keyed hash and not Argon2: the value is not guessable, and the token endpoint checks it at every call.
"""

import re

from idp.core.clock import now
from idp.core.errors import Invalid
from idp.core.randomness import new_token
from idp.identity.clients.client import Client

_GIVEN = re.compile(r"[\x21-\x7E]{32,512}")  # a subset of RFC 6749 Appendix A.2


def generate_secret(signing_alg: str | None = None) -> str:
    """256 random bits, or as many as the HMAC algorithm demands of its key (RFC 7518 §3.2)."""
    bits = {"HS384": 384, "HS512": 512}.get(signing_alg or "", 256)
    return new_token(bits)


def check_given_secret(secret: str, signing_alg: str | None = None) -> None:
    """Accept a secret chosen by an operator: printable ASCII, long enough. Raises Invalid."""
    shortest = {"HS384": 48, "HS512": 64}.get(signing_alg or "", 32)
    if not _GIVEN.fullmatch(secret) or len(secret) < shortest:
        raise Invalid(f"a client secret has {shortest} to 512 printable ASCII characters", "client_secret")


def verify_secret(client: Client, presented: str) -> bool:
    """True if `presented` is one of the client's valid secrets; compares with all of them in any case."""
    at = now()
    matched = False
    for stored in client.secrets:
        matched |= stored.is_valid(at) & client.vault.matches(presented, stored)
    return matched and presented != ""


def secrets_in_clear(client: Client) -> list[str]:
    """The valid secrets of a `client_secret_jwt` client, the newest first; empty for any other client.

    Raises SealError if a stored value was tampered with or its key-encryption key is missing.
    """
    if client.token_endpoint_auth_method != "client_secret_jwt":
        return []
    at = now()
    opened = (client.vault.open(stored) for stored in client.secrets if stored.is_valid(at))
    return [secret for secret in opened if secret is not None]
