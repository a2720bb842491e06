"""A client's own site that publishes keys at a `jwks_uri`."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from tests.helpers.client_site import ClientSite, running_site
from tests.helpers.relying_party import PrivateKey


class KeySite(ClientSite):
    """What the site answers now, and how often it was asked."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.uri = f"{origin}/keys.json"
        self.keys: list[PrivateKey] = []
        self.jwks: list[dict[str, Any]] | None = None
        """Published instead of `keys`, as they are."""
        self.status = 200

    @property
    def requests(self) -> int:
        """How often the site was asked."""
        return len(self.asked)

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """The keys, whatever the path."""
        keys = [key.jwk for key in self.keys] if self.jwks is None else self.jwks
        return self.status, "application/json", json.dumps({"keys": keys}).encode()


@contextlib.contextmanager
def key_site() -> Iterator[KeySite]:
    """A site on the loopback address for the length of the block."""
    with running_site(KeySite) as site:
        yield site
