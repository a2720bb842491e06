"""`idp privacy`: the record of processing, and erasures that a restored backup has undone."""

from pathlib import Path

import click

from idp.cli.application import running_provider
from idp.cli.output import json_option, print_json
from idp.core.errors import Invalid
from idp.core.settings import load_settings
from idp.engine.privacy.record import as_markdown, record_of_processing
from idp.engine.privacy.tombstones import read_list


@click.group("privacy")
def privacy_group() -> None:
    """Duties under data protection law."""


@privacy_group.command("record", short_help="Print the record of processing activities.")
@json_option
def record(as_json: bool) -> None:
    """Print the record of processing activities (GDPR article 30) of this installation, with its settings."""
    made = record_of_processing(load_settings())
    if as_json:
        print_json(made)
    else:
        click.echo("# Record of processing activities\n")
        click.echo("\n\n".join(as_markdown(made)))


@privacy_group.command("reapply", short_help="Erase again whom a restored backup brought back.")
@click.option(
    "--list", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A list of erased users that is newer than the backup, beside that of IDP_PRIVACY__ERASED_LIST.",
)  # fmt: skip
@json_option
def reapply(path: Path | None, as_json: bool) -> None:
    """Erase again everybody who was erased before, but came back with a backup. Run it before the servers start."""
    keys = set() if path is None else read_list(path)
    if path is not None and not keys:
        raise Invalid(f"{path} lists nobody who was erased", "list")
    with running_provider() as provider:
        erased = provider.eraser.reapply(keys)
    if as_json:
        print_json({"erased": erased})
    else:
        click.echo(f"Erased {erased} again." if erased else "Nobody who was erased has come back.")
