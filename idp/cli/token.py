"""`idp token`: what a token says, and whether it is ours."""

import json
import sys
from typing import Any

import click

from idp.cli.application import running_provider
from idp.cli.output import instant, json_option, print_json, text
from idp.core.clock import from_timestamp, now
from idp.core.crypto import unb64url
from idp.core.errors import Invalid
from idp.services.keys.jws import MAX_TOKEN_BYTES, InvalidToken, verify_jwt
from idp.web.provider import Provider

_DATES = ("iat", "nbf", "exp", "auth_time", "updated_at")


@click.group("token")
def token_group() -> None:
    """Look into tokens."""


@token_group.command("inspect", short_help="Decode and verify a JWT, and see whether it was revoked.")
@click.argument("token", default="-")
@json_option
def inspect(token: str, as_json: bool) -> None:
    """Decode a JWT, verify it with the published keys, and look up whether it was revoked.

    '-' (the default) reads it from stdin. The exit code is 1 if it is not valid.
    """
    raw = (sys.stdin.read(MAX_TOKEN_BYTES + 1) if token == "-" else token).strip()
    header, claims = _decoded(raw)
    with running_provider() as provider:
        problem = _problem(provider, raw, header, claims)
    if as_json:
        print_json({"valid": problem is None, "reason": problem, "header": header, "claims": claims})
    else:
        click.echo(json.dumps(header, indent=2, ensure_ascii=True))
        click.echo(json.dumps(claims, indent=2, ensure_ascii=True))
        for name in _DATES:
            if isinstance(claims.get(name), int):
                click.echo(f"{name:<10}  {_date(claims[name])}")
        click.echo("Valid: signed by this provider." if problem is None else f"NOT valid: {problem}.")
    if problem is not None:
        raise click.exceptions.Exit(1)


def _problem(provider: Provider, token: str, header: dict[str, Any], claims: dict[str, Any]) -> str | None:
    """Why the token is not to be accepted, or None."""
    issuer = provider.settings.issuer
    try:
        verify_jwt(
            provider.keyset.verification_keys(), token, typ=str(header.get("typ", "")), issuer=issuer, audience=None
        )
    except InvalidToken as error:
        if claims.get("iss") == issuer:
            return error.reason
        return f"{error.reason} (its iss is {text(claims.get('iss'))}, and this is {issuer})"
    access_token = provider.tokens.access.read(token) if "jti" in claims else None
    if access_token is None:
        return None  # an ID token, say, which nothing revokes
    if provider.tokens.access.standing(access_token).is_revoked:
        return "revoked"
    client = provider.clients.get(access_token.client_id)
    return None if client is not None and client.is_enabled else "its client is disabled or deleted"


def _decoded(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, unverified. Raises Invalid for an opaque token."""
    parts = token.split(".")
    if len(parts) == 5:
        raise Invalid("this is an encrypted token (JWE): only its recipient can read it")
    if len(parts) != 3:
        raise Invalid("this is not a JWT: opaque tokens are looked up at the introspection endpoint")
    try:
        header, claims = (json.loads(unb64url(part)) for part in parts[:2])
    except (ValueError, RecursionError):
        raise Invalid("this is not a JWT: its parts are not JSON in base64url") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise Invalid("this is not a JWT: its parts are not JSON objects")
    return header, claims


def _date(seconds: int) -> str:
    try:
        moment = from_timestamp(seconds)
    except (ValueError, OverflowError, OSError):
        return "(no date)"
    away = round((moment - now()).total_seconds())
    return f"{instant(moment)} ({'in ' if away >= 0 else ''}{abs(away)} s{'' if away >= 0 else ' ago'})"
