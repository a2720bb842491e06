"""A client's own site that serves a request object at a `request_uri`."""

import contextlib
from collections.abc import Iterator

from tests.helpers.client_site import ClientSite, running_site


class RequestSite(ClientSite):
    """What the site answers now, and how often it was asked."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.uri = f"{origin}/request.jwt"
        self.body = b""
        self.status = 200
        self.content_type = "application/oauth-authz-req+jwt"

    @property
    def requests(self) -> int:
        """How often the site was asked."""
        return len(self.asked)

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """The request object, whatever the path."""
        return self.status, self.content_type, self.body


@contextlib.contextmanager
def request_site() -> Iterator[RequestSite]:
    """A site on the loopback address for the length of the block."""
    with running_site(RequestSite) as site:
        yield site
