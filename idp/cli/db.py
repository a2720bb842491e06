"""`idp db`: the schema."""

import click

from idp.cli.database import engine_of
from idp.cli.output import json_option, print_json
from idp.core.errors import ConfigurationError
from idp.core.settings import load_settings
from idp.storage.migrate import current, head, is_current, upgrade


@click.group("db")
def db_group() -> None:
    """Migrate and check the database."""


@db_group.command("upgrade")
def upgrade_command() -> None:
    """Bring the schema up to date. Safe to run at any time, and by several processes at once."""
    settings = load_settings()
    with engine_of(settings) as engine:
        before = current(engine)
        upgrade(engine)
        after = current(engine)
    click.echo(f"The database is at revision {after}" + ("." if before != after else ", as it was."))


@db_group.command("current")
@json_option
def current_command(as_json: bool) -> None:
    """Show the revision of the schema."""
    with engine_of(load_settings()) as engine:
        revision = current(engine)
    if as_json:
        print_json({"current": revision, "head": head(), "is_current": revision == head()})
    else:
        click.echo(revision or "(empty)")


@db_group.command("check")
@json_option
def check_command(as_json: bool) -> None:
    """Exit with 0 if the schema is up to date, else with 1."""
    with engine_of(load_settings()) as engine:
        up_to_date, revision = is_current(engine), current(engine)
    if as_json:
        print_json({"current": revision, "head": head(), "is_current": up_to_date})
    if up_to_date:
        if not as_json:
            click.echo(f"The database is up to date ({revision}).")
        return
    raise ConfigurationError(f"the database is at {revision or 'no revision'}, not at {head()}: run 'idp db upgrade'")
