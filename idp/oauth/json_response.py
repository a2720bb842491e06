"""JSON answers of the protocol endpoints."""

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response


def json_response(
    body: Mapping[str, Any] | None, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON response that no cache keeps (RFC 6749 §5.1)."""
    response = Response(b"" if body is None else orjson.dumps(body), status, mimetype="application/json")
    for name, value in (headers or {}).items():
        if name.lower() != "content-type":
            response.headers[name] = value
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    return response
