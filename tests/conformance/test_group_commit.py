"""Rows that arrive together are committed together, and none of them pays for another's fault."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event, insert, select
from sqlalchemy.exc import IntegrityError

from idp.core.errors import Unavailable
from idp.storage.db import db, reading, transaction
from idp.storage.group_commit import GroupCommit
from idp.storage.tables import Role
from tests.conformance.stores import create_schema
from tests.helpers.backends import fresh_postgres_database
from tests.helpers.database import application_context, skip_without_postgres
from tests.helpers.processes import free_port

THREADS = 12


@pytest.fixture(params=["sqlite", "postgres"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An application context on an up-to-date database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'database.db'}"
        create_schema(url)
        with application_context(url) as context:
            yield context
        return
    skip_without_postgres()
    with fresh_postgres_database() as url:
        create_schema(url)
        with application_context(url) as context:
            yield context


def row(name: str) -> dict[str, str]:
    return {"id": name, "name": name, "description": ""}


def names() -> list[str]:
    with reading() as connection:
        return sorted(connection.execute(select(Role.name)).scalars())


def at_once(app: Flask, work: Callable[[int], None]) -> list[Exception | None]:
    """Run `work(n)` in as many threads as there are, all at the same time; what each of them raised."""
    barrier, raised = threading.Barrier(THREADS), [None] * THREADS

    def run(number: int) -> None:
        with app.app_context():
            barrier.wait()
            try:
                work(number)
            except Exception as error:
                raised[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_every_row_is_committed_when_its_thread_goes_on(app: Flask) -> None:
    group = GroupCommit(insert(Role.__table__))

    def work(number: int) -> None:
        for turn in range(10):
            group.insert(row(f"{number}.{turn}"))
            assert f"{number}.{turn}" in names()

    assert at_once(app, work) == [None] * THREADS
    assert len(names()) == THREADS * 10


def test_threads_share_commits(app: Flask) -> None:
    group, commits = GroupCommit(insert(Role.__table__)), []
    event.listen(db.engine, "commit", commits.append)

    def work(number: int) -> None:
        for turn in range(10):
            group.insert(row(f"{number}.{turn}"))

    at_once(app, work)
    assert len(names()) == THREADS * 10
    assert len(commits) < THREADS * 10


def test_a_row_that_does_not_fit_is_its_own_threads_problem(app: Flask) -> None:
    group = GroupCommit(insert(Role.__table__))
    group.insert(row("taken"))
    raised = at_once(app, lambda number: group.insert(row("taken" if number == 5 else str(number))))
    assert isinstance(raised[5], IntegrityError)
    assert [error for error in raised if error is not None] == [raised[5]]
    assert len(names()) == THREADS


def test_nobody_goes_on_while_the_database_is_down() -> None:
    with application_context(f"postgresql://idp:hunter2@127.0.0.1:{free_port()}/idp") as app:
        group = GroupCommit(insert(Role.__table__))
        raised = at_once(app, lambda number: group.insert(row(str(number))))
    assert all(isinstance(error, Unavailable) for error in raised)
    assert len({id(error) for error in raised}) == THREADS


def test_not_within_a_block(app: Flask) -> None:
    """The row would be committed although the block around it may be undone."""
    group = GroupCommit(insert(Role.__table__))
    with transaction(), pytest.raises(RuntimeError):
        group.insert(row("a"))
    with reading(), pytest.raises(RuntimeError):
        group.insert(row("a"))
    assert names() == []
