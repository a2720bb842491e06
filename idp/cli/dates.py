"""Dates on the command line."""

from datetime import UTC, datetime

import click

from idp.cli.output import AnyFunction, text


def date_option(name: str, help: str) -> AnyFunction:
    """An option that takes a date, or an instant; UTC unless it says otherwise."""
    return click.option(name, metavar="DATE", callback=lambda _c, option, value: _instant(option, value), help=help)


def _instant(option: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"'{text(value)}' is no date like 2026-01-31, or 2026-01-31T12:00:00Z.", param_hint=option.opts[0]
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
