"""The migrations lead to the tables that the code expects, on both databases, and nobody trips over another."""

import contextlib
import multiprocessing.synchronize
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError

from idp.core.errors import ConfigurationError
from idp.core.resources import resource_dir
from idp.core.setting_sections import Lifetimes
from idp.core.settings import Settings
from idp.engine.tokens.families import Families
from idp.storage import migrate
from idp.storage.db import Base, database_url, db, engine_options, prepare_engine, reading
from idp.storage.tables import ClientRow
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


AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FAMILY = {
    "id": "with code", "client_id": "shop", "user_id": "ada", "session_id": "s", "code_hash": "c" * 64,
    "scopes": ["openid"], "resources": [], "claims_request": {}, "auth_time": AT, "acr": "1", "amr": ["pwd"],
    "offline": True, "salt": b"\x00salt", "generation": 3, "idle_expires_at": AT, "expires_at": AT, "created_at": AT,
}  # fmt: skip
CLIENT = {
    "client_id": "shop", "client_name": "Shop", "client_metadata": {"redirect_uris": ["https://shop.example/cb"]},
    "is_enabled": True, "skip_consent": False, "require_pkce": True, "rotate_refresh_tokens": False,
    "created_at": AT, "updated_at": AT,
}  # fmt: skip
POPULATION: dict[str, dict[str, Any]] = {
    "audit_events": {"id": "a", "at": AT, "event": "session:started", "actor": "user:ada", "details": {"amr": ["pwd"]}},
    "clients": CLIENT,
    "configuration_versions": {"name": "clients", "version": 7},
    "ephemeral": {"key": "code:x", "value": b"\xff", "expires_at": AT},
    "resource_servers": {
        "id": "r", "audience": "https://orders.example", "name": "Orders", "scopes": {"orders:read": "Read"},
        "token_format": "jwt", "signing_alg": "RS256", "introspection_clients": ["shop"], "is_enabled": True,
        "created_at": AT, "updated_at": AT,
    },
    "roles": {"id": "editor", "name": "editor", "description": "Edits", "created_at": AT},
    "signing_keys": {
        "kid": "k", "alg": "RS256", "state": "active", "public_jwk": {"kty": "RSA", "n": "AQAB"},
        "sealed_private_key": b"sealed", "published_at": AT, "activated_at": AT,
    },
    "throttles": {
        "key": "account:ada", "failures": 2, "window_started_at": AT, "last_failure_at": AT, "expires_at": AT,
    },
    "users": {
        "id": "ada", "status": "active", "name": "Ada", "phone_number_verified": False,
        "address": {"country": "UK"}, "created_at": AT, "updated_at": AT,
    },
    "client_secrets": {"id": "cs", "client_id": "shop", "keyed_hash": "h", "sealed_secret": b"s", "created_at": AT},
    "consents": {
        "id": "co", "user_id": "ada", "client_id": "shop", "scopes": ["openid"], "resources": [], "declined": [],
        "claims": {}, "granted_at": AT, "updated_at": AT,
    },
    "password_credentials": {"user_id": "ada", "hash": "$argon2id$", "pepper_id": "1", "changed_at": AT},
    "role_assignments": {"user_id": "ada", "role_id": "editor", "created_at": AT},
    "sessions": {
        "id": "s", "user_id": "ada", "token_hash": "t", "auth_time": AT, "amr": ["pwd"], "acr": "1",
        "created_at": AT, "last_seen_at": AT, "idle_expires_at": AT, "expires_at": AT,
    },
    "token_families": FAMILY,
    "totp_credentials": {"id": "to", "user_id": "ada", "sealed_seed": b"seed", "last_step": 5, "created_at": AT},
    "user_emails": {
        "id": "e", "user_id": "ada", "address": "Ada@example.com", "canonical": "ada@example.com", "is_primary": True,
        "created_at": AT,
    },
}  # fmt: skip
"""A row of each table of the first schema; those that point at others come after them."""


