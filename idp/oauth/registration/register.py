"""The client registration endpoint (RFC 7591 §3, OpenID Connect Dynamic Client Registration §3)."""

from flask import Response, request

from idp.identity.clients.initial_access import InitialAccess
from idp.identity.clients.self_registration import AccessSpent, RegistryFull
from idp.oauth.errors import AccessDenied, InvalidToken
from idp.oauth.registration.exchange import (
    answering,
    count_attempt,
    count_guess,
    information,
    presented,
    read_metadata,
    with_statement,
)
from idp.web.provider import current_provider

_SPENT = "the initial access token is not valid, or used up"


@answering
def register() -> Response:
    """POST /oauth2/register: an application registers itself, if the policy lets it."""
    access = _initial_access()
    count_attempt()
    values = with_statement(read_metadata(request))
    try:
        return information(current_provider().registration.register(values, access), 201)
    except AccessSpent:
        raise InvalidToken(_SPENT) from None
    except RegistryFull as error:
        denied = AccessDenied(str(error))
        denied.status_code = 403
        raise denied from error


def _initial_access() -> InitialAccess | None:
    """The initial access token where the policy asks for one (RFC 7591 §3); wrong ones count. Raises InvalidToken."""
    provider = current_provider()
    if provider.settings.registration.policy != "token":
        return None
    access = provider.initial_access.find(presented(request))
    if access is None:
        count_guess()
        raise InvalidToken(_SPENT)
    return access
