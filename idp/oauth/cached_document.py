"""Public JSON documents served from memory, with an ETag: they never touch the database."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from flask import Request, Response


class CachedDocument:
    """One document, rendered again only when its version changes."""

    def __init__(self) -> None:
        self._rendered: tuple[object, bytes, str, list[tuple[str, str]]] | None = None

    def respond(
        self, request: Request, version: object, build: Callable[[], Mapping[str, Any]], max_age: int
    ) -> Response:
        """The document, or 304 if the client has it already (RFC 9110 §13.1.2)."""
        rendered = self._rendered
        if rendered is None or (rendered[0] is not version and rendered[0] != version):
            body = orjson.dumps(build())
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            headers = [
                ("Content-Type", "application/json"),
                ("ETag", etag),
                ("Cache-Control", f"public, max-age={max_age}"),
            ]
            rendered = (version, body, etag, headers)
            self._rendered = rendered
        _, body, etag, headers = rendered
        unchanged = etag in request.headers.get("If-None-Match", "")
        return Response(b"" if unchanged else body, 304 if unchanged else 200, headers)
