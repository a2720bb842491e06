"""JSON answers of the protocol endpoints."""

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response


def json_response(
    body: Mapping[str, Any] | None, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON response that no cache keeps (RFC 6749 §5.1); without a body it is of no type either."""
    response = Response(b"" if body is None else orjson.dumps(body), status, [*_HEADERS, *_own(headers)])
    if body is None:
        response.headers.remove("Content-Type")
    return response


def _own(headers: Mapping[str, str] | None) -> list[tuple[str, str]]:
    """Those that the answer has beside the usual ones, which win."""
    return [(name, value) for name, value in (headers or {}).items() if name.lower() not in _USUAL]


_HEADERS = (("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache"))
_USUAL = frozenset(name.lower() for name, _ in _HEADERS)
