"""Authorization codes: issued once, redeemed once, and remembered after that.

A used code leaves a tombstone in the store until it would have expired, and its hash on the token family for
as long as that lives, so that reuse revokes what was issued (RFC 6749 §4.1.2, RFC 9700 §4.5).
"""

from dataclasses import dataclass
from typing import Any

import orjson

from idp.core.clock import from_timestamp, timestamp
from idp.core.crypto import sha256_hex
from idp.core.randomness import new_id, new_token
from idp.engine.tokens.authorization import Authorization
from idp.engine.tokens.errors import CodeReused, InvalidGrant
from idp.storage.ephemeral import EphemeralStore

_FRESH, _USED, _REUSED = "fresh", "used", "reused"


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """What a code stands for. `family_id` is decided at birth, so that a reused code knows what to revoke."""

    authorization: Authorization
    redirect_uri: str
    redirect_uri_was_sent: bool
    code_challenge: str | None
    nonce: str | None
    family_id: str
    hash: str


class AuthorizationCodes:
    """Codes in the ephemeral store."""

    def __init__(self, store: EphemeralStore, lifetime: int) -> None:
        self._store = store
        self._lifetime = lifetime

    def issue(
        self,
        authorization: Authorization,
        *,
        redirect_uri: str,
        redirect_uri_was_sent: bool,
        code_challenge: str | None,
        nonce: str | None,
    ) -> str:
        """A new code, valid for `lifetimes.authorization_code` seconds."""
        code = new_token(256)
        record = {
            "state": _FRESH,
            "authorization": _plain(authorization),
            "redirect_uri": redirect_uri,
            "redirect_uri_was_sent": redirect_uri_was_sent,
            "code_challenge": code_challenge,
            "nonce": nonce,
            "family_id": new_id(),
        }
        self._store.put(_key(sha256_hex(code)), orjson.dumps(record), self._lifetime)
        return code

    def redeem(self, code: str, client_id: str) -> AuthorizationCode:
        """Consume the code for its owner: of any number of parallel callers, one succeeds.

        The owner is checked before anything is consumed, so another client cannot burn it. Raises
        `CodeReused` when the owner presents it again, InvalidGrant when there is no such code for this
        client.
        """
        code_hash = sha256_hex(code)
        raw = self._store.get(_key(code_hash))
        if raw is None:
            raise UnknownCode(code_hash)
        record = orjson.loads(raw)
        if record["authorization"]["client_id"] != client_id:
            raise InvalidGrant("the authorization code is not valid", "issued to another client")
        if record["state"] != _FRESH or not self._mark(code_hash, raw, record, _USED):
            self._mark_reused(code_hash)
            raise CodeReused(record["family_id"])
        return AuthorizationCode(
            authorization=_authorization(record["authorization"]),
            redirect_uri=record["redirect_uri"],
            redirect_uri_was_sent=record["redirect_uri_was_sent"],
            code_challenge=record["code_challenge"],
            nonce=record["nonce"],
            family_id=record["family_id"],
            hash=code_hash,
        )

    def was_reused(self, code: AuthorizationCode) -> bool:
        """True if the code was presented again while its family was being stored: revoke the family."""
        raw = self._store.get(_key(code.hash))
        return raw is not None and orjson.loads(raw)["state"] == _REUSED

    def _mark(self, code_hash: str, raw: bytes, record: dict[str, Any], state: str) -> bool:
        return self._store.compare_and_set(
            _key(code_hash), raw, orjson.dumps(record | {"state": state}), self._lifetime
        )

    def _mark_reused(self, code_hash: str) -> None:
        raw = self._store.get(_key(code_hash))
        if raw is not None:
            self._mark(code_hash, raw, orjson.loads(raw), _REUSED)


class UnknownCode(InvalidGrant):
    """No such code in the store. It may still be a used one whose tombstone has gone."""

    def __init__(self, code_hash: str) -> None:
        super().__init__("the authorization code is not valid", "unknown or expired code")
        self.code_hash = code_hash


def _key(code_hash: str) -> str:
    return "code:" + code_hash


def _plain(authorization: Authorization) -> dict[str, Any]:
    record = {name: getattr(authorization, name) for name in Authorization.__slots__}
    return record | {"auth_time": timestamp(authorization.auth_time)}


def _authorization(record: dict[str, Any]) -> Authorization:
    record.setdefault("subject", record["user_id"])  # a code of the former version, in its last minute
    for name in ("scopes", "resources", "amr"):
        record[name] = tuple(record[name])
    return Authorization(**record | {"auth_time": from_timestamp(record["auth_time"])})
