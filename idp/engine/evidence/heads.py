"""Signed statements about a chain: where it had come to (`head`), and up to where it was deleted (`checkpoint`).

Whoever can write to the database can also make a chain anew, but cannot sign it. A head that was exported in time
therefore proves what the trail was then, whatever became of the database, of the keys, or of this product: it is a JWS
that names its own public key. That this key was ours is known by those who kept a head, or a copy of the JWKS.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet
from sqlalchemy import Connection, Table, delete, insert, select

from idp.core.clock import from_timestamp, timestamp
from idp.core.errors import IdpError, Invalid
from idp.services.keys.jws import InvalidToken, read_payload, sign_jwt, verify_jwt
from idp.services.keys.signer import Signer
from idp.storage.db import reading
from idp.storage.tables import AuditHead, SigningKeyRow

HEAD: Final = "head"
CHECKPOINT: Final = "checkpoint"
TYPE: Final = "audit-head+jwt"
"""Of these statements alone: nobody takes one for a token, nor a token for one (RFC 8725 §3.11)."""

heads: Final = cast(Table, AuditHead.__table__)
_keys: Final = cast(Table, SigningKeyRow.__table__)


@dataclass(frozen=True, slots=True)
class Statement:
    """What was signed, once its signature has been verified."""

    stream: str
    purpose: str
    sequence: int
    hash: str
    """In hexadecimal digits."""
    signed_at: datetime
    issuer: str
    kid: str


@dataclass(frozen=True, slots=True)
class Head:
    """A statement as it is stored and exported."""

    stream: str
    purpose: str
    sequence: int
    signed_at: datetime
    statement: str


class UntrustedStatement(IdpError):
    """A statement that nothing follows from; the reason is its text."""


def sign(
    signer: Signer, public_jwk: dict[str, Any], issuer: str, *, stream: str, purpose: str, sequence: int, hash_: bytes,
    at: datetime,
) -> Head:  # fmt: skip
    """State that the stream has this hash at this place."""
    claims = {
        "iss": issuer,
        "iat": timestamp(at),
        "purpose": purpose,
        "stream": stream,
        "sequence": sequence,
        "hash": hash_.hex(),
        "key": public_jwk,
    }
    return Head(stream, purpose, sequence, at, sign_jwt(signer, claims, TYPE))


def read_statement(jws: str) -> Statement:
    """The statement, if the key that it names has signed it. Raises UntrustedStatement.

    Whether that key is one of ours is another question: see `key_problem`.
    """
    try:
        jwk = read_payload(jws)["key"]
        key = JWKRegistry.import_key({**jwk, "use": "sig"})
        kid = key.thumbprint()
        claims = verify_jwt(
            KeySet([key]), jws, typ=TYPE, issuer=None, audience=None, requires_expiry=False, verify_expiry=False
        )
        if jwk.get("kid") != kid:
            raise UntrustedStatement("the key is not the one that it is named after")
        return Statement(
            stream=claims["stream"],
            purpose=claims["purpose"],
            sequence=int(claims["sequence"]),
            hash=bytes.fromhex(claims["hash"]).hex(),
            signed_at=from_timestamp(claims["iat"]),
            issuer=str(claims["iss"]),
            kid=kid,
        )
    except InvalidToken as error:
        raise UntrustedStatement(error.reason) from None
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        raise UntrustedStatement("it is no signed statement about an audit trail") from None


def known_keys() -> Mapping[str, datetime | None]:
    """Every signing key that was ever ours, and when it was withdrawn."""
    with reading() as connection:
        found = connection.execute(select(_keys.c.kid, _keys.c.retired_at)).all()
    return dict(tuple(row) for row in found)


def key_problem(statement: Statement, ours: Mapping[str, datetime | None]) -> str | None:
    """Why the key that signed a statement is not to be trusted, as far as this installation knows."""
    if statement.kid not in ours:
        return "its key was never one of ours"
    retired_at = ours[statement.kid]
    if retired_at is not None and statement.signed_at > retired_at:
        return "its key had been withdrawn before"
    return None


def store(connection: Connection, head: Head) -> None:
    """Keep a statement, within the caller's transaction. A checkpoint takes the place of the one before."""
    if head.purpose == CHECKPOINT:
        connection.execute(delete(heads).where(heads.c.stream == head.stream, heads.c.purpose == CHECKPOINT))
        connection.execute(delete(heads).where(heads.c.stream == head.stream, heads.c.sequence < head.sequence))
    connection.execute(
        insert(heads).values(
            stream=head.stream,
            purpose=head.purpose,
            sequence=head.sequence,
            signed_at=head.signed_at,
            statement=head.statement,
        )
    )


def stored(stream: str | None = None, purpose: str | None = None, since: datetime | None = None) -> list[Head]:
    """The statements that are kept, in the order of the chain."""
    query = select(heads.c.stream, heads.c.purpose, heads.c.sequence, heads.c.signed_at, heads.c.statement)
    if stream is not None:
        query = query.where(heads.c.stream == stream)
    if purpose is not None:
        query = query.where(heads.c.purpose == purpose)
    if since is not None:
        query = query.where(heads.c.signed_at >= since)
    with reading() as connection:
        found = connection.execute(query.order_by(heads.c.stream, heads.c.sequence, heads.c.purpose)).mappings()
        return [Head(**row) for row in found]


def latest(stream: str) -> Head | None:
    """The head of a stream that was signed last."""
    query = select(heads.c.stream, heads.c.purpose, heads.c.sequence, heads.c.signed_at, heads.c.statement)
    of_stream = query.where(heads.c.stream == stream, heads.c.purpose == HEAD)
    with reading() as connection:
        found = connection.execute(of_stream.order_by(heads.c.sequence.desc()).limit(1)).mappings().one_or_none()
    return None if found is None else Head(**found)


def exported(text: str) -> list[str]:
    """The statements in what `idp audit heads` printed: a JWS on each line, or JSON. Raises Invalid."""
    try:
        value = orjson.loads(text)
    except ValueError:
        return _not_empty(line.strip() for line in text.splitlines())
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(entry, dict) and isinstance(entry.get("statement"), str) for entry in found):
        raise Invalid("the file holds no signed heads")
    return _not_empty(entry["statement"] for entry in found)


def _not_empty(statements: Iterable[str]) -> list[str]:
    found = [statement for statement in statements if statement]
    if not found:
        raise Invalid("the file holds no signed heads")
    return found
