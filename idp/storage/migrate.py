"""The schema: where it is, where it should be, and the way there (Alembic)."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from idp.core.errors import ConfigurationError
from idp.core.resources import resource_dir
from idp.storage import tables  # noqa: F401 -- fills Base.metadata
from idp.storage.db import Base, prepare_engine, write_lock_on_begin
from idp.storage.patience import unlimited_patience

LOCK_WAIT_SECONDS = 60
_ADVISORY_LOCK = 0x6964_7001
"""Any number, as long as nobody else uses it in this database."""


def upgrade(engine: Engine) -> None:
    """Bring the schema up to date, all or nothing. If several processes try, one does it and the others wait.

    SQLite databases are upgraded whenever the server starts, PostgreSQL by `idp db upgrade` alone. Raises
    ConfigurationError if a newer version of idp has been at work.
    """
    if is_current(engine):
        return
    with _locked(engine) as connection:
        _refuse_unknown(MigrationContext.configure(connection).get_current_revision())
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _refuse_unknown(revision: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision is not None and revision not in known:
        raise ConfigurationError(
            f"the database is at revision {revision}, which this version of idp does not know: "
            "it was upgraded by a newer one"
        )


def downgrade(engine: Engine, revision: str) -> None:
    """Go back to an older schema; what does not fit into it is lost. For development."""
    with _locked(engine) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def current(engine: Engine) -> str | None:
    """The revision of the database; None if it is empty."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


@cache
def head() -> str:
    """The newest revision this version of idp knows."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise FileNotFoundError("this installation of idp lacks its migrations")
    return revision


def is_current(engine: Engine) -> bool:
    """True if the database has the newest revision."""
    return current(engine) == head()


def differences(engine: Engine) -> list[Any]:
    """What Alembic's autogenerate would change: empty if the migrations and the tables agree."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))


def new_revision(engine: Engine, message: str) -> None:
    """Write a migration file with the differences, for a developer to check by hand."""
    with _locked(engine) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.revision(config, message, autogenerate=True, rev_id=f"{int(head()) + 1:04}")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resource_dir("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _locked(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that holds the lock of migrations."""
    if engine.dialect.name == "sqlite":
        with _locked_sqlite(engine) as connection:
            yield connection
        return
    prepare_engine(engine)
    with unlimited_patience(), engine.begin() as connection:
        # Waiting for another process to migrate may take long, and so may its statements ...
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT_SECONDS}s'"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        # ... but a table lock that is not to be had at once would make all users queue behind us.
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        yield connection


@contextmanager
def _locked_sqlite(engine: Engine) -> Iterator[Connection]:
    prepare_engine(engine)
    with write_lock_on_begin(), engine.connect() as connection:
        cursor = connection.connection.cursor()
        # SQLite changes a table by building it anew and dropping the old one, at which foreign keys would
        # take offence; the switch has no effect inside a transaction.
        patience = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute("PRAGMA foreign_keys=OFF")
        cursor.execute(f"PRAGMA busy_timeout={LOCK_WAIT_SECONDS * 1000}")
        try:
            with connection.begin():
                yield connection
                if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                    raise RuntimeError("the migration would leave references that point nowhere")
        finally:
            cursor.execute(f"PRAGMA busy_timeout={patience}")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.close()
