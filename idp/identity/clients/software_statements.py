"""Software statements: what somebody whom we trust says about a piece of software (RFC 7591 §2.3)."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc.jwk import KeySet

from idp.core.crypto import unb64url
from idp.core.errors import ConfigurationError, IdpError, Invalid
from idp.core.fetch import Fetcher, FetchError
from idp.core.strict_json import strict_json
from idp.identity.clients.public_keys import check_jwks, key_set, usable_keys
from idp.identity.clients.uris import check_web_url
from idp.services.keys.jws import MAX_TOKEN_BYTES, InvalidToken, verify_jwt

KEYS_LIFETIME = 3600
"""Seconds after which the keys at a `jwks_uri` are fetched anew."""
_TYPES = ("", "JWT", "software-statement+jwt")
_ABOUT_ITSELF = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
"""Claims that are about the statement, not about the software."""


class UnapprovedStatement(IdpError):
    """The statement is by somebody whose word does not count here, or not meant for us."""


class InvalidStatement(IdpError):
    """The statement is no statement, is not by whom it names, or is out of date."""


@dataclass(frozen=True, slots=True)
class _Issuer:
    keys: KeySet | None
    jwks_uri: str | None


class SoftwareStatements:
    """Verifies software statements by the keys of those whom the operator trusts."""

    def __init__(self, trusted: Path | None, fetcher: Fetcher, audience: str) -> None:
        """`trusted` is the file of `IDP_REGISTRATION__TRUSTED_SOFTWARE_ISSUERS`; `audience` is who we are.

        Raises ConfigurationError if the file is not what it should be.
        """
        self._issuers = {} if trusted is None else _read(trusted)
        self._fetcher = fetcher
        self._audience = audience
        self._fetched: dict[str, tuple[float, KeySet]] = {}
        self._lock = threading.Lock()

    def claims(self, statement: object, *, is_known: bool = False) -> dict[str, Any]:
        """What the statement says of the software. `is_known`: it was accepted before, and may have expired since.

        Raises UnapprovedStatement or InvalidStatement.
        """
        said = _unverified(statement)
        issuer = self._issuers.get(str(said.get("iss")))
        if issuer is None:
            raise UnapprovedStatement("the issuer of the software statement is not trusted here")
        try:
            claims = self._verified(issuer, str(statement), said, is_known=is_known)
        except InvalidToken as error:
            raise InvalidStatement(f"the software statement is not valid: {error.reason}") from error
        audience = claims.get("aud", self._audience)
        if self._audience not in ([audience] if isinstance(audience, str) else audience):
            raise UnapprovedStatement("the software statement is meant for another server")
        return {name: value for name, value in claims.items() if name not in _ABOUT_ITSELF}

    def _verified(self, issuer: _Issuer, statement: str, said: Mapping[str, Any], *, is_known: bool) -> dict[str, Any]:
        keys = issuer.keys or self._published(str(issuer.jwks_uri))
        # A statement about software need not expire, unlike other tokens.
        verify_expiry = "exp" in said and not is_known
        return verify_jwt(
            keys, statement, typ=_TYPES, issuer=str(said["iss"]), audience=None, verify_expiry=verify_expiry
        )

    def _published(self, uri: str) -> KeySet:
        fetched_at, keys = self._fetched.get(uri, (0.0, None))
        if keys is not None and time.monotonic() - fetched_at < KEYS_LIFETIME:
            return keys
        try:
            fresh = key_set(usable_keys(self._fetcher.get_json(uri)))
        except (FetchError, Invalid) as error:
            if keys is not None:
                return keys
            raise UnapprovedStatement("the keys of the issuer of the software statement cannot be read") from error
        with self._lock:
            self._fetched[uri] = (time.monotonic(), fresh)
        return fresh


def _unverified(statement: object) -> dict[str, Any]:
    """The claims as they stand, to learn whose keys to ask. Raises InvalidStatement."""
    if not isinstance(statement, str) or len(statement) > MAX_TOKEN_BYTES or statement.count(".") != 2:
        raise InvalidStatement("the software statement is not a signed JWT")
    try:
        claims = strict_json(unb64url(statement.split(".")[1]))
    except ValueError:
        claims = None
    if not isinstance(claims, dict):
        raise InvalidStatement("the software statement is not a signed JWT")
    return claims


def _read(path: Path) -> dict[str, _Issuer]:
    try:
        entries = strict_json(path.read_bytes())
        if not isinstance(entries, list):
            raise ValueError("not a list")
        return {str(entry["issuer"]): _issuer(entry) for entry in entries}
    except OSError as error:
        raise ConfigurationError(f"the file of trusted software issuers cannot be read: {error.strerror}") from None
    except Invalid as error:
        raise ConfigurationError(f"{path}: {error}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ConfigurationError(f"{path}: a JSON list of objects with 'issuer' and 'jwks' or 'jwks_uri'") from None


def _issuer(entry: Mapping[str, Any]) -> _Issuer:
    if ("jwks" in entry) == ("jwks_uri" in entry):
        raise ValueError("either jwks or jwks_uri")
    if "jwks" in entry:
        return _Issuer(key_set(check_jwks(entry["jwks"])), None)
    check_web_url(entry["jwks_uri"], "jwks_uri")
    return _Issuer(None, entry["jwks_uri"])
