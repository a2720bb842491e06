"""Resources: the APIs that a client may have tokens for; asked at every door, and again by every grant (RT5)."""

from idp.identity.clients.client import Client
from idp.identity.clients.resource_servers import ResourceServer


def may_use(client: Client, api: ResourceServer) -> bool:
    """True if the client may have tokens for this API (RFC 8707).

    An operator's client may name any unless its registration says which. One that registered itself reaches only
    APIs of whose scopes it has one: what strangers get is decided by the scopes that the settings leave them.
    """
    if not client.allows_resource(api.audience):
        return False
    return not client.is_self_registered or not api.scopes.keys().isdisjoint(client.scopes or ())
