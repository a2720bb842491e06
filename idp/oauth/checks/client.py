"""`client_id`: a known, enabled client (RFC 6749 §4.1.1). Without one, nothing may redirect."""

from idp.oauth.checks.draft import Draft, PageError


def check(draft: Draft) -> None:
    """Raises PageError: there is nobody to send an error to."""
    client_id = draft.params.get("client_id")
    if client_id is None:
        raise PageError("client_missing", detail="client_id is missing")
    if "client_id" in draft.repeated:
        raise PageError("client_repeated", detail="client_id came more than once")
    client = draft.provider.clients.get(client_id)
    if client is None:
        raise PageError("client_unknown", detail=f"unknown client_id {client_id[:200]!r}")
    if not client.is_enabled:
        raise PageError("client_disabled", detail=f"client {client_id!r} is disabled", client=client)
    draft.client = client