def upgrade_to(engine: Engine, revision: str) -> None:
    with migrate._locked(engine) as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def put(engine: Engine, table: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(insert(reflected(connection, table)).values(**values))


def reflected(connection: Connection, table: str) -> Table:
    """The table as it is in the database, whatever the code expects."""
    return Table(table, MetaData(), autoload_with=connection)


def contents(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """All that lies in the tables of the first schema, without the columns that are new since."""
    found: dict[str, list[dict[str, Any]]] = {}
    with engine.connect() as connection:
        for name, row in POPULATION.items():
            rows = connection.execute(select(reflected(connection, name))).mappings()
            found[name] = [{column: as_utc(one[column]) for column in row} for one in rows]
    return found


def as_utc(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


@pytest.fixture
def populated(engine: Engine) -> Engine:
    """A database of the first version, with a row of everything."""
    upgrade_to(engine, "0001")
    for table, row in POPULATION.items():
        put(engine, table, **row)
    assert contents(engine) == {table: [row] for table, row in POPULATION.items()}
    with engine.connect() as connection:
        assert set(POPULATION) == set(inspect(connection).get_table_names()) - {"alembic_version"}
    return engine


def test_nothing_is_lost_on_the_way_up(populated: Engine) -> None:
    """Tables that others refer to are built anew on SQLite: whatever hangs on them must not fall with them."""
    before = contents(populated)
    migrate.upgrade(populated)
    assert contents(populated) == before
    with populated.connect() as connection:
        assert connection.execute(text("SELECT subject FROM token_families")).scalars().all() == ["ada"]
        assert not connection.execute(text("SELECT is_self_registered FROM clients")).scalar_one()
        history = connection.execute(text("SELECT user_id, client_id, action FROM consent_records")).all()
        assert [tuple(row) for row in history] == [("ada", "shop", "granted")]
        with pytest.raises(IntegrityError):
            connection.execute(text("UPDATE client_secrets SET client_id = 'nobody'"))
    with populated.begin() as connection:
        connection.execute(text("DELETE FROM clients"))
    left = {name for name, rows in contents(populated).items() if not rows}
    assert left == {"clients", "client_secrets", "consents", "token_families"}, "what depends on them still does"


def test_what_the_first_version_knows_survives_the_way_back(populated: Engine) -> None:
    """Lost is what it has no place for: tokens without a code, keys for encryption, and the tables that are new."""
    before = contents(populated)
    migrate.upgrade(populated)
    put(populated, "token_families", **FAMILY | {"id": "front channel", "code_hash": None, "subject": "pseudonym"})
    key = POPULATION["signing_keys"] | {"kid": "e", "alg": "RSA-OAEP-256"}
    put(populated, "signing_keys", **key)
    message = {"id": "m", "kind": "x", "recipient": "shop", "payload": {}, "state": "waiting", "attempts": 0}
    put(populated, "outbox_messages", **message, created_at=AT)
    migrate.downgrade(populated, "0001")
    assert contents(populated) == before
    assert migrate.current(populated) == "0001"
    migrate.upgrade(populated)
    assert contents(populated) == before


def test_processes_of_the_first_version_still_write_beside_an_upgraded_database(populated: Engine, url: str) -> None:
    """Not on SQLite alone, which is upgraded as the server starts: on PostgreSQL the old servers go on for a while."""
    migrate.upgrade(populated)
    put(populated, "clients", **CLIENT | {"client_id": "blog"})
    put(populated, "token_families", **FAMILY | {"id": "old", "code_hash": "d" * 64})
    with application_context(url):
        family = Families(Lifetimes()).get("old")
        assert family is not None
        assert family.authorization.subject == "ada"
        with reading() as connection:
            found = connection.execute(select(ClientRow.client_id).where(ClientRow.is_self_registered.is_(False)))
            assert sorted(found.scalars()) == ["blog", "shop"]


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
