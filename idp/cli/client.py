"""`idp client`: the applications that use the provider."""

from pathlib import Path
from typing import Any

import click

from idp.cli.application import running_provider
from idp.cli.client_options import members_of, shared_options
from idp.cli.output import json_option, print_fields, print_json, print_table
from idp.cli.registration import not_blank, require_change, warn_of_unknown
from idp.core.errors import NotFound
from idp.identity.clients.client import Client
from idp.identity.clients.grants import GRANT_TYPES
from idp.identity.clients.members import AUTH_METHODS, SIGNATURE_ALGORITHMS
from idp.identity.clients.metadata import ClientMetadata
from idp.web.provider import Provider

DEFAULT_OVERLAP_SECONDS = 86400


@click.group("client")
def client_group() -> None:
    """Manage clients."""


@client_group.command("create")
@click.option("--name", required=True, callback=not_blank, help="Shown to users.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="Exact redirect URI; repeatable.")
@click.option("--post-logout-redirect-uri", "logout_uris", multiple=True, help="Where sign-out may return to.")
@click.option("--public", is_flag=True, help="A client that cannot keep a secret: no secret, PKCE.")
@click.option(
    "--grant-type", "grant_types", multiple=True, type=click.Choice(GRANT_TYPES),
    help="Repeatable. Default: authorization_code and refresh_token.",
)  # fmt: skip
@click.option("--scope", multiple=True, help="Scopes it may ask for, space-separated. Default: the standard ones.")
@click.option("--resource", "resources", multiple=True, help="API (audience) it may ask tokens for; repeatable.")
@click.option("--auth-method", type=click.Choice(AUTH_METHODS), help="Default: client_secret_basic.")
@click.option("--type", "application_type", type=click.Choice(("web", "native")), help="Default: web.")
@click.option("--jwks", type=click.File(), help="File with its public keys, for private_key_jwt.")
@click.option("--jwks-uri", help="Where it publishes its keys.")
@click.option("--id-token-alg", type=click.Choice(SIGNATURE_ALGORITHMS), help="Default: RS256.")
@click.option("--client-id", help="Choose the identifier instead of having one made.")
@click.option("--secret-file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Take the secret from this file instead of having one made.")  # fmt: skip
@click.option("--skip-consent", is_flag=True, help="An application of your own: users are not asked.")
@click.option("--no-pkce", is_flag=True, help="Do not require PKCE of this confidential client.")
@shared_options
@json_option
def create(
    name: str,
    redirect_uris: tuple[str, ...],
    logout_uris: tuple[str, ...],
    public: bool,
    grant_types: tuple[str, ...],
    scope: tuple[str, ...],
    resources: tuple[str, ...],
    auth_method: str | None,
    application_type: str | None,
    jwks: Any,
    jwks_uri: str | None,
    id_token_alg: str | None,
    client_id: str | None,
    secret_file: Path | None,
    skip_consent: bool,
    no_pkce: bool,
    as_json: bool,
    **shared: Any,
) -> None:
    """Register a client. Its secret is printed once and never again."""
    if public and auth_method not in (None, "none"):
        raise click.UsageError("--public excludes --auth-method.")
    metadata = ClientMetadata.parse(
        {
            "grant_types": ["authorization_code", "refresh_token"],
            **members_of(
                {
                    "name": name,
                    "redirect_uris": redirect_uris,
                    "logout_uris": logout_uris,
                    "grant_types": grant_types,
                    "scope": scope,
                    "resources": resources,
                    "auth_method": "none" if public else auth_method,
                    "application_type": application_type,
                    "jwks": jwks,
                    "jwks_uri": jwks_uri,
                    "id_token_alg": id_token_alg,
                    **shared,
                }
            ),
        }
    )
    with running_provider() as provider:
        client, secret = provider.clients.create(
            metadata,
            client_id=client_id,
            secret=secret_file.read_text().strip() if secret_file else None,
            skip_consent=skip_consent,
            require_pkce=not no_pkce,
        )
        warn_of_unknown(provider, (metadata.scope or "").split(), resources)
    if as_json:
        print_json({"client_id": client.client_id, **_secret(secret), **_described(client)})
        return
    print_fields({"client_id": client.client_id, **_secret(secret)})
    if secret is not None:
        click.echo("Keep the secret now: it is not shown again.", err=True)


@client_group.command("update")
@click.argument("client_id")
@click.option("--name", callback=not_blank, help="Shown to users.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="Exact redirect URI; repeatable.")
@click.option("--post-logout-redirect-uri", "logout_uris", multiple=True, help="Where sign-out may return to.")
@click.option("--grant-type", "grant_types", multiple=True, type=click.Choice(GRANT_TYPES), help="Repeatable.")
@click.option("--scope", multiple=True, help="Scopes it may ask for, space-separated.")
@click.option("--resource", "resources", multiple=True, help="API (audience) it may ask tokens for; repeatable.")
@click.option("--auth-method", type=click.Choice(AUTH_METHODS), help="How it proves who it is.")
@click.option("--type", "application_type", type=click.Choice(("web", "native")), help="Kind of application.")
@click.option("--jwks", type=click.File(), help="File with its public keys; replaces its jwks_uri.")
@click.option("--jwks-uri", help="Where it publishes its keys; replaces its jwks.")
@click.option("--id-token-alg", type=click.Choice(SIGNATURE_ALGORITHMS), help="Algorithm of its ID tokens.")
@click.option("--userinfo-alg", type=click.Choice(SIGNATURE_ALGORITHMS), help="Algorithm of signed UserInfo answers.")
@shared_options
@click.option("--clear", multiple=True, metavar="MEMBER", help="Remove a member of the metadata, such as scope.")
@click.option("--consent/--skip-consent", "asks_for_consent", default=None, help="Whether users are asked.")
@click.option("--pkce/--no-pkce", "require_pkce", default=None, help="Whether PKCE is required.")
@json_option
def update(
    client_id: str,
    clear: tuple[str, ...],
    asks_for_consent: bool | None,
    require_pkce: bool | None,
    as_json: bool,
    **changes: Any,
) -> None:
    """Change a client; what is not named stays. A list that is named replaces the old one."""
    if changes["jwks"] is not None and changes["jwks_uri"] is not None:
        raise click.UsageError("--jwks excludes --jwks-uri.")
    require_change((*changes.values(), clear, asks_for_consent, require_pkce))
    with running_provider() as provider:
        before = find_client(provider, client_id)
        client, secret = provider.clients.update(
            client_id,
            _changed(before.metadata.to_dict(), changes, clear),
            skip_consent=None if asks_for_consent is None else not asks_for_consent,
            require_pkce=require_pkce,
        )
        warn_of_unknown(provider, " ".join(changes["scope"]).split(), changes["resources"])
    if as_json:
        print_json({**_secret(secret), **_described(client)})
        return
    print_fields({**_secret(secret), **_described(client)})
    if secret is not None:
        click.echo("Keep the secret now: it is not shown again.", err=True)


@client_group.command("list")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
@click.option("--after", help="Continue after this client id.")
@json_option
def list_clients(limit: int, after: str | None, as_json: bool) -> None:
    """List clients in the order of their ids."""
    with running_provider() as provider:
        clients = provider.clients.list(limit, after)
    if as_json:
        print_json([_described(client) for client in clients])
    else:
        print_table(
            ("CLIENT ID", "NAME", "METHOD", "GRANT TYPES", "ENABLED"),
            [
                (c.client_id, c.name, c.token_endpoint_auth_method, c.metadata.grant_types, c.is_enabled)
                for c in clients
            ],
        )


@client_group.command("show")
@click.argument("client_id")
@json_option
def show(client_id: str, as_json: bool) -> None:
    """Show a client; secrets are never shown."""
    with running_provider() as provider:
        described = _described(find_client(provider, client_id))
    if as_json:
        print_json(described)
    else:
        print_fields(described)


@client_group.command("rotate-secret", short_help="Make a new secret; the old one stays valid for a while.")
@click.argument("client_id")
@click.option("--keep-old-for", default=DEFAULT_OVERLAP_SECONDS, show_default=True,
              type=click.IntRange(0), help="Seconds for which the old secret stays valid.")  # fmt: skip
@json_option
def rotate_secret(client_id: str, keep_old_for: int, as_json: bool) -> None:
    """Make a new secret, printed once; the old one stays valid for a while."""
    with running_provider() as provider:
        find_client(provider, client_id)
        secret = provider.clients.rotate_secret(client_id, keep_old_for)
    result = {"client_id": client_id, "client_secret": secret, "old_secret_valid_for": keep_old_for}
    if as_json:
        print_json(result)
    else:
        print_fields(result)
        click.echo("Keep the secret now: it is not shown again.", err=True)


@client_group.command("disable")
@click.argument("client_id")
def disable(client_id: str) -> None:
    """Refuse everything to a client until it is enabled again."""
    _set_enabled(client_id, False)


@client_group.command("enable")
@click.argument("client_id")
def enable(client_id: str) -> None:
    """Let a disabled client work again."""
    _set_enabled(client_id, True)


@client_group.command("delete")
@click.argument("client_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(client_id: str, yes: bool) -> None:
    """Delete a client for good, with its consents and tokens."""
    with running_provider() as provider:
        client = find_client(provider, client_id)
        if not yes:
            click.confirm(f"Delete {client.name} ({client_id}) for good?", abort=True, err=True)
        provider.clients.delete(client_id)
    click.echo(f"Deleted {client_id}.")


def find_client(provider: Provider, client_id: str) -> Client:
    """The client of that identifier. Raises NotFound."""
    client = provider.clients.get(client_id)
    if client is None:
        raise NotFound(f"there is no client '{client_id}'")
    return client


def _changed(values: dict[str, Any], changes: dict[str, Any], clear: tuple[str, ...]) -> dict[str, Any] | None:
    """Client metadata with the changes that were asked for; None if none was."""
    given = members_of(changes)
    if not given and not clear:
        return None
    for member in clear:
        if member.partition("#")[0] not in ClientMetadata.model_fields:
            raise click.BadParameter(f"there is no member '{member}'", param_hint="--clear")
        values.pop(member, None)
    values |= given
    if "jwks" in given or "jwks_uri" in given:
        values.pop("jwks_uri" if "jwks" in given else "jwks", None)
    if "grant_types" in given and "response_types" not in given:
        values.pop("response_types", None)  # they follow from the grant types
    return values


def _set_enabled(client_id: str, is_enabled: bool) -> None:
    with running_provider() as provider:
        find_client(provider, client_id)
        provider.clients.set_enabled(client_id, is_enabled)
    click.echo(f"{client_id} is {'enabled' if is_enabled else 'disabled'}.")


def _described(client: Client) -> dict[str, Any]:
    return {
        "client_id": client.client_id,
        **client.metadata.to_dict(),
        "is_enabled": client.is_enabled,
        "is_public": client.is_public,
        "skip_consent": client.skip_consent,
        "require_pkce": client.require_pkce,
        "is_self_registered": client.is_self_registered,
        "last_used_at": client.last_used_at,
        "secrets": [{"created_at": secret.created_at, "expires_at": secret.expires_at} for secret in client.secrets],
        "created_at": client.created_at,
        "updated_at": client.updated_at,
    }


def _secret(secret: str | None) -> dict[str, str]:
    return {} if secret is None else {"client_secret": secret}
