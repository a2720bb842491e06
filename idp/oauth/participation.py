"""Before a client gets tokens: the session still lives and knows of the client, and consent still stands.

Both in the transaction that issues the tokens, so that a sign-out or a withdrawal at the same moment either comes first
or takes them along (LO3, TK4).
"""

from idp.engine.tokens import Authorization
from idp.identity.clients.client import Client
from idp.web.provider import current_provider


def joins_session(authorization: Authorization, client: Client) -> bool:
    """Let the client take part in the session, to hear of its end; False if it has ended already."""
    session_id = authorization.session_id or ""
    sessions = current_provider().sessions
    if sessions.hold(session_id) is None:
        return False
    if authorization.is_openid:
        has_back_channel = client.metadata.backchannel_logout_uri is not None
        sessions.join(session_id, client.client_id, authorization.subject, has_back_channel=has_back_channel)
    return True


def consent_holds(authorization: Authorization, client: Client) -> bool:
    """False if the person has withdrawn what the authorization rests on."""
    if not client.asks_for_consent:
        return True
    remembered = current_provider().consents.hold(authorization.user_id, client.client_id)
    return remembered is not None and remembered.allows(authorization.scopes, authorization.resources)
