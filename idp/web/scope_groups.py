"""What scopes let an app do, in plain words and by the API they belong to: for consent and for looking back at it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from idp.core.scopes import STANDARD_SCOPES
from idp.identity.clients.resource_servers import ResourceServer
from idp.web import texts


@dataclass(frozen=True, slots=True)
class ScopeGroup:
    """The scopes of the person's own account, or of one API: their values with what they allow."""

    title: str
    audience: str | None
    scopes: tuple[tuple[str, str], ...]


def scope_groups(scopes: Sequence[str], servers: Iterable[ResourceServer]) -> list[ScopeGroup]:
    """The person's own data first, then the APIs; one that is only named too."""
    groups = []
    own = [scope for scope in scopes if scope in STANDARD_SCOPES and scope != "offline_access"]
    if own:
        described = tuple((scope, texts.scope_description(scope)) for scope in own)
        groups.append(ScopeGroup(str(texts.ACCOUNT_GROUP_TITLE), None, described))
    for server in servers:
        described = tuple((scope, server.scopes[scope] or scope) for scope in scopes if scope in server.scopes)
        # A token says who somebody is and which roles they have, and that opens doors without any scope.
        described = described or (("", str(texts.API_ACCESS)),)
        groups.append(ScopeGroup(server.name, urlsplit(server.audience).netloc or server.audience, described))
    return groups
