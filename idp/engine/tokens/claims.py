"""What tokens say about a person: scopes and the `claims` parameter, turned into claims."""

from collections.abc import Iterable
from typing import Any

from idp.core.clock import timestamp
from idp.core.scopes import claims_for_scopes
from idp.engine.tokens.authorization import Authorization
from idp.identity.directory.users import User


def userinfo_claims(user: User, authorization: Authorization) -> dict[str, Any]:
    """The UserInfo response's claims (OpenID Connect Core §5.3.2); `sub` always."""
    names = claims_for_scopes(authorization.scopes) | _requested(authorization, "userinfo")
    return {"sub": authorization.subject} | person_claims(user, names)


def id_token_claims(user: User, authorization: Authorization, *, with_scopes: bool) -> dict[str, Any]:
    """Claims about the person that the ID token was asked for one by one.

    Those of the scopes belong to UserInfo as soon as an access token is issued (OpenID Connect Core §5.4).
    """
    names = _requested(authorization, "id_token")
    return person_claims(user, names | claims_for_scopes(authorization.scopes) if with_scopes else names)


def person_claims(user: User, names: Iterable[str]) -> dict[str, Any]:
    """The named standard claims that have a value: never null, never empty (OpenID Connect Core §5.3.2)."""
    claims: dict[str, Any] = {}
    for name in sorted(names):
        value = _claim(user, name)
        if value is not None and value not in ("", {}, []):
            claims[name] = value
    return claims


def _claim(user: User, name: str) -> Any:
    if name == "updated_at":
        return timestamp(user.updated_at)
    if name == "email_verified":
        return user.email_verified if user.email else None
    if name == "phone_number_verified":
        return user.phone_number_verified if user.phone_number else None
    if name == "address":
        return {key: value for key, value in (user.address or {}).items() if value}
    return getattr(user, name) if name in PERSON_CLAIMS else None


#: The standard claims of OpenID Connect Core §5.1, all but `sub`.
PERSON_CLAIMS = claims_for_scopes(("profile", "email", "address", "phone"))


def _requested(authorization: Authorization, member: str) -> frozenset[str]:
    return frozenset(authorization.claims_request.get(member) or ()) & PERSON_CLAIMS
