"""`resource`: the APIs the token is for (RFC 8707 §2.1)."""

from idp.engine.tokens import InvalidScope as UnclearScope
from idp.engine.tokens import InvalidTarget as UnknownTarget
from idp.oauth.checks.draft import Draft
from idp.oauth.client_resources import may_use
from idp.oauth.errors import InvalidScope, InvalidTarget


def check(draft: Draft) -> None:
    """Raises InvalidTarget for an unknown resource or one the client may not use, InvalidScope (RFC 9068 §3) for
    scopes of several APIs of which none is named.
    """
    targets = draft.provider.tokens.targets
    try:
        resources = tuple(dict.fromkeys(targets.lookup(value).audience for value in draft.resources_sent))
        servers = targets.servers_for(draft.scopes, resources)
    except UnknownTarget as error:
        raise InvalidTarget(str(error), detail=error.detail) from error
    except UnclearScope as error:
        raise InvalidScope(str(error), detail=error.detail) from error
    # Named, or meant by a scope: a client restricted to some APIs reaches no other.
    refused = [server.audience for server in servers if not may_use(draft.client, server)]
    if refused:
        raise InvalidTarget("the client may not use the requested resource", detail=f"refused {refused}")
    draft.resources = resources
