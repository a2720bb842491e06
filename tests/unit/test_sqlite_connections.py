"""How connections to SQLite are set, whatever the library was built with."""

import sqlite3
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from idp.storage.db import prepare_engine


def _engine(path: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA secure_delete=OFF")  # as most builds have it; Debian's have not
        return connection

    return create_engine("sqlite://", creator=connect)


def test_what_was_deleted_is_nowhere_in_the_file(tmp_path: Path) -> None:
    path, name = tmp_path / "idp.db", "ann-who-was-erased"
    engine = _engine(path)
    prepare_engine(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE people (name TEXT)"))
        connection.execute(text("INSERT INTO people VALUES (:name)"), [{"name": f"{name}-{i}"} for i in range(500)])
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM people"))
    engine.dispose()
    assert not path.with_name("idp.db-wal").exists()
    assert name.encode() not in path.read_bytes()
