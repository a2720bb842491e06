"""JSON with one reading only: for what strangers send and somebody decides upon."""

import json
from typing import Any

import orjson


def strict_json(data: bytes) -> Any:
    """The value of a JSON text. Raises ValueError if two parsers could see different things in it.

    Refused are repeated members, NaN, broken UTF-8, lone surrogates, and nesting too deep to be honest.
    """
    try:
        # The first parser refuses NaN, broken UTF-8 and lone surrogates; the second sees every member.
        orjson.loads(data)
        return json.loads(data, object_pairs_hook=_members_once)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _members_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a member occurs twice")
    return value
