"""JSON with one reading only: for what strangers send and somebody decides upon."""

import json
from typing import Any

import orjson

DEEPEST = 32
"""Levels of arrays and objects within one another."""
_LONGEST_NUMBER = 20


def strict_json(data: bytes) -> Any:
    """The value of a JSON text. Raises ValueError if two parsers could see different things in it.

    Refused are repeated members, NaN, broken UTF-8, lone surrogates, numbers that do not fit into 64 bits, and nesting
    too deep to be honest: all of it can be written again.
    """
    try:
        # The first parser refuses NaN, broken UTF-8 and lone surrogates; the second sees every member.
        orjson.loads(data)
        value = json.loads(data, object_pairs_hook=_members_once, parse_int=_small_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    _check_depth(value, DEEPEST)
    return value


def _small_number(text: str) -> int:
    # Longer ones would be a float to some, and an endless conversion to others.
    value = int(text) if len(text) <= _LONGEST_NUMBER else None
    if value is None or not -(2**63) <= value < 2**64:
        raise ValueError("a number does not fit into 64 bits")
    return value


def _check_depth(value: Any, allowed: int) -> None:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if inner and not allowed:
        raise ValueError("nested too deeply")
    for item in inner:
        _check_depth(item, allowed - 1)


def _members_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a member occurs twice")
    return value
