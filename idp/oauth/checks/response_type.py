"""`response_type`: the authorization code flow (RFC 6749 §3.1.1); tokens never travel in the front channel."""

from idp.oauth.checks.draft import Draft
from idp.oauth.errors import InvalidRequest, UnauthorizedClient, UnsupportedResponseType

SUPPORTED = ("code",)


def check(draft: Draft) -> None:
    """Raises InvalidRequest, UnsupportedResponseType or UnauthorizedClient."""
    response_type = draft.params.get("response_type")
    if response_type is None:
        raise InvalidRequest("response_type is missing")
    # The order of the values does not matter (RFC 6749 §3.1.1).
    normalized = " ".join(sorted(response_type.split()))
    if normalized not in SUPPORTED:
        raise UnsupportedResponseType("this server supports response_type=code")
    if not (draft.client.allows_response_type(normalized) and draft.client.allows_grant("authorization_code")):
        raise UnauthorizedClient("the client is not registered for the authorization code flow")
    draft.response_type = normalized
