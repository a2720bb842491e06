"""`idp consent`: what users allowed clients."""

import click

from idp.cli.application import running_provider
from idp.cli.output import json_option, print_json, print_table
from idp.cli.user import find_user
from idp.core.errors import NotFound

_user = click.option("--user", "user_ref", required=True, help="Whose (id or e-mail address).")


@click.group("consent")
def consent_group() -> None:
    """See and withdraw what users allowed clients."""


@consent_group.command("list")
@_user
@click.option("--client", "client_id", help="Only for this client.")
@json_option
def list_consents(user_ref: str, client_id: str | None, as_json: bool) -> None:
    """List what a user allowed, the latest first."""
    with running_provider() as provider:
        consents = [
            consent
            for consent in provider.consents.list(find_user(provider, user_ref).id)
            if client_id in (None, consent.client_id)
        ]
    if as_json:
        print_json(consents)
    else:
        print_table(
            ("CLIENT ID", "SCOPES", "RESOURCES", "CLAIMS", "GRANTED", "CHANGED"),
            [(c.client_id, c.scopes, c.resources, c.claims, c.granted_at, c.updated_at) for c in consents],
        )


@consent_group.command("revoke", short_help="Withdraw what a user allowed a client, and its tokens.")
@_user
@click.option("--client", "client_id", required=True, help="What was allowed to this client.")
def revoke(user_ref: str, client_id: str) -> None:
    """Withdraw what a user allowed a client, and the tokens that rest on it; the client has to ask again."""
    with running_provider() as provider:
        user = find_user(provider, user_ref)
        if not provider.consents.revoke(user.id, client_id, actor="operator"):
            raise NotFound(f"{user.email or user.id} allowed '{client_id}' nothing")
    click.echo(f"Withdrew what {user.email or user.id} allowed {client_id}.")
