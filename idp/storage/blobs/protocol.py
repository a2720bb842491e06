"""What a store of blobs does: small immutable files under names that are never used twice."""

import re
from typing import Final, Protocol

NAME: Final = re.compile(r"[0-9a-f]{64}-[0-9]{1,4}")
"""Whatever the store is made of, such a name is one plain word in it: no path, no option, no wildcard."""


class BlobStore(Protocol):
    """Each method raises Unavailable if the store cannot be reached, and ValueError for what is no NAME."""

    def put(self, name: str, content: bytes, media_type: str) -> None:
        """Keep `content`: whole, or not at all."""

    def get(self, name: str) -> bytes | None:
        """The content; None if there is none of that name."""

    def delete(self, name: str) -> None:
        """Remove it; nothing happens if there is none of that name."""


def checked_name(name: str) -> str:
    """The name, if it is one. Raises ValueError."""
    if not NAME.fullmatch(name):
        raise ValueError("not the name of a blob")
    return name
