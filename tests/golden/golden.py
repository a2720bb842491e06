"""Comparing what travels over the wire with a committed file.

`UPDATE_GOLDEN=1 pytest tests/golden` writes the files anew; read the difference before committing it.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import jwt

DIRECTORY = Path(__file__).parent / "expected"
UPDATE = "UPDATE_GOLDEN"

HEADERS = (
    "allow",
    "content-type",
    "cache-control",
    "pragma",
    "www-authenticate",
    "access-control-allow-origin",
    "location",
)
OPAQUE = frozenset(
    {
        "access_token",
        "refresh_token",
        "id_token",
        "code",
        "state",
        "nonce",
        "jti",
        "sid",
        "at_hash",
        "kid",
        "n",
        "x",
        "y",
    }
)
"""Members whose value is different every time and says nothing to a reader."""
INSTANTS = frozenset({"iat", "exp", "nbf", "auth_time", "updated_at"})


class Volatile:
    """Names for values that differ from run to run: `issuer` for `http://127.0.0.1:53411`."""

    def __init__(self, **names: str) -> None:
        self._names = sorted(names.items(), key=lambda item: -len(item[1]))

    def normal(self, value: Any, name: str = "", moment: int | None = None) -> Any:
        """The value with everything volatile replaced by its name."""
        if isinstance(value, Mapping):
            # Instants are told by their distance from the moment of issue: a lifetime is part of the format.
            moment = value.get("iat", moment)
            return {key: self.normal(inner, key, moment) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.normal(inner, name, moment) for inner in value]
        if name in INSTANTS and isinstance(value, int):
            lifetime = value - moment if moment is not None and name in ("exp", "nbf") else None
            return "{time}" if lifetime is None else f"{{iat}} + {lifetime}"
        if isinstance(value, str):
            if name in OPAQUE:
                return f"{{{name}}}"
            for label, text in self._names:
                value = value.replace(text, f"{{{label}}}")
        return value

    def answer(self, response: httpx.Response) -> dict[str, Any]:
        """A response: its status, the headers that are part of the format, and its body."""
        headers = {name: self.normal(response.headers[name]) for name in HEADERS if name in response.headers}
        for name, text in headers.items():
            headers[name] = re.sub(r"(code|state|nonce)=[^&]+", r"\1={\1}", text)
        if "allow" in headers:
            headers["allow"] = ", ".join(sorted(headers["allow"].split(", ")))
        body: Any = response.text
        if response.headers.get("content-type", "").startswith("application/json") and body:
            body = self.normal(response.json())
        return {"status": response.status_code, "headers": headers, "body": body}

    def token(self, token: str) -> dict[str, Any]:
        """A JWT: its header and its claims."""
        claims = jwt.decode(token, options={"verify_signature": False})
        return {"header": self.normal(jwt.get_unverified_header(token)), "claims": self.normal(claims)}


def check(name: str, document: Any) -> None:
    """Compare with `expected/<name>.json`, or write it. Raises AssertionError."""
    path = DIRECTORY / f"{name}.json"
    # The order of members means nothing in JSON.
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get(UPDATE):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return
    assert path.exists(), f"{path.name} is missing: {UPDATE}=1 pytest tests/golden writes it"
    assert text == path.read_text(), f"the wire format changed: if that is meant, {UPDATE}=1 pytest tests/golden"
