"""Waiting for a database that does not answer, with an end."""

import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg2
import pytest
from psycopg2 import extensions

from idp.core.errors import Unavailable
from idp.storage.patience import RETRY_SECONDS, Patience, WriterQueue, unlimited_patience

SECONDS = 0.1


@dataclass
class Silent:
    """What psycopg2 hands to its wait callback: a connection whose server says nothing, until it does."""

    status: int
    end: socket.socket
    is_done: bool = False

    def poll(self) -> int:
        """Like libpq: ask for more until everything is there."""
        if self.is_done:
            return int(extensions.POLL_OK)
        return int(extensions.POLL_READ)

    def fileno(self) -> int:
        """The socket to wait on."""
        return self.end.fileno()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


Ends = tuple[socket.socket, socket.socket]


def test_silence_has_an_end(ends: Ends) -> None:
    begun = time.monotonic()
    with pytest.raises(psycopg2.OperationalError, match="silent"):
        Patience(SECONDS)(Silent(extensions.STATUS_BEGIN, ends[0]))
    assert SECONDS <= time.monotonic() - begun < 5


def test_an_answer_is_taken(ends: Ends) -> None:
    Patience(SECONDS)(Silent(extensions.STATUS_READY, ends[0], is_done=True))


def test_after_silence_nobody_begins_to_wait(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    patience = Patience(SECONDS)
    with pytest.raises(psycopg2.OperationalError):
        patience(Silent(extensions.STATUS_READY, ends[0]))
    for status in (extensions.STATUS_READY, extensions.STATUS_SETUP):
        begun = time.monotonic()
        with pytest.raises(psycopg2.OperationalError, match="a moment ago"):
            patience(Silent(status, ends[0], is_done=True))
        assert time.monotonic() - begun < SECONDS
    # A transaction that is under way on a connection that answers goes on.
    patience(Silent(extensions.STATUS_BEGIN, ends[0], is_done=True))
    later = time.monotonic() + RETRY_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    patience(Silent(extensions.STATUS_READY, ends[0], is_done=True))


def test_migrations_wait_for_as_long_as_it_takes(ends: Ends) -> None:
    connection = Silent(extensions.STATUS_BEGIN, ends[0])

    def answer() -> None:
        connection.is_done = True
        ends[1].send(b"x")

    timer = threading.Timer(5 * SECONDS, answer)
    timer.start()
    with unlimited_patience():
        Patience(SECONDS)(connection)
    timer.join()


def test_writers_take_turns() -> None:
    queue, order = WriterQueue(5), []

    def write(name: str) -> None:
        with queue.turn():
            order.append(name)
            time.sleep(0.01)
            order.append(name)

    threads = [threading.Thread(target=write, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order[::2] == order[1::2]


def test_a_turn_that_does_not_come() -> None:
    queue = WriterQueue(SECONDS)
    with queue.turn():
        refused: list[Exception] = []

        def write() -> None:
            try:
                with queue.turn():
                    pass
            except Unavailable as error:
                refused.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert len(refused) == 1
    with queue.turn():
        pass


def test_whoever_queued_behind_a_failure_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = WriterQueue(SECONDS)
    with pytest.raises(sqlite3.OperationalError), queue.turn():
        raise sqlite3.OperationalError("database is locked")
    with pytest.raises(Unavailable, match="a moment ago"), queue.turn():
        pass
    later = time.monotonic() + RETRY_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with queue.turn():
        pass
