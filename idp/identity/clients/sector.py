"""Sectors: which clients see the same pairwise `sub` (OpenID Connect Core §8.1)."""

from collections.abc import Sequence

from idp.core.crypto import sha256_hex
from idp.core.errors import Invalid
from idp.core.fetch import Fetcher, FetchError
from idp.identity.clients.members import Members
from idp.identity.clients.redirect_uris import host_of

_FIELD = "sector_identifier_uri"


def sector_of(metadata: Members) -> str | None:
    """The host that names the client's sector; None if it sees public subjects."""
    if metadata.subject_type != "pairwise":
        return None
    uri = metadata.sector_identifier_uri
    host = host_of(uri) if uri is not None else proven_host(metadata.redirect_uris)
    # Registered when the rules were wider: on its own then, and never among those who know the public subject.
    return host or f"nowhere {sha256_hex(' '.join(metadata.redirect_uris))}"


def proven_host(redirect_uris: Sequence[str]) -> str | None:
    """The one host of redirect URIs that are all https, or None.

    Only there does TLS prove that answers reach nobody but that host: any application can claim a scheme of its own
    with any host in it, and on loopback everybody is at home.
    """
    hosts = {host_of(uri) if uri.startswith("https:") else None for uri in redirect_uris}
    return hosts.pop() if len(hosts) == 1 else None


def check_sector_document(metadata: Members, fetcher: Fetcher) -> None:
    """The sector's document names every redirect URI (Dynamic Client Registration §5). Raises Invalid.

    So nobody joins a sector without its owner's consent.
    """
    uri = metadata.sector_identifier_uri
    if uri is None:
        return
    try:
        document = fetcher.get_json_array(uri)
    except FetchError as error:
        # Whether a name exists, a port is open or somebody speaks TLS there: strangers would scan with our eyes.
        raise Invalid(f"{_FIELD} could not be read as a JSON array", _FIELD, detail=str(error)) from error
    missing = [redirect_uri for redirect_uri in metadata.redirect_uris if redirect_uri not in document]
    if missing:
        raise Invalid(f"the document at {_FIELD} does not contain {missing[0]}", _FIELD)
