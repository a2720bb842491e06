"""Client secrets: 256 generated bits, kept as a keyed hash, several valid while one replaces another.

A fast keyed hash and not Argon2: the value is not guessable, and the token endpoint checks it at every call.
"""

import re
from datetime import timedelta

from idp.core.clock import now
from idp.core.errors import Invalid
from idp.core.randomness import new_token
from idp.identity.clients.client import Client
from idp.identity.clients.members import SECRET_METHODS, Members
from idp.identity.clients.secret_vault import StoredSecret

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


def secret_for(metadata: Members, given: str | None) -> str | None:
    """The secret of a new client: the one that an operator gives, else a generated one; None if it needs none.

    Raises Invalid.
    """
    if metadata.token_endpoint_auth_method not in SECRET_METHODS:
        if given is not None:
            raise Invalid(
                f"a client that authenticates by {metadata.token_endpoint_auth_method} has no secret",
                "client_secret",
            )
        return None
    if given is None:
        return generate_secret(metadata.token_endpoint_auth_signing_alg)
    check_given_secret(given, metadata.token_endpoint_auth_signing_alg)
    return given


def is_ageing(stored: StoredSecret, lifetime: int) -> bool:
    """True if more than half of its life is over: time to hand out the next one, while this one still works."""
    return bool(lifetime) and (stored.expires_at is None or stored.expires_at - now() < timedelta(seconds=lifetime / 2))


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
