"""Storage and services without a server: an application context on an empty database."""

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path

from flask import Flask

from idp.core.settings import Settings
from idp.storage.db import Base, database_url, db, engine_options, prepare_engine, transaction
from tests.helpers.backends import fresh_postgres_database
from tests.helpers.needs import need
from tests.helpers.services import POSTGRES_URL

DIALECTS = ("sqlite", "postgres")
_PRELOADED = [__name__, "idp.storage.migrate", "idp.storage.ephemeral"]


@contextlib.contextmanager
def application_context(url: str, *, create: bool = False, prepares: bool = True) -> Iterator[Flask]:
    """What a request, a command or the worker has around it. `create` makes the tables first."""
    settings = Settings(database_url=url, database_prepared_statements=prepares)
    app = Flask("tests")
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url(settings)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings)
    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
        if create:
            Base.metadata.create_all(db.engine)
        try:
            yield app
        finally:
            db.session.remove()
            db.engine.dispose()


@contextlib.contextmanager
def database_with_tables(dialect: str, directory: Path) -> Iterator[str]:
    """The URL of a database of one of the DIALECTS. Made once for a module, whose tests call `empty_tables`."""
    with contextlib.ExitStack() as stack:
        if dialect == "sqlite":
            url = f"sqlite:///{directory / 'idp.db'}"
        else:
            skip_without_postgres()
            url = stack.enter_context(fresh_postgres_database())
        with application_context(url, create=True):
            pass
        yield url


def empty_tables() -> None:
    """Leave to the next test what a new database would be: far quicker than a new database."""
    db.session.remove()
    with transaction() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
    db.session.remove()


def skip_without_postgres() -> None:
    """Skip a test that wants PostgreSQL where none is provided (see `tests.helpers.services`)."""
    need(os.environ.get(POSTGRES_URL), f"{POSTGRES_URL} is not set")


def interpreters() -> ForkServerContext:
    """Where to start processes that share nothing with the test or one another, as the workers of a server."""
    context = get_context("forkserver")
    # What takes long to import is imported once, in the server, before it forks.
    context.set_forkserver_preload(_PRELOADED)
    return context


def processes(count: int) -> ProcessPoolExecutor:
    """A pool of such processes."""
    return ProcessPoolExecutor(count, mp_context=interpreters())
