"""Frames in which the browser itself tells applications of the sign-out (OpenID Connect Front-Channel Logout)."""

from collections.abc import Sequence

from idp.identity.clients.redirect_uris import origin_of
from idp.identity.clients.uris import with_query
from idp.web.provider import current_provider

MAX_FRAMES = 50
"""More would keep people waiting. The applications they signed in to last are told; all of them by the back channel."""


def frames(session_id: str) -> list[str]:
    """What to load for each client of the session that registered a `frontchannel_logout_uri` (§2, §3)."""
    provider = current_provider()
    addresses: list[str] = []
    for client_id in provider.sessions.participants(session_id):
        client = provider.clients.get(client_id)
        uri = client.metadata.frontchannel_logout_uri if client and client.is_enabled else None
        if client is None or uri is None:
            continue
        if client.metadata.frontchannel_logout_session_required:
            uri = with_query(uri, {"iss": provider.settings.issuer, "sid": session_id})
        addresses.append(uri)
        if len(addresses) == MAX_FRAMES:
            break
    return addresses


def frame_sources(addresses: Sequence[str]) -> tuple[str, ...]:
    """Their origins, for the page's Content-Security-Policy."""
    origins: dict[str, None] = {}
    for scheme, host, port in map(origin_of, addresses):
        host = f"[{host}]" if host and ":" in host else host
        origins[f"{scheme}://{host}:{port}"] = None
    return tuple(origins)
