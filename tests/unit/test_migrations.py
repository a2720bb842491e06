"""The migrations lead to the tables that the code expects, on both databases, and nobody trips over another."""

import contextlib
import multiprocessing.synchronize
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, inspect, text

from idp.core.errors import ConfigurationError
from idp.core.resources import resource_dir
from idp.core.settings import Settings
from idp.storage import migrate
from idp.storage.db import Base, database_url, db, engine_options, prepare_engine
from tests.helpers.backends import fresh_postgres_database
from tests.helpers.database import application_context, interpreters, skip_without_postgres

PROCESSES = 3


def engine_for(url: str) -> Engine:
    settings = Settings(database_url=url)
    engine = create_engine(database_url(settings), **engine_options(settings))
    prepare_engine(engine)
    return engine


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'migrations.db'}"
        return
    skip_without_postgres()
    with fresh_postgres_database() as fresh:
        yield fresh


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    opened = engine_for(url)
    yield opened
    opened.dispose()


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[Engine]:
    opened = engine_for(f"sqlite:///{tmp_path / 'migrations.db'}")
    yield opened
    opened.dispose()


def test_from_nothing_to_the_head(engine: Engine) -> None:
    assert migrate.current(engine) is None
    assert not migrate.is_current(engine)
    migrate.upgrade(engine)
    assert migrate.current(engine) == migrate.head()
    assert migrate.is_current(engine)
    assert set(inspect(engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}


def test_a_second_upgrade_changes_nothing(engine: Engine) -> None:
    migrate.upgrade(engine)
    migrate.upgrade(engine)
    assert migrate.is_current(engine)


def test_a_database_of_a_newer_version_is_refused(engine: Engine) -> None:
    migrate.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not migrate.is_current(engine)
    with pytest.raises(ConfigurationError, match="9999"):
        migrate.upgrade(engine)
    assert migrate.current(engine) == "9999"


def test_in_memory() -> None:
    with application_context("sqlite:///:memory:"):
        migrate.upgrade(db.engine)
        assert migrate.is_current(db.engine)
        assert migrate.differences(db.engine) == []


def test_autogenerate_finds_no_difference(engine: Engine) -> None:
    migrate.upgrade(engine)
    assert migrate.differences(engine) == []


def test_autogenerate_would_find_a_difference(engine: Engine) -> None:
    """So that the test above means something."""
    migrate.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX ix_ephemeral_expires_at"))
        connection.execute(text("ALTER TABLE users DROP COLUMN zoneinfo"))
    kinds = {difference[0] for difference in migrate.differences(engine)}
    assert kinds == {"add_index", "add_column"}


def test_constraints_are_the_same_as_those_of_the_models(engine: Engine, url: str, tmp_path: Path) -> None:
    """Autogenerate overlooks some of them: checked here by name, columns and action."""
    migrate.upgrade(engine)
    migrated = constraints(engine)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
        Base.metadata.drop_all(connection)
        Base.metadata.create_all(connection)
    assert migrated == constraints(engine)


def constraints(engine: Engine) -> dict[str, object]:
    found: dict[str, object] = {}
    inspector = inspect(engine)
    for table in Base.metadata.tables:
        found[table] = {
            "primary": inspector.get_pk_constraint(table),
            "unique": sorted(
                (str(item["name"]), item["column_names"]) for item in inspector.get_unique_constraints(table)
            ),
            "foreign": sorted(
                (str(item["name"]), item["constrained_columns"], item["referred_table"], str(item["options"]))
                for item in inspector.get_foreign_keys(table)
            ),
            "indexes": sorted(
                (str(item["name"]), item["column_names"], bool(item["unique"])) for item in inspector.get_indexes(table)
            ),
            "columns": {
                item["name"]: (str(item["type"]), item["nullable"], item["default"])
                for item in inspector.get_columns(table)
            },
        }
    return found


def test_the_way_back(engine: Engine) -> None:
    migrate.upgrade(engine)
    migrate.downgrade(engine, "base")
    assert migrate.current(engine) is None
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrate.upgrade(engine)
    assert migrate.is_current(engine)


def test_a_failed_upgrade_leaves_nothing_behind(engine: Engine) -> None:
    with engine.begin() as connection:
        # In the way of the last table but one.
        connection.execute(text("CREATE TABLE totp_credentials (id integer)"))
    with pytest.raises(Exception, match="totp_credentials"):
        migrate.upgrade(engine)
    assert migrate.current(engine) is None
    assert inspect(engine).get_table_names() == ["totp_credentials"]
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE totp_credentials"))
    migrate.upgrade(engine)
    assert migrate.is_current(engine)


def test_sqlite_checks_foreign_keys_again_after_an_upgrade(sqlite_engine: Engine) -> None:
    migrate.upgrade(sqlite_engine)
    with sqlite_engine.connect() as connection:
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 5000
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2


def test_the_index_of_primary_addresses_is_partial(engine: Engine) -> None:
    migrate.upgrade(engine)
    addresses = text(
        "INSERT INTO user_emails (id, user_id, address, canonical, is_primary, created_at)"
        " VALUES (:id, 'u', :id, :id, :is_primary, '2026-01-01 00:00:00')"
    )
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO users (id, status, phone_number_verified, created_at, updated_at)"
                " VALUES ('u', 'active', false, '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
            )
        )
        connection.execute(addresses, {"id": "a", "is_primary": True})
        connection.execute(addresses, {"id": "b", "is_primary": False})
        connection.execute(addresses, {"id": "c", "is_primary": False})
    with pytest.raises(Exception, match=r"(?i)unique"), engine.begin() as connection:
        connection.execute(addresses, {"id": "d", "is_primary": True})


def test_revisions_are_numbered_without_gaps() -> None:
    names = sorted(path.name for path in (resource_dir("migrations") / "versions").glob("*.py"))
    assert [name[:4] for name in names] == [f"{number:04}" for number in range(1, len(names) + 1)]
    assert migrate.head() == names[-1][:4]


def _upgrade_at_once(url: str, barrier: "multiprocessing.synchronize.Barrier") -> None:
    engine = engine_for(url)
    barrier.wait(120)
    migrate.upgrade(engine)
    if not migrate.is_current(engine):
        raise RuntimeError("not current")
    engine.dispose()


@pytest.mark.slow
def test_processes_that_start_at_once(url: str) -> None:
    """The file does not even exist yet."""
    context = interpreters()
    barrier = context.Barrier(PROCESSES)
    children = [context.Process(target=_upgrade_at_once, args=(url, barrier)) for _ in range(PROCESSES)]
    for child in children:
        child.start()
    with contextlib.ExitStack() as stack:
        for child in children:
            stack.callback(child.close)
            child.join(180)
        assert [child.exitcode for child in children] == [0] * PROCESSES
    engine = engine_for(url)
    assert migrate.differences(engine) == []
    engine.dispose()


def test_an_upgrade_waits_for_the_one_under_way(engine: Engine) -> None:
    context = interpreters()
    barrier = context.Barrier(1)
    with migrate._locked(engine):
        child = context.Process(target=_upgrade_at_once, args=(database_url_of(engine), barrier))
        child.start()
        child.join(4)
        assert child.exitcode is None
    started = time.monotonic()
    child.join(120)
    assert child.exitcode == 0, time.monotonic() - started
    child.close()
    assert migrate.is_current(engine)


def database_url_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)
