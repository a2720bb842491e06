"""Storage and services without a server: an application context on an empty database."""

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from flask import Flask

from idp.core.settings import Settings
from idp.storage.db import Base, database_url, db, engine_options, prepare_engine
from tests.helpers.needs import need
from tests.helpers.services import POSTGRES_URL


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


def skip_without_postgres() -> None:
    """Skip a test that wants PostgreSQL where none is provided (see `tests.helpers.services`)."""
    need(os.environ.get(POSTGRES_URL), f"{POSTGRES_URL} is not set")


def processes(count: int) -> ProcessPoolExecutor:
    """A pool of interpreters that share nothing with the test or one another, as the workers of a server."""
    context = get_context("forkserver")
    # Flask and SQLAlchemy are imported once, in the server, before it forks.
    context.set_forkserver_preload([__name__])
    return ProcessPoolExecutor(count, mp_context=context)
