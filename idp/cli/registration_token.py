"""`idp registration-token`: who may register clients over HTTP (RFC 7591 §3)."""

import click

from idp.cli.application import running_provider
from idp.cli.output import json_option, print_fields, print_json, print_table


@click.group("registration-token")
def registration_token_group() -> None:
    """Manage initial access tokens, by which applications register themselves."""


@registration_token_group.command("create")
@click.option(
    "--uses", default=1, show_default=True, type=click.IntRange(0), help="Clients it registers; 0: any number."
)
@click.option("--expires-in", type=click.IntRange(1), help="Seconds for which it is good. Default: for ever.")
@click.option("--note", help="Whom it is for.")
@json_option
def create(uses: int, expires_in: int | None, note: str | None, as_json: bool) -> None:
    """Make an initial access token. It is printed once and never again."""
    with running_provider() as provider:
        made, value = provider.initial_access.create(uses=uses or None, expires_in=expires_in, note=note)
        policy = provider.settings.registration.policy
    result = {"id": made.id, "token": value, "uses_left": made.uses_left, "expires_at": made.expires_at, "note": note}
    if as_json:
        print_json(result)
    else:
        print_fields(result)
        click.echo("Keep the token now: it is not shown again.", err=True)
    if policy != "token":
        click.echo(f"Warning: IDP_REGISTRATION__POLICY is '{policy}', under which nobody asks for it.", err=True)


@registration_token_group.command("list")
@json_option
def list_tokens(as_json: bool) -> None:
    """List initial access tokens, the newest first; their values are never shown."""
    with running_provider() as provider:
        tokens = provider.initial_access.list()
    if as_json:
        print_json(tokens)
        return
    print_table(
        ("ID", "NOTE", "USES LEFT", "CREATED", "EXPIRES", "REVOKED"),
        [
            (t.id, t.note, "any" if t.uses_left is None else t.uses_left, t.created_at, t.expires_at, t.revoked_at)
            for t in tokens
        ],
    )


@registration_token_group.command("revoke")
@click.argument("token_id")
def revoke(token_id: str) -> None:
    """Let nobody register by a token any more. Clients that did stay."""
    with running_provider() as provider:
        provider.initial_access.revoke(token_id)
    click.echo(f"Revoked {token_id}.")
