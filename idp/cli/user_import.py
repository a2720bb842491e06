"""`idp user import`: people from another system."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import click

from idp.cli.application import running_provider
from idp.cli.output import json_option, print_json, text
from idp.core.errors import Invalid
from idp.engine.user_import import SOURCES, Importer, Outcome, Result, Rules, firebase_parameters, read_rows
from idp.web.provider import Provider

MOST_LISTED = 10_000
"""Rows with a problem that `--json` lists; the others are counted."""
LONGEST_PARAMETERS = 64 * 1024


@click.command("import", short_help="Take users over from another system, with their passwords.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--from", "source", required=True, type=click.Choice(list(SOURCES)), help="Where the file comes from.")
@click.option("--format", "file_format", type=click.Choice(["json", "csv"]), help="By default what the file is called.")
@click.option(
    "--firebase-hash",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the hash parameters of the Firebase project.",
)
@click.option(
    "--on-conflict",
    type=click.Choice(["skip", "update", "fail"]),
    default="skip",
    show_default=True,
    help="What to do about an address that is here already.",
)
@click.option("--verified", is_flag=True, help="Every e-mail address is known to belong to its user.")
@click.option(
    "--trust-email-verified", is_flag=True, help="Believe the file about which addresses (and numbers) are verified."
)
@click.option("--roles", "with_roles", is_flag=True, help="Give users those of their roles that exist here.")
@click.option("--keep-ids", is_flag=True, help="Users keep the ids they have there: applications know them as 'sub'.")
@click.option("--strict", is_flag=True, help="Stop at the first row with a problem; what comes before it is stored.")
@click.option("--dry-run", is_flag=True, help="Try everything and store nothing.")
@json_option
@click.pass_context
def import_users(
    context: click.Context,
    /,
    file: str,
    source: str,
    file_format: str | None,
    firebase_hash: Path | None,
    on_conflict: Literal["skip", "update", "fail"],
    verified: bool,
    trust_email_verified: bool,
    as_json: bool,
    **switches: bool,
) -> None:
    """Take users over from another system: FILE, or '-' for stdin.

    Their old passwords go on working, and are hashed anew when they sign in for the first time. Problems are told row
    by row, and the other rows are imported all the same; the exit code is 1 if a row failed. Doing it again is
    harmless.
    """
    if verified and trust_email_verified:
        raise Invalid("--verified and --trust-email-verified exclude one another")
    rules = Rules(
        source=source,
        on_conflict=on_conflict,
        verified="all" if verified else "trusted" if trust_email_verified else "none",
        **switches,
    )
    parameters = None if firebase_hash is None else firebase_parameters(_text_of(firebase_hash))
    kind = SOURCES[source](parameters)
    is_csv = (file_format or Path(file).suffix.lstrip(".").lower()) == "csv"
    report = _Report(as_json)
    # What is not UTF-8 becomes lone surrogates, which no value may have: it fails the row and not the file.
    opened = click.open_file(file, encoding="utf-8-sig", errors="surrogateescape")
    with opened as lines, running_provider() as provider:
        rows = read_rows(lines, is_csv=is_csv, member=kind.member, columns=kind.columns)
        for outcome in _importer(provider).run(rows, kind, rules):
            report.add(outcome)
    report.finish(rules)
    if report.counts[Result.FAILED]:
        context.exit(1)


class _Report:
    """Tells of rows with a problem as they come, and counts the others."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._listed: list[dict[str, Any]] = []
        self._unlisted = 0
        self.counts: Counter[Result] = Counter()

    def add(self, outcome: Outcome) -> None:
        self.counts[outcome.result] += 1
        if outcome.reason is None and not outcome.notes:
            return
        if not self._as_json:
            for what in (*((f"{outcome.result}: {outcome.reason}",) if outcome.reason else ()), *outcome.notes):
                click.echo(f"row {outcome.row}: {text(what)}", err=True)
        elif len(self._listed) < MOST_LISTED:
            self._listed.append(dataclasses.asdict(outcome))
        else:
            self._unlisted += 1

    def finish(self, rules: Rules) -> None:
        counts = {result.value: self.counts[result] for result in Result}
        if self._as_json:
            print_json(
                {
                    "source": rules.source,
                    "dry_run": rules.dry_run,
                    **counts,
                    "problems": self._listed,
                    "problems_not_listed": self._unlisted,
                }
            )
            return
        summary = ", ".join(f"{count} {name}" for name, count in counts.items())
        click.echo(f"{'Nothing is stored; it would be: ' if rules.dry_run else ''}{summary}.")


def _importer(provider: Provider) -> Importer:
    return Importer(
        provider.users,
        provider.passwords,
        provider.totp,
        provider.roles,
        provider.lifecycle,
        provider.clients,
        provider.audit,
    )


def _text_of(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(LONGEST_PARAMETERS)
