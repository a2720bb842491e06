"""What `idp client` and `idp api` look at beyond the rules of the registries: slips of the person who types."""

from collections.abc import Iterable
from typing import Any

import click

from idp.core.scopes import STANDARD_SCOPES
from idp.web.provider import Provider


def not_blank(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Callback of options that cannot be empty: in client metadata an empty text would mean that there is none."""
    if value is not None and not value.strip():
        raise click.BadParameter("it cannot be blank.")
    return value


def require_change(values: Iterable[Any]) -> None:
    """Raise UsageError if every option was left out: None, or empty where it may be repeated."""
    if all(value in (None, ()) for value in values):
        raise click.UsageError("Name what to change: no option was given.")


def warn_of_unknown(provider: Provider, scopes: Iterable[str], resources: Iterable[str]) -> None:
    """Say on stderr which scopes and APIs nobody has registered yet. They may be, later."""
    servers = provider.resource_servers
    known = {*STANDARD_SCOPES, *(scope for server in servers.all() for scope in server.scopes)}
    for scope in dict.fromkeys(scopes):
        if scope not in known:
            click.echo(f"Warning: no API has the scope '{scope}' ('idp api create', 'idp api update').", err=True)
    for resource in resources:
        if servers.find(resource) is None:
            click.echo(f"Warning: no API '{resource}' is registered ('idp api create').", err=True)
