"""`claims`: claims asked for one by one (OpenID Connect Core §5.5)."""

from typing import Any

import orjson

from idp.engine.tokens import PERSON_CLAIMS
from idp.oauth.checks.draft import Draft
from idp.oauth.errors import InvalidRequest

_MEMBERS = ("userinfo", "id_token")


def check(draft: Draft) -> None:
    """Keep the known claims; ignore unknown ones (§5.5). Raises InvalidRequest if it is not such an object, or if it
    names two different people.

    `sub` with a value names the only acceptable person; `acr` demands a level (§5.5.1.1).
    """
    text = draft.params.get("claims")
    if text is None:
        return
    try:
        requested = orjson.loads(text)
    except ValueError:
        raise InvalidRequest("claims is not JSON") from None
    members = {}
    for member in _MEMBERS:
        value = _object(_object(requested, "claims").get(member), f"claims.{member}")
        members[member] = {name: _object(wish, name) for name, wish in value.items()}
    for wishes in members.values():
        _require_subject(draft, wishes)
    _require_acr(draft, members["id_token"])
    draft.claims = {
        member: {name: _kept(wish) for name, wish in wishes.items() if name in PERSON_CLAIMS}
        for member, wishes in members.items()
        if PERSON_CLAIMS & wishes.keys()
    }


def _kept(wish: dict[str, Any]) -> dict[str, Any]:
    """What of a wish is carried along. Values wished for decide nothing later, and may be nested without end (AZ9)."""
    return {"essential": True} if wish.get("essential") is True else {}


def _object(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"{name} is not a JSON object")
    return value


def _require_subject(draft: Draft, wishes: dict[str, Any]) -> None:
    values = _values(wishes.get("sub", {}), "sub")
    if len(values) > 1:
        raise InvalidRequest("claims asks for more than one value of sub")
    for value in values:
        draft.require_subject(value)


def _require_acr(draft: Draft, id_token: dict[str, Any]) -> None:
    wish = id_token.get("acr")
    if not wish:
        return
    draft.acr_values = _values(wish, "acr")
    draft.acr_essential = wish.get("essential") is True and bool(draft.acr_values)


def _values(wish: dict[str, Any], name: str) -> tuple[str, ...]:
    """The values that a wish names, by `value` or by `values` (§5.5.1).

    Raises InvalidRequest if they are of another type: no answer could be what was asked for.
    """
    values = wish.get("values")
    if values is None:
        values = [] if wish.get("value") is None else [wish["value"]]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidRequest(f"claims asks for a value of {name} that is not a string")
    return tuple(values)
