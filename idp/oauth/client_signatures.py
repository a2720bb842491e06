"""JWTs that a client signed: its assertions and its request objects."""

from typing import Any

from joserfc.jwk import KeySet, OctKey

from idp.identity.clients.client import Client
from idp.identity.clients.members import CLIENT_ALGORITHMS, MAC_ALGORITHMS
from idp.identity.clients.secrets import secrets_in_clear
from idp.services.keys.jws import InvalidToken, read_header, verify_jwt
from idp.web.provider import current_provider

#: By which clients may sign with a key of their own, and with the secret that we share.
ASYMMETRIC, SYMMETRIC = CLIENT_ALGORITHMS, MAC_ALGORITHMS

LEEWAY = 10
"""Seconds by which a client's clock may differ from ours."""


def signed_claims(
    client: Client,
    token: str,
    *,
    algorithms: tuple[str, ...],
    typ: tuple[str, ...],
    issuer: str | None,
    requires_expiry: bool = True,
) -> dict[str, Any]:
    """The claims of a JWT that the client signed by one of `algorithms`; other parameters as `verify_jwt` has them.

    The algorithm decides the kind of key, so a public key never serves as an HMAC secret. Raises InvalidToken.
    """
    header = read_header(token)
    if header.alg not in algorithms:
        raise InvalidToken(f"alg {header.alg!r}, allowed {algorithms}")
    failure = InvalidToken("the client has no keys")
    for keys in _candidates(client, header.alg, header.kid):
        try:
            return verify_jwt(
                keys,
                token,
                typ=typ,
                issuer=issuer,
                audience=None,
                leeway=LEEWAY,
                algorithms=algorithms,
                requires_expiry=requires_expiry,
            )
        except InvalidToken as error:
            failure = error
    raise failure


def _candidates(client: Client, alg: str, kid: str | None) -> list[KeySet]:
    if alg in SYMMETRIC:
        return [KeySet([OctKey.import_key(secret)]) for secret in secrets_in_clear(client)]
    keys = current_provider().client_keys.of(client, kid)
    return [] if keys is None else [keys]
