"""`idp message`: what clients and people are told, and what could not be told."""

from dataclasses import asdict

import click

from idp.cli.application import running_provider
from idp.cli.output import json_option, print_json, print_table
from idp.services.outbox.outbox import STATES


@click.group("message")
def message_group() -> None:
    """See messages: logout tokens to clients, mail to people. What a mail says is not shown."""


@message_group.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only messages in this state.")
@click.option("--client", "client_id", help="Only messages to the client of this client_id.")
@click.option("--to", "address", help="Only mail to this address.")
@click.option("--kind", help="Only messages of this kind: mail, or backchannel_logout.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many messages.")
@json_option
def list_messages(
    state: str | None, client_id: str | None, address: str | None, kind: str | None, limit: int, as_json: bool
) -> None:
    """List messages, the newest first."""
    with running_provider() as provider:
        messages = provider.outbox.list(limit, state, client_id or address, kind)
    if as_json:
        print_json([{name: value for name, value in asdict(m).items() if name != "sealed_payload"} for m in messages])
        return
    print_table(
        ("ID", "KIND", "TO", "STATE", "ATTEMPTS", "NEXT", "LAST ERROR"),
        [(m.id, m.kind, m.recipient, m.state, m.attempts, m.next_attempt_at, m.last_error) for m in messages],
    )


@message_group.command("retry")
@click.argument("message_id", required=False)
@click.option("--all", "all_of_kind", metavar="KIND", help="All messages of this kind that were given up.")
def retry(message_id: str | None, all_of_kind: str | None) -> None:
    """Try a message that was given up again, or all of a kind."""
    if (message_id is None) == (all_of_kind is None):
        raise click.UsageError("Name one message, or a kind with --all.")
    with running_provider() as provider:
        if message_id is not None:
            provider.outbox.retry(message_id)
            click.echo("The worker tries it again.")
        elif all_of_kind is not None:
            click.echo(f"The worker tries {provider.outbox.retry_all(all_of_kind)} again.")
