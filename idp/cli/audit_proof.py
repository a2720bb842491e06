"""`idp audit heads` and `idp audit verify`: what proves the trail, and whether it does."""

from pathlib import Path

import click

from idp.cli.application import running_provider
from idp.cli.output import instant, json_option, print_fields, print_json, print_table, text
from idp.core.clock import now
from idp.engine.evidence import Report
from idp.engine.evidence.heads import exported

_FILE = click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True, path_type=Path)


@click.command("heads", short_help="Print the signed heads of the chains.")
@click.option("--sign", is_flag=True, help="First seal and sign where the chains have come to by now.")
@click.option("--latest", is_flag=True, help="Only the last one of each chain.")
@json_option
def heads(sign: bool, latest: bool, as_json: bool) -> None:
    """Print the signed heads of the chains of events, a JWS on each line: keep them where this database is not.

    'idp audit verify --head FILE' then proves that the trail still is what it was.
    """
    with running_provider() as provider:
        if sign:
            provider.audit.seal()
            provider.evidence.sign_heads(now(), is_due=False)
        found = provider.evidence.signed_heads()
    if latest:
        found = list({head.stream: head for head in found}.values())
    if as_json:
        print_json(found)
        return
    for head in found:
        click.echo(head.statement)


@click.command("verify", short_help="Verify the chains of events.")
@click.option("--head", "files", multiple=True, type=_FILE, help="File of signed heads that were exported before.")
@json_option
def verify(files: tuple[Path, ...], as_json: bool) -> None:
    """Verify the chain of events; fails if anything was altered, deleted, put in between or cut off."""
    kept = [statement for file in files for statement in exported(_content(file))]
    with running_provider() as provider:
        report = provider.evidence.verify(kept)
    if as_json:
        print_json({"intact": report.is_intact, **{name: getattr(report, name) for name in Report.__slots__}})
    else:
        _show(report)
    if not report.is_intact:
        raise click.exceptions.Exit(1)


def _content(file: Path) -> str:
    with click.open_file(str(file), encoding="utf-8", errors="replace") as stream:
        return str(stream.read())


def _show(report: Report) -> None:
    for stream in report.streams:
        whole = "no events" if stream.first is None else f"{stream.first} to {stream.last}"
        print_fields(
            {
                "stream": f"{text(stream.stream)}: {whole}",
                "events": stream.events,
                "deleted before": stream.checkpoint and f"up to {stream.checkpoint}, as a signed checkpoint says",
                "signed heads": stream.heads,
                "erasures": stream.erasures and f"{stream.erasures}, which changed {stream.erased} events",
            }
        )
    age = "" if report.oldest_unsealed_seconds is None else f"; the oldest for {report.oldest_unsealed_seconds} s"
    click.echo(f"{report.unsealed} events wait for their seal{age}")
    if report.is_intact:
        click.echo(f"The audit trail is intact ({instant(now())}).")
        return
    click.echo(f"\nThe audit trail is not what it was: {report.problems} problems.\n")
    print_table(
        ("stream", "sequence", "problem", "what"),
        [(found.stream, found.sequence, found.problem, found.detail) for found in report.findings],
    )
    if report.problems > len(report.findings):
        click.echo(f"… and {report.problems - len(report.findings)} more")
