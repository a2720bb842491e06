"""Sectors: which clients see the same pairwise `sub` (OpenID Connect Core §8.1)."""

from idp.core.errors import Invalid
from idp.core.fetch import Fetcher, FetchError
from idp.identity.clients.members import Members
from idp.identity.clients.redirect_uris import host_of

_FIELD = "sector_identifier_uri"


def sector_of(metadata: Members) -> str | None:
    """The host that names the client's sector; None if it sees public subjects."""
    if metadata.subject_type != "pairwise":
        return None
    return host_of(metadata.sector_identifier_uri or metadata.redirect_uris[0])


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
        raise Invalid(f"{_FIELD} could not be read: {error}", _FIELD) from error
    missing = [redirect_uri for redirect_uri in metadata.redirect_uris if redirect_uri not in document]
    if missing:
        raise Invalid(f"the document at {_FIELD} does not contain {missing[0]}", _FIELD)
