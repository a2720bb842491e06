"""Request objects: the parameters of an authorization request in a JWT (RFC 9101, OpenID Connect Core §6).

Read here, applied by the check of the same name: what is in the object, and that the client said it.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import orjson

from idp.core.crypto import b64url
from idp.core.fetch import FetchError
from idp.identity.clients.client import Client
from idp.oauth.authorization_request import UNDERSTOOD
from idp.oauth.client_signatures import ASYMMETRIC, SYMMETRIC, signed_claims
from idp.oauth.errors import InvalidRequestObject, InvalidRequestUri
from idp.services.keys.jwe import NotDecrypted, decrypt
from idp.services.keys.jws import InvalidToken, read_unsigned
from idp.web.provider import current_provider

TYP: Final = "oauth-authz-req+jwt"
MAX_URI_LENGTH: Final = 512  # OpenID Connect Core §6.2
_TYPES: Final = (TYP, "JWT", "")
_SHA256_LENGTH: Final = 43


@dataclass(frozen=True, slots=True)
class RequestObject:
    """What a client put into its request object."""

    params: dict[str, str]
    resources: tuple[str, ...]


def signing_algorithms(*, allow_unsigned: bool) -> list[str]:
    """Every algorithm by which some client may sign its request objects."""
    return sorted({*ASYMMETRIC, *SYMMETRIC, *(["none"] if allow_unsigned else [])})


def fetch(client: Client, uri: str) -> str:
    """The request object at a registered `request_uri` (OpenID Connect Core §6.2). Raises InvalidRequestUri.

    A fragment that is a SHA-256 hash has to be that of the document.
    """
    if len(uri) > MAX_URI_LENGTH:
        raise InvalidRequestUri(f"request_uri is longer than {MAX_URI_LENGTH} characters")
    address, _, fragment = uri.partition("#")
    if address not in {registered.partition("#")[0] for registered in client.metadata.request_uris}:
        raise InvalidRequestUri("request_uri is not registered for the client", detail=f"received {uri!r}")
    try:
        document = current_provider().fetcher.get_jwt(address)
    except FetchError as error:
        raise InvalidRequestUri("the request object could not be fetched", detail=str(error)) from error
    digest = b64url(hashlib.sha256(document.encode("ascii")).digest())
    if len(fragment) == _SHA256_LENGTH and fragment != digest:
        raise InvalidRequestUri("the document at request_uri has another hash than its fragment says")
    return document.strip()


def read(client: Client, token: str) -> RequestObject:
    """Decrypt, verify and take apart. Raises InvalidRequestObject, with the reason in its private detail."""
    try:
        claims = _claims(client, token)
    except (InvalidToken, NotDecrypted) as error:
        raise InvalidRequestObject("the request object cannot be verified", detail=error.reason) from error
    _check_parties(client, claims)
    resources = claims.pop("resource", ())
    listed = [resources] if isinstance(resources, str) else resources
    if not isinstance(listed, list | tuple) or not all(isinstance(value, str) for value in listed):
        raise InvalidRequestObject("resource in the request object is neither a string nor a list of strings")
    # What we do not know is ignored, as outside (RFC 6749 §3.1).
    params = {name: _as_parameter(name, value) for name, value in claims.items() if name in UNDERSTOOD}
    return RequestObject({name: value for name, value in params.items() if value}, tuple(filter(None, listed)))


def _claims(client: Client, token: str) -> dict[str, Any]:
    metadata = client.metadata
    if token.count(".") == 4:
        # Whatever is registered: that only declares what the client may use (Dynamic Client Registration §2).
        token = _decrypted(token)
    registered = metadata.request_object_signing_alg
    may_be_unsigned = (
        current_provider().settings.features.unsigned_request_objects
        and registered in (None, "none")
        and not metadata.require_signed_request_object
    )
    if may_be_unsigned and (unsigned := read_unsigned(token)) is not None:
        return unsigned
    return signed_claims(
        client,
        token,
        algorithms=(registered,) if registered else ASYMMETRIC + SYMMETRIC,
        typ=_TYPES,
        issuer=None,
        requires_expiry=False,
    )


def _decrypted(token: str) -> str:
    content = decrypt(current_provider().keyset.decryption_keys(), token)
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        raise InvalidToken("what was encrypted is no token") from None


def _check_parties(client: Client, claims: dict[str, Any]) -> None:
    """RFC 9101 §4, §5, §10.8: who wrote it, and for whom. `iss` and `aud` may be left out; wrong they may not be."""
    if claims.get("iss", client.client_id) != client.client_id:
        raise InvalidRequestObject("iss in the request object has to be the client_id")
    if claims.get("client_id", client.client_id) != client.client_id:
        raise InvalidRequestObject("client_id in the request object differs from the one beside it")
    audience = claims.get("aud", current_provider().settings.issuer)
    if current_provider().settings.issuer not in ([audience] if isinstance(audience, str) else audience):
        raise InvalidRequestObject("aud in the request object has to be the issuer")
    if claims.get("sub") == client.client_id:
        raise InvalidRequestObject("sub in the request object is the client_id, as in a client assertion")
    for name in ("request", "request_uri"):
        if name in claims:
            raise InvalidRequestObject(f"{name} must not be in a request object")


def _as_parameter(name: str, value: Any) -> str:
    """The value as the request itself would have carried it. Raises InvalidRequestObject."""
    if isinstance(value, str):
        return value
    if name == "max_age" and type(value) is int:
        return str(value)
    if name in ("claims", "registration") and isinstance(value, dict):
        return orjson.dumps(value).decode()
    if value is None:
        return ""
    raise InvalidRequestObject(f"{name} in the request object has the wrong type")
