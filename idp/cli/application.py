"""The application around a command: every service, in a Flask application context."""

from collections.abc import Iterator
from contextlib import contextmanager

from idp.app import create_app
from idp.cli.database import require_current
from idp.core.settings import Settings, load_settings
from idp.storage.db import db
from idp.web.provider import Provider, current_provider


@contextmanager
def running_provider(settings: Settings | None = None) -> Iterator[Provider]:
    """The provider over a current database.

    Raises ConfigurationError if the settings or the schema are not fit to work with, and Unavailable if the
    database is down.
    """
    settings = settings or load_settings()
    with create_app(settings, tolerate_demo_accounts=True).app_context():
        try:
            require_current(db.engine)
            yield current_provider()
        finally:
            db.session.remove()
            db.engine.dispose()
