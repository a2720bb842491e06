"""`response_type`: what the answer carries (RFC 6749 §3.1.1, OAuth 2.0 Multiple Response Type Encoding Practices)."""

from idp.core.settings import Settings
from idp.identity.clients.grants import RESPONSE_TYPES
from idp.oauth.checks.draft import Draft
from idp.oauth.errors import InvalidRequest, UnauthorizedClient, UnsupportedResponseType

CODE = "code"


def supported(settings: Settings) -> tuple[str, ...]:
    """The response types of this server: the code flow, and with the switch on the implicit and hybrid flows."""
    return tuple(RESPONSE_TYPES) if settings.has_front_channel_tokens else (CODE,)


def check(draft: Draft) -> None:
    """Raises InvalidRequest, UnsupportedResponseType or UnauthorizedClient."""
    response_type = draft.params.get("response_type")
    if response_type is None:
        raise InvalidRequest("response_type is missing")
    # The order of the values does not matter (RFC 6749 §3.1.1).
    normalized = " ".join(sorted(response_type.split()))
    available = supported(draft.provider.settings)
    if normalized not in available:
        raise UnsupportedResponseType(f"the response types of this server are: {', '.join(available)}")
    is_registered = draft.client.allows_response_type(normalized)
    if not (is_registered and all(map(draft.client.allows_grant, RESPONSE_TYPES[normalized]))):
        raise UnauthorizedClient("the client is not registered for this response type")
    draft.response_type = normalized
