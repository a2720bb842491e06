"""`idp api`: the APIs (resource servers) that accept the provider's access tokens."""

from collections.abc import Callable, Iterable
from typing import Any, get_args

import click

from idp.cli.application import running_provider
from idp.cli.client import find_client
from idp.cli.output import AnyFunction, json_option, print_fields, print_json, print_table
from idp.cli.registration import not_blank, require_change
from idp.core.errors import Invalid, NotFound
from idp.core.setting_sections import SigningAlgorithm
from idp.identity.clients.resource_servers import ResourceServer, TokenFormat
from idp.web.provider import Provider


@click.group("api")
def api_group() -> None:
    """Manage APIs. AUDIENCE is the URI that names one: the `resource` of requests, the `aud` of tokens."""


def _token_options(defaults: dict[str, str]) -> Callable[[AnyFunction], AnyFunction]:
    """What `create` and `update` say about an API's tokens and scopes."""
    options = (
        click.option(
            "--scope", "scopes", multiple=True, metavar="VALUE[=DESCRIPTION]",
            help="Scope, and what the consent page says it allows; repeatable." + defaults["scopes"],
        ),
        click.option(
            "--token-lifetime", type=click.IntRange(0, 86400), metavar="SECONDS",
            help="Lifetime of its access tokens; 0: IDP_LIFETIMES__ACCESS_TOKEN." + defaults["lifetime"],
        ),
        click.option(
            "--format", "token_format", type=click.Choice(get_args(TokenFormat)),
            help="jwt (RFC 9068), or opaque for an API that introspects." + defaults["format"],
        ),
        click.option(
            "--alg", "signing_alg", type=click.Choice(get_args(SigningAlgorithm)),
            help="Algorithm of its JWTs." + defaults["alg"],
        ),
        click.option(
            "--introspection-client", "introspection_clients", multiple=True, metavar="CLIENT_ID",
            help="Client as which it asks about tokens; repeatable." + defaults["clients"],
        ),
    )  # fmt: skip

    def decorate(function: AnyFunction) -> AnyFunction:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@api_group.command("create")
@click.argument("audience")
@click.option("--name", required=True, callback=not_blank, help="Shown to users.")
@_token_options({"scopes": "", "lifetime": "", "format": " Default: jwt.", "alg": " Default: RS256.", "clients": ""})
@json_option
def create(
    audience: str,
    name: str,
    scopes: tuple[str, ...],
    token_lifetime: int | None,
    token_format: TokenFormat | None,
    signing_alg: SigningAlgorithm | None,
    introspection_clients: tuple[str, ...],
    as_json: bool,
) -> None:
    """Register an API."""
    with running_provider() as provider:
        server = provider.resource_servers.create(
            audience,
            name,
            _scopes(scopes),
            token_lifetime=token_lifetime or None,
            token_format=token_format or "jwt",
            signing_alg=signing_alg or "RS256",
            introspection_clients=_known_clients(provider, introspection_clients),
        )
    _print(server, as_json)


@api_group.command("update")
@click.argument("audience")
@click.option("--name", callback=not_blank, help="Shown to users.")
@_token_options(
    {
        "scopes": " Replaces all of them.",
        "lifetime": "",
        "format": "",
        "alg": "",
        "clients": " Replaces all of them.",
    }
)
@click.option("--no-introspection-clients", is_flag=True, help="Let no client ask about its tokens.")
@json_option
def update(
    audience: str,
    name: str | None,
    scopes: tuple[str, ...],
    token_lifetime: int | None,
    token_format: TokenFormat | None,
    signing_alg: SigningAlgorithm | None,
    introspection_clients: tuple[str, ...],
    no_introspection_clients: bool,
    as_json: bool,
) -> None:
    """Change an API; what is not named stays. Tokens that are out keep what they were issued with."""
    if introspection_clients and no_introspection_clients:
        raise click.UsageError("--introspection-client excludes --no-introspection-clients.")
    changes = (name, scopes, token_lifetime, token_format, signing_alg, introspection_clients)
    require_change((*changes, no_introspection_clients or None))
    with running_provider() as provider:
        clients = _known_clients(provider, introspection_clients)
        server = provider.resource_servers.update(
            _find(provider, audience).audience,
            name=name,
            scopes=_scopes(scopes) if scopes else None,
            token_lifetime=token_lifetime,
            token_format=token_format,
            signing_alg=signing_alg,
            introspection_clients=clients if clients or no_introspection_clients else None,
        )
    _print(server, as_json)


@api_group.command("list")
@json_option
def list_apis(as_json: bool) -> None:
    """List APIs, disabled ones too."""
    with running_provider() as provider:
        servers = provider.resource_servers.all()
    if as_json:
        print_json([_described(server) for server in servers])
    else:
        print_table(
            ("AUDIENCE", "NAME", "SCOPES", "FORMAT", "ALG", "ENABLED"),
            [(s.audience, s.name, sorted(s.scopes), s.token_format, s.signing_alg, s.is_enabled) for s in servers],
        )


@api_group.command("show")
@click.argument("audience")
@json_option
def show(audience: str, as_json: bool) -> None:
    """Show an API."""
    with running_provider() as provider:
        server = _find(provider, audience)
    _print(server, as_json)


@api_group.command("disable")
@click.argument("audience")
def disable(audience: str) -> None:
    """Issue no more tokens for an API until it is enabled again."""
    _set_enabled(audience, False)


@api_group.command("enable")
@click.argument("audience")
def enable(audience: str) -> None:
    """Issue tokens for a disabled API again."""
    _set_enabled(audience, True)


def _set_enabled(audience: str, is_enabled: bool) -> None:
    with running_provider() as provider:
        server = provider.resource_servers.set_enabled(_find(provider, audience).audience, is_enabled)
    click.echo(f"{server.audience} is {'enabled' if server.is_enabled else 'disabled'}.")


def _find(provider: Provider, audience: str) -> ResourceServer:
    server = provider.resource_servers.find(audience)
    if server is None:
        raise NotFound(f"there is no API '{audience}'")
    return server


def _scopes(arguments: Iterable[str]) -> dict[str, str]:
    """Scope value → description, from `value` or `value=description`.

    A scope value may contain an equals sign by RFC 6749, but nobody's does.
    """
    scopes: dict[str, str] = {}
    for argument in arguments:
        value, _, description = argument.partition("=")
        if value in scopes:
            raise Invalid(f"the scope {value} is given twice", "scopes")
        scopes[value] = description.strip()
    return scopes


def _known_clients(provider: Provider, client_ids: Iterable[str]) -> list[str]:
    return [find_client(provider, client_id).client_id for client_id in client_ids]


def _described(server: ResourceServer) -> dict[str, Any]:
    return {
        "audience": server.audience,
        "name": server.name,
        "scopes": dict(server.scopes),
        "token_lifetime": server.token_lifetime,
        "token_format": server.token_format,
        "signing_alg": server.signing_alg,
        "introspection_clients": sorted(server.introspection_clients),
        "is_enabled": server.is_enabled,
    }


def _print(server: ResourceServer, as_json: bool) -> None:
    if as_json:
        print_json(_described(server))
    else:
        print_fields(_described(server))
