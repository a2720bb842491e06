"""What registration and its management share: how requests are read, bounded and answered."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec

from flask import Request, Response, abort, request
from werkzeug.exceptions import RequestEntityTooLarge

from idp.core.clock import timestamp
from idp.core.errors import Invalid
from idp.core.events import Event
from idp.core.strict_json import strict_json
from idp.identity.clients.members import SECRET_METHODS
from idp.identity.clients.self_registration import Registered
from idp.identity.clients.software_statements import InvalidStatement, UnapprovedStatement
from idp.oauth.bearer import challenge
from idp.oauth.errors import (
    InvalidClientMetadata,
    InvalidRedirectUri,
    InvalidSoftwareStatement,
    InvalidToken,
    OAuthError,
    TemporarilyUnavailable,
    UnapprovedSoftwareStatement,
)
from idp.oauth.json_response import json_response
from idp.services.limits.addresses import address_group
from idp.web.hooks import request_address
from idp.web.provider import current_provider

P = ParamSpec("P")

MAX_BODY_BYTES = 64 * 1024
_HOUR = 3600


class NoToken(InvalidToken):
    """No access token was sent at all: the challenge names no error then (RFC 6750 §3.1)."""


def answering(view: Callable[P, Response]) -> Callable[P, Response]:
    """Wrap a view: 404 while registration is closed; refusals are audited, and answered in JSON (RFC 7591 §3.2.2)."""

    @wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Response:
        if not current_provider().settings.registration.is_open:
            abort(404)
        try:
            with _registered_errors():
                return view(*args, **kwargs)
        except OAuthError as error:
            # Without a token there was no attempt, and writing each down would let strangers fill the audit trail.
            if not isinstance(error, TemporarilyUnavailable | NoToken):
                refused(error)
            headers = dict(error.get_headers())
            if isinstance(error, InvalidToken):
                headers["WWW-Authenticate"] = challenge(None if isinstance(error, NoToken) else error)
            return json_response(dict(error.get_body()), error.status_code, headers)

    return wrapped


def refused(error: OAuthError, **details: Any) -> None:
    """Remember a refusal."""
    current_provider().audit.record(
        Event.CLIENT_REGISTRATION_REFUSED, error=error.error, reason=error.detail, method=request.method, **details
    )


@contextmanager
def _registered_errors() -> Iterator[None]:
    """Give what the rooms below refuse its registered code."""
    try:
        yield
    except Invalid as error:
        kind = InvalidRedirectUri if error.field == "redirect_uris" else InvalidClientMetadata
        reason = error.detail or str(error)
        raise kind(str(error), detail=f"{error.field}: {reason}" if error.field else reason) from error
    except InvalidStatement as error:
        raise InvalidSoftwareStatement(str(error)) from error
    except UnapprovedStatement as error:
        raise UnapprovedSoftwareStatement(str(error)) from error


def presented(request: Request) -> str:
    """The token in the Authorization header, the only place for it here. Raises NoToken."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        raise NoToken("an access token is required here, in the Authorization header")
    return value.strip()


def count_attempt() -> None:
    """Charge one attempt: each may make us fetch what it names. Raises TemporarilyUnavailable.

    It is charged to the network address, and to all addresses together, as some people have many.
    """
    count_guess()
    quota = current_provider().settings.registration.quota
    _charge("registration:all", quota, "too many registrations in this hour")


def count_guess() -> None:
    """Charge a wrong token to the network address alone, lest strangers lock out whoever has a right one.

    Raises TemporarilyUnavailable.
    """
    quota, address = current_provider().settings.registration.quota_per_address, request_address()
    if address is not None:
        key = f"registration:{address_group(address)}"
        _charge(key, quota, "too many registrations from this network address")


def _charge(key: str, quota: int, message: str) -> None:
    """One use in this hour. That there are none left is recorded once in a window, however often somebody comes."""
    throttle = current_provider().throttle
    if not throttle.limited(key, quota, _HOUR):
        return
    error = TemporarilyUnavailable(message, retry_after=throttle.reopens_in(key))
    if not throttle.limited(f"{key}:refused", 1, error.retry_after):
        refused(error, retry_after=error.retry_after)
    raise error


def read_metadata(request: Request) -> dict[str, Any]:
    """The metadata in the body. Raises InvalidClientMetadata, or RequestEntityTooLarge (413)."""
    if request.mimetype != "application/json":
        raise InvalidClientMetadata("the body has to be application/json")
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    body = request.get_data(cache=False)
    if len(body) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    try:
        values = strict_json(body)
    except ValueError:
        raise InvalidClientMetadata("the body is not unambiguous JSON") from None
    if not isinstance(values, dict):
        raise InvalidClientMetadata("the body is not a JSON object")
    return values


def with_statement(values: dict[str, Any], known: str | None = None) -> dict[str, Any]:
    """Metadata in which what the software statement says has the last word (RFC 7591 §2.3).

    `known` is the statement that the client registered with: it goes on counting, sent again or not. Raises
    InvalidStatement or UnapprovedStatement.
    """
    statement = values.get("software_statement") or known
    if statement is None:
        return {name: value for name, value in values.items() if name != "software_statement"}
    said = current_provider().software_statements.claims(statement, is_known=statement == known)
    spoken_of = {name.partition("#")[0] for name in said}
    # A translation beside the statement would be shown in the place of what the statement says.
    kept = {name: value for name, value in values.items() if "#" not in name or name.partition("#")[0] not in spoken_of}
    return {**kept, **said, "software_statement": statement}


def information(registered: Registered, status: int = 200) -> Response:
    """The client information response (RFC 7591 §3.2.1, RFC 7592 §3). Secrets are shown when they are made, only."""
    client = registered.client
    body: dict[str, Any] = {
        "client_id": client.client_id,
        "client_id_issued_at": timestamp(client.created_at),
        **client.metadata.to_dict(),
        "registration_access_token": registered.registration_token,
        "registration_client_uri": current_provider().settings.url(f"/oauth2/register/{client.client_id}"),
    }
    if registered.secret is not None:
        body["client_secret"] = registered.secret
    if client.token_endpoint_auth_method in SECRET_METHODS and client.secrets:
        expires_at = client.secrets[0].expires_at
        body["client_secret_expires_at"] = 0 if expires_at is None else timestamp(expires_at)
    return json_response(body, status)
