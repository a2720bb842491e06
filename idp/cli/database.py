"""The database outside the application, as `idp db`, `idp serve` and `idp doctor` look at it."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from idp.core.errors import ConfigurationError, IdpError, Unavailable
from idp.core.settings import Settings
from idp.storage.db import database_url, engine_options, prepare_engine
from idp.storage.migrate import head, is_current


@contextmanager
def engine_of(settings: Settings) -> Iterator[Engine]:
    """An engine of its own for the configured database, closed at the end. Raises Unavailable."""
    engine = create_engine(database_url(settings), **engine_options(settings))
    prepare_engine(engine)
    try:
        yield engine
    except DBAPIError as error:
        raise database_error(error) from error
    finally:
        engine.dispose()


def database_error(error: DBAPIError) -> IdpError:
    """The driver's complaint as a sentence, without the statement and its values."""
    reason = (str(error.orig).strip().splitlines() or ["no reason given"])[0]
    if isinstance(error, OperationalError | InterfaceError):
        return Unavailable(f"the database is not available: {reason}")
    return IdpError(f"the database refuses: {reason}")


def warn_if_outdated(settings: Settings) -> None:
    """Tell the operator if the server will not be ready: PostgreSQL does not upgrade itself, SQLite does."""
    if is_sqlite(settings):
        return
    with engine_of(settings) as engine:
        if not is_current(engine):
            click.echo(
                f"Warning: the database is not at revision {head()}: run 'idp db upgrade'; "
                "/readyz answers 503 until then.",
                err=True,
            )


def is_sqlite(settings: Settings) -> bool:
    """True if the database is a file of this machine, which upgrades itself when the application starts."""
    return settings.database_url.startswith("sqlite")


def require_current(engine: Engine) -> None:
    """Raise ConfigurationError unless the schema is current, Unavailable if nobody answers."""
    try:
        found = is_current(engine)
    except DBAPIError as error:
        raise database_error(error) from error
    if not found:
        raise ConfigurationError("the database is not up to date: run 'idp db upgrade'")
