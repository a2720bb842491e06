"""OpenID Connect Core §8.1: whoever joins a sector is named in the sector's own document."""

from typing import Any

import pytest

from idp.core.errors import Invalid
from idp.core.fetch import FetchError
from idp.identity.clients.members import Members
from idp.identity.clients.sector import check_sector_document, sector_of

SHOP, BLOG = "https://shop.example.com/callback", "https://blog.example.org/callback"
DOCUMENT = "https://example.net/redirect-uris.json"


class Site:
    """What is found at the address of the document."""

    def __init__(self, *uris: str, is_there: bool = True) -> None:
        self.uris = list(uris)
        self.is_there = is_there

    def get_json_array(self, url: str) -> list[Any]:
        assert url == DOCUMENT
        if not self.is_there:
            raise FetchError("404")
        return self.uris


def client(*uris: str, **members: Any) -> Members:
    return Members(redirect_uris=uris, subject_type="pairwise", **members)


def test_every_redirect_uri_has_to_be_in_it() -> None:
    check_sector_document(client(SHOP, BLOG, sector_identifier_uri=DOCUMENT), Site(BLOG, "x", SHOP))  # type: ignore[arg-type]
    for site in (Site(), Site(SHOP), Site(SHOP, BLOG + "/"), Site(SHOP, BLOG, is_there=False)):
        with pytest.raises(Invalid) as refusal:
            check_sector_document(client(SHOP, BLOG, sector_identifier_uri=DOCUMENT), site)  # type: ignore[arg-type]
        assert refusal.value.field == "sector_identifier_uri"


def test_the_host_of_the_document_names_the_sector_before_that_of_the_redirect_uris() -> None:
    assert sector_of(client(SHOP, BLOG, sector_identifier_uri=DOCUMENT)) == "example.net"
    assert sector_of(client(SHOP)) == "shop.example.com"
    assert sector_of(Members(redirect_uris=(SHOP,))) is None
