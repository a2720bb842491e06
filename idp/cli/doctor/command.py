"""The command `idp doctor`, and how findings are shown."""

import sys
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import click

from idp.cli.doctor import installation, relying_party
from idp.cli.doctor.finding import PROBLEM, WARNING, Finding
from idp.cli.doctor.sign_in import RegisteredClient
from idp.cli.output import json_option, print_json, text

_LONGEST_SECRET = 1024


@click.command()
@click.option("--issuer", metavar="URL", help="Check this provider from outside instead, as its applications see it.")
@click.option(
    "--ca-bundle",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --issuer: trust the authorities of this PEM file instead of the system's.",
)
@click.option("--client-id", help="With --issuer: ask for a silent sign-in as this registered client, too.")
@click.option("--redirect-uri", metavar="URI", help="With --client-id: one of the client's redirect URIs.")
@click.option(
    "--client-secret-stdin", is_flag=True, help="With --client-id: try the secret on the first line of stdin, too."
)
@json_option
def doctor(
    issuer: str | None,
    ca_bundle: Path | None,
    client_id: str | None,
    redirect_uri: str | None,
    client_secret_stdin: bool,
    as_json: bool,
) -> None:
    """Check settings, mail, database, keys, store, clock and reachability. Exit code 1 if there is a problem.

    With --issuer check any provider, from outside and without settings: what would an application trip over?
    """
    if issuer is None and (ca_bundle or client_id):
        raise click.UsageError("--ca-bundle and --client-id go with --issuer")
    if (client_id is None) != (redirect_uri is None):
        raise click.UsageError("--client-id and --redirect-uri go together")
    if client_secret_stdin and client_id is None:
        raise click.UsageError("--client-secret-stdin goes with --client-id")
    if issuer is None:
        findings = list(installation.examine())
    else:
        client = None
        if client_id is not None and redirect_uri is not None:
            secret = sys.stdin.readline(_LONGEST_SECRET).rstrip("\r\n") if client_secret_stdin else None
            client = RegisteredClient(client_id, redirect_uri, secret)
        findings = list(relying_party.examine(issuer, ca_bundle, client))
    if as_json:
        print_json(findings)
    else:
        _print(findings)
    if any(finding.level == PROBLEM for finding in findings):
        raise click.exceptions.Exit(1)


def _print(findings: Sequence[Finding]) -> None:
    """A line for each, under its topic if it has one, and the sum of them."""
    width = max((len(finding.name) for finding in findings), default=0)
    for topic, group in groupby(findings, attrgetter("topic")):
        if topic:
            click.echo(topic)
        indent = "  " if topic else ""
        for finding in group:
            click.echo(
                f"{indent}{finding.level:<8} {finding.name:<{max(width, 12)}} {text(finding.message)}", color=False
            )
        if topic:
            click.echo()
    click.echo(", ".join(_count(findings, level) for level in (PROBLEM, WARNING)))


def _count(findings: Sequence[Finding], level: str) -> str:
    number = sum(finding.level == level for finding in findings)
    return f"{number or 'no'} {level}{'' if number == 1 else 's'}"
