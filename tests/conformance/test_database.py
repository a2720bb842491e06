"""The transaction discipline, on SQLite and on PostgreSQL."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from flask import Flask
from sqlalchemy import func, insert, select, text, update

from idp.core.errors import Unavailable
from idp.core.settings import Settings
from idp.storage.db import database_url, db, in_transaction, reading, transaction
from idp.storage.tables import ConfigurationVersion, EphemeralEntry, Role
from idp.storage.versions import VersionWatch, bump
from tests.conformance.stores import create_schema
from tests.helpers.backends import fresh_postgres_database
from tests.helpers.database import application_context, skip_without_postgres
from tests.helpers.processes import free_port
from tests.helpers.services import postgres


@pytest.fixture
def postgres_app() -> Iterator[Flask]:
    """An application context on an up-to-date PostgreSQL database."""
    skip_without_postgres()
    with fresh_postgres_database() as url:
        create_schema(url)
        with application_context(url) as app:
            yield app


@pytest.fixture
def sqlite_app(tmp_path: Path) -> Iterator[Flask]:
    """An application context on an up-to-date SQLite database."""
    url = f"sqlite:///{tmp_path / 'database.db'}"
    create_schema(url)
    with application_context(url) as app:
        yield app


@pytest.fixture(params=["sqlite_app", "postgres_app"])
def app(request: pytest.FixtureRequest) -> Flask:
    """Each of the two in turn."""
    chosen: Flask = request.getfixturevalue(request.param)
    return chosen


def count() -> int:
    with reading() as session:
        return session.execute(select(func.count()).select_from(Role)).scalar_one()


def add_role(name: str) -> None:
    with transaction() as session:
        session.execute(insert(Role).values(id=name, name=name, description=""))


def elsewhere(app: Flask, work: object) -> list[object]:
    """Run `work()` in another thread with a context of its own, to the end."""
    results: list[object] = []

    def run() -> None:
        with app.app_context():
            try:
                results.append(work())  # type: ignore[operator]
            except Exception as error:
                results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results


class TestTransactions:
    def test_commits_at_the_end(self, app: Flask) -> None:
        add_role("a")
        assert elsewhere(app, count) == [1]

    def test_an_error_undoes_everything(self, app: Flask) -> None:
        def fail() -> None:
            with transaction():
                add_role("a")
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert count() == 0
        assert not in_transaction()
        add_role("b")
        assert count() == 1

    def test_nested_transactions_are_one(self, app: Flask) -> None:
        with transaction():
            add_role("a")
            assert elsewhere(app, count) == [0]
            assert count() == 1
        assert elsewhere(app, count) == [1]

    def test_an_error_caught_inside_leaves_the_rest(self, app: Flask) -> None:
        """A join does not roll back: who opened the transaction decides."""
        with transaction():
            add_role("a")
            with pytest.raises(KeyError), transaction():
                raise KeyError
        assert count() == 1

    def test_not_inside_reading(self, app: Flask) -> None:
        with reading() as session:
            session.execute(select(1))
            with pytest.raises(RuntimeError, match="inside reading"):
                add_role("a")
        add_role("a")

    def test_reading_inside_a_transaction_sees_it(self, app: Flask) -> None:
        with transaction():
            add_role("a")
            assert count() == 1
            assert in_transaction()

    def test_connections_go_back_to_the_pool(self, app: Flask) -> None:
        for number in range(40):
            add_role(str(number))
            count()
        pool = db.engine.pool
        assert isinstance(pool, sqlalchemy.QueuePool)
        assert pool.checkedout() == 0

    def test_constraint_violations_are_not_disguised(self, app: Flask) -> None:
        add_role("a")
        with pytest.raises(sqlalchemy.exc.IntegrityError):
            add_role("a")
        assert count() == 1

    def test_foreign_keys_hold(self, app: Flask) -> None:
        with pytest.raises(sqlalchemy.exc.IntegrityError), transaction() as session:
            session.execute(
                text(
                    "INSERT INTO role_assignments (user_id, role_id, created_at)"
                    " VALUES ('nobody', 'nothing', '2026-01-01 00:00:00')"
                )
            )

    def test_parallel_changes_are_all_kept(self, app: Flask) -> None:
        def work() -> None:
            with app.app_context():
                for _ in range(25):
                    with transaction() as session:
                        bump(session, "clients")

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with reading() as session:
            assert session.execute(select(ConfigurationVersion.version)).scalar() == 100

    def test_a_transaction_may_read_first_and_write_then(self, app: Flask) -> None:
        """On SQLite this fails at once, unless the write lock is taken before the read."""
        with transaction() as session:
            session.execute(insert(ConfigurationVersion).values(name="n", version=0))

        def work() -> None:
            with app.app_context():
                for _ in range(25):
                    with transaction() as session:
                        row = select(ConfigurationVersion.version).with_for_update()
                        version = session.execute(row).scalar_one()
                        time.sleep(0.001)
                        session.execute(update(ConfigurationVersion).values(version=version + 1))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with reading() as session:
            assert session.execute(select(ConfigurationVersion.version)).scalar() == 100

    def test_waiting_for_a_lock_ends(self, app: Flask) -> None:
        with transaction() as session:
            session.execute(insert(ConfigurationVersion).values(name="n", version=0))
        started = time.monotonic()
        with transaction() as session:
            session.execute(update(ConfigurationVersion).values(version=1))

            def wait() -> None:
                with transaction() as session:
                    session.execute(update(ConfigurationVersion).values(version=2))

            [error] = elsewhere(app, wait)
        assert isinstance(error, Unavailable)
        assert 4 < time.monotonic() - started < 10


class TestInstants:
    INSTANT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

    def stored(self, instant: datetime) -> datetime:
        with transaction() as session:
            session.execute(insert(EphemeralEntry).values(key="k", value=b"", expires_at=instant))
        with reading() as session:
            return session.execute(select(EphemeralEntry.expires_at)).scalar_one()

    def test_utc_comes_back(self, app: Flask) -> None:
        assert self.stored(self.INSTANT) == self.INSTANT

    def test_other_zones_are_converted(self, app: Flask) -> None:
        there = self.INSTANT.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
        stored = self.stored(there)
        assert stored == self.INSTANT
        assert stored.utcoffset() == timedelta(0)

    def test_naive_is_refused(self, app: Flask) -> None:
        with pytest.raises(sqlalchemy.exc.StatementError, match="naive"):
            self.stored(self.INSTANT.replace(tzinfo=None))


class TestVersionWatch:
    def bump(self, name: str = "clients") -> None:
        with transaction() as session:
            bump(session, name)

    def test_changes_are_seen_once(self, app: Flask) -> None:
        watch = VersionWatch("clients", interval=0)
        assert watch.changed() is True, "the first time, nobody has loaded anything yet"
        assert watch.changed() is False
        self.bump()
        assert watch.changed() is True
        assert watch.changed() is False
        self.bump("keys")
        assert watch.changed() is False

    def test_changes_of_others_are_seen(self, app: Flask) -> None:
        watch = VersionWatch("clients", interval=0)
        watch.changed()
        elsewhere(app, self.bump)
        assert watch.changed() is True

    def test_not_asked_more_often_than_agreed(self, app: Flask) -> None:
        watch = VersionWatch("clients", interval=0.3)
        watch.changed()
        self.bump()
        assert watch.changed() is False
        time.sleep(0.35)
        assert watch.changed() is True

    def test_uncommitted_changes_do_not_count(self, app: Flask) -> None:
        watch = VersionWatch("clients", interval=0)
        watch.changed()

        def bump_in_vain() -> None:
            with transaction() as session:
                bump(session, "clients")
                assert watch.changed() is False
                raise KeyError

        with pytest.raises(KeyError):
            bump_in_vain()
        assert watch.changed() is False
        self.bump()
        assert watch.changed() is True

    def test_a_database_that_hangs_holds_up_one_caller_only(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        watch = VersionWatch("clients", interval=60)
        hanging, answers = threading.Event(), threading.Event()

        @contextmanager
        def hang() -> Iterator[Any]:
            hanging.set()
            answers.wait(10)
            raise Unavailable("the database is not available")
            yield

        monkeypatch.setattr("idp.storage.versions.reading", hang)
        first = threading.Thread(target=elsewhere, args=(app, watch.changed))
        first.start()
        assert hanging.wait(10)
        assert watch.changed() is False, "answered at once, although the first caller still waits"
        answers.set()
        first.join()
        monkeypatch.undo()
        assert watch.changed() is False, "the interval begins with the end of the attempt"

    def test_forget(self, app: Flask) -> None:
        watch = VersionWatch("clients", interval=60)
        watch.changed()
        watch.forget()
        assert watch.changed() is True


class TestDatabaseDown:
    def test_never_there(self) -> None:
        with application_context(f"postgresql://idp:hunter2@127.0.0.1:{free_port()}/idp"):
            with pytest.raises(Unavailable) as raised:
                add_role("a")
            assert "hunter2" not in str(raised.value)
            with pytest.raises(Unavailable):
                count()
            assert VersionWatch("clients").changed() is False

    def test_gone_in_the_middle(self, postgres_app: Flask) -> None:
        """The connection dies between two statements, with the server."""

        def write(*, and_go_on: bool) -> None:
            with transaction() as session:
                session.execute(insert(Role).values(id="a", name="a", description=""))
                self.terminate_our_connections()
                if and_go_on:
                    session.execute(select(1))

        for and_go_on in (True, False):
            with pytest.raises(Unavailable):
                write(and_go_on=and_go_on)
        with reading() as session:
            assert session.execute(select(1)).scalar() == 1
            self.terminate_our_connections()
        assert count() == 0
        add_role("a")
        assert count() == 1

    def terminate_our_connections(self) -> None:
        engine = sqlalchemy.create_engine(db.engine.url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        engine.dispose()

    @pytest.mark.faults
    def test_down_and_up_again(self) -> None:
        skip_without_postgres()
        with postgres() as server:
            with application_context(server.url):
                create_schema(server.url)
                add_role("a")
                watch = VersionWatch("clients", interval=0)
                watch.changed()
            url = server.url
        with application_context(url):
            with pytest.raises(Unavailable):
                count()
            assert watch.changed() is False


class TestUrls:
    def test_relative_files_are_relative_to_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert database_url(Settings(database_url="sqlite:///var/idp.db")) == f"sqlite:///{tmp_path}/var/idp.db"
        assert database_url(Settings(database_url="sqlite:////srv/idp.db")) == "sqlite:////srv/idp.db"
        assert database_url(Settings(database_url="sqlite:///:memory:")) == "sqlite:///:memory:"

    @pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
    def test_postgres_means_psycopg2(self, scheme: str) -> None:
        assert database_url(Settings(database_url=f"{scheme}://u@h/d")) == "postgresql+psycopg2://u@h/d"
