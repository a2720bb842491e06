"""The members of a response that carries an access token (RFC 6749 §5.1, §4.2.2)."""

from typing import Any

from idp.engine.tokens import IssuedAccessToken


def token_body(access_token: IssuedAccessToken, **members: str | None) -> dict[str, Any]:
    """The successful response (RFC 6749 §5.1); absent members are left out.

    `scope` always, except for a token that has an audience alone: the grammar knows no empty scope (§3.3).
    """
    body: dict[str, Any] = {
        "access_token": access_token.value,
        "token_type": "Bearer",
        "expires_in": access_token.expires_in,
    }
    if access_token.scopes:
        body["scope"] = " ".join(access_token.scopes)
    body.update({name: value for name, value in members.items() if value is not None})
    return body
