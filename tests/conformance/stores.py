"""Ephemeral stores to test, and callers of them in other processes."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

import redis
from sqlalchemy import create_engine, delete

from idp.core.errors import Unavailable
from idp.storage import migrate
from idp.storage.db import transaction
from idp.storage.ephemeral import EphemeralStore, FallbackStore, RedisStore, SqlStore
from idp.storage.tables import EphemeralEntry
from tests.helpers.database import application_context, interpreters

PATIENCE_SECONDS = 180
"""For new processes to start, on a machine that has other things to do."""


@dataclass(frozen=True, slots=True)
class StoreSpec:
    """How to open a store, in this process or in another."""

    database_url: str | None
    redis_url: str | None
    retry_after: float = 0.2
    timeout: float = 2.0
    """Generous: these tests share their processors with others, and a slow answer is no failure here."""

    @contextlib.contextmanager
    def opened(self) -> Iterator[EphemeralStore]:
        """The store, inside an application context if it has a database."""
        with contextlib.ExitStack() as stack:
            if self.database_url is not None:
                stack.enter_context(application_context(self.database_url))
            if self.redis_url is None:
                yield SqlStore()
                return
            primary = RedisStore(self.redis_url, timeout=self.timeout)
            stack.callback(primary.close)
            if self.database_url is None:
                yield primary
            else:
                yield FallbackStore(primary, SqlStore(), retry_after=self.retry_after)

    def empty(self) -> None:
        """Remove all values."""
        if self.redis_url is not None:
            with redis.Redis.from_url(self.redis_url) as client:
                client.flushdb()
        if self.database_url is not None:
            with application_context(self.database_url), transaction() as session:
                session.execute(delete(EphemeralEntry))


def create_schema(url: str) -> None:
    """Bring an empty database up to date."""
    engine = create_engine(url)
    migrate.upgrade(engine)
    engine.dispose()


Caller = Callable[[EphemeralStore, int], Any]
PROCESSES = 4


def in_processes(spec: StoreSpec, callers: Sequence[Caller]) -> list[list[Any]]:
    """Have new processes call `caller(store, number)`, all at the same moment, one caller after the other.

    Returns for each caller what each process got.
    """
    context = interpreters()
    barrier = context.Barrier(PROCESSES)
    pipes = [context.Pipe(duplex=False) for _ in range(PROCESSES)]
    children = [
        context.Process(target=_call, args=(spec, callers, number, barrier, sender), daemon=True)
        for number, (_, sender) in enumerate(pipes)
    ]
    for child in children:
        child.start()
    try:
        gathered = []
        for receiver, sender in pipes:
            sender.close()  # so that the end of the child is the end of the pipe
            if not receiver.poll(PATIENCE_SECONDS):
                raise RuntimeError("a process does not come to an end")
            gathered.append(receiver.recv())
        return [list(results) for results in zip(*gathered, strict=True)]
    finally:
        for child in children:
            child.join(5)
            if child.is_alive():
                child.kill()
                child.join()
            child.close()
        for receiver, _ in pipes:
            receiver.close()


def _call(
    spec: StoreSpec, callers: Sequence[Caller], number: int, barrier: Barrier, sender: "Connection[Any, Any]"
) -> None:
    with spec.opened() as store:
        store.ping()
        results = []
        for caller in callers:
            barrier.wait(PATIENCE_SECONDS)
            results.append(caller(store, number))
        sender.send(results)


def take_all(store: EphemeralStore, number: int) -> list[str]:
    """Take a hundred values, each process in an order of its own; returns the keys that were had."""
    keys = [f"code:{index}" for index in range(100)]
    turn = number * 25
    return [key for key in keys[turn:] + keys[:turn] if store.take(key) is not None]


def mark_all(store: EphemeralStore, number: int) -> list[str]:
    """Put a hundred replay markers; returns the keys that were new."""
    keys = [f"jti:{index}" for index in range(100)]
    return [key for key in keys if store.put_if_absent(key, b"%d" % number, 60)]


def count_up(store: EphemeralStore, number: int) -> list[int]:
    """Increment one counter fifty times; returns what it said."""
    return [store.increment("count:shared", 60) for _ in range(50)]


def compare_and_add(store: EphemeralStore, number: int) -> int:
    """Add one to a number twenty-five times by compare-and-set; returns how often that had to be repeated."""
    repeated = 0
    for _ in range(25):
        while True:
            value = store.get("state:shared")
            if value is None:
                raise RuntimeError("the value is gone")
            if store.compare_and_set("state:shared", value, b"%d" % (int(value) + 1), 60):
                break
            repeated += 1
    return repeated


def read_shared_state(store: EphemeralStore, number: int) -> bytes | None:
    """What became of the number."""
    return store.get("state:shared")


def watch_it_expire(store: EphemeralStore, number: int) -> list[float]:
    """Put a value for a second and watch it; returns for how many seconds it was seen, and when it was gone."""
    key = f"short:{number}"
    started = time.monotonic()
    store.put(key, b"x", 1)
    last_seen = started
    while store.get(key) is not None:
        last_seen = time.monotonic()
        time.sleep(0.02)
    return [last_seen - started, time.monotonic() - started]


@dataclass(frozen=True, slots=True)
class History:
    """What one caller saw while the store was in trouble."""

    put: list[str]
    taken: list[str]
    unanswered: list[str]
    longest: float
    """Seconds of the longest round."""


def put_and_take(store: EphemeralStore, number: int, seconds: float = 7) -> History:
    """For some seconds, put values and take them, and those of everybody else, more than once."""
    put: list[str] = []
    taken: list[str] = []
    unanswered: list[str] = []
    longest = 0.0
    end = time.monotonic() + seconds
    for turn in itertools.count():
        started = time.monotonic()
        if started > end:
            return History(put, taken, unanswered, longest)
        mine = f"code:{number}-{turn}"
        others = [f"code:{other}-{turn}" for other in range(PROCESSES)]
        try:
            store.put(mine, b"x", 60)
            put.append(mine)
            for key in (*others, mine, *put[-3:]):
                if store.take(key) is not None:
                    taken.append(key)
        except Unavailable:
            unanswered.append(mine)
        longest = max(longest, time.monotonic() - started)
    raise RuntimeError("time does not end")
