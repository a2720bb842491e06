"""Redis dies, SQL takes over, Redis comes back: nothing is given twice, nothing hangs."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask

from idp.core.errors import Unavailable
from idp.storage.ephemeral import EphemeralStore, FallbackStore, OutcomeUnknown, RedisStore, SqlStore
from tests.conformance.stores import History, StoreSpec, create_schema, in_processes, put_and_take
from tests.conformance.unreliable import FaultyStore, UnreliableRedis, trouble, unreliable_redis
from tests.helpers.database import application_context

pytestmark = pytest.mark.faults

RETRY_AFTER = 0.2
DOUBT = 1.5


@pytest.fixture(scope="module")
def server() -> Iterator[UnreliableRedis]:
    with unreliable_redis() as running:
        yield running


@pytest.fixture
def primary(server: UnreliableRedis) -> Iterator[RedisStore]:
    with server.client() as client:
        client.flushall()
    # Patient, because frozen and busy look alike.
    opened = RedisStore(server.url, timeout=0.5)
    yield opened
    opened.close()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    url = f"sqlite:///{tmp_path / 'fallback.db'}"
    create_schema(url)
    with application_context(url) as app:
        yield app


@pytest.fixture
def secondary(app: Flask) -> SqlStore:
    return SqlStore()


@pytest.fixture
def store(primary: RedisStore, secondary: SqlStore) -> FallbackStore:
    return FallbackStore(primary, secondary, retry_after=RETRY_AFTER, doubt=DOUBT)


@pytest.fixture
def faulty(primary: RedisStore) -> FaultyStore:
    return FaultyStore(primary)


@pytest.fixture
def shaky(faulty: FaultyStore, secondary: SqlStore) -> FallbackStore:
    """A store whose primary fails on command."""
    return FallbackStore(faulty, secondary, retry_after=RETRY_AFTER)


def recover(faulty: FaultyStore, store: FallbackStore) -> None:
    faulty.fault = None
    time.sleep(RETRY_AFTER + 0.05)
    store.get("kind:probe")
    assert not store.is_degraded


def test_while_all_is_well_the_database_is_left_alone(
    store: FallbackStore, primary: RedisStore, secondary: EphemeralStore
) -> None:
    store.put("kind:a", b"x", 60)
    assert store.get("kind:a") == b"x"
    assert secondary.get("kind:a") is None
    assert primary.get("kind:a") == b"x"
    assert not store.is_degraded


def test_redis_is_killed_and_comes_back(store: FallbackStore, server: UnreliableRedis) -> None:
    store.put("code:before", b"x", 60)
    server.kill()
    try:
        store.put("code:during", b"x", 60)
        store.put("state:during", b"1", 60)
        assert store.is_degraded
        assert store.get("code:during") == b"x"
        assert store.take("code:before") is None
        assert store.compare_and_set("state:during", b"1", b"2", 60)
        assert store.put_if_absent("jti:during", b"x", 60)
        assert store.increment("count:during", 60) == 1
        store.put("code:taken", b"x", 60)
        assert store.take("code:taken") == b"x"
        assert store.take("code:taken") is None
        store.ping()
    finally:
        server.start()
    assert store.is_degraded
    time.sleep(RETRY_AFTER)
    store.put("code:after", b"x", 60)
    assert not store.is_degraded
    assert "code:after" in server.names()
    # What was put in the meantime is there, once.
    assert store.take("code:during") == b"x"
    assert store.take("code:during") is None
    assert store.get("state:during") == b"2"
    assert not store.put_if_absent("jti:during", b"x", 60)
    # What was taken in the meantime, or lost, does not come back.
    assert store.take("code:taken") is None
    assert store.take("code:before") is None
    assert store.take("code:after") == b"x"
    assert store.take("code:after") is None


def test_a_value_taken_before_a_crash_is_not_given_after_it(store: FallbackStore, server: UnreliableRedis) -> None:
    store.put("code:a", b"x", 60)
    with server.client() as client:
        [name] = client.keys("*code:a")
        copy = client.dump(name)
        assert store.take("code:a") == b"x"
        # The disk forgets the last moment: the value is still there after the crash.
        client.restore(name, 60_000, copy)
    server.kill()
    server.start()
    assert store.take("code:a") is None


def test_redis_freezes(store: FallbackStore, server: UnreliableRedis) -> None:
    store.put("code:taken", b"x", 60)
    store.put("state:a", b"1", 60)
    server.freeze()
    try:
        started = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            store.take("code:taken")
        assert time.monotonic() - started < 2
        # From now on nobody waits.
        started = time.monotonic()
        store.put("code:during", b"x", 60)
        assert store.get("code:during") == b"x"
        # Busy for a moment or gone? Nobody is told that something is absent which may not be.
        with pytest.raises(Unavailable):
            store.get("state:a")
        assert time.monotonic() - started < 3
        time.sleep(DOUBT)
        assert store.get("state:a") is None
    finally:
        server.thaw()
    time.sleep(RETRY_AFTER)
    assert store.get("state:a") == b"1"
    assert not store.is_degraded
    assert store.take("code:taken") is None
    assert store.take("code:during") == b"x"
    assert store.take("code:during") is None


def test_reading_fails_only_for_a_moment_when_redis_freezes(store: FallbackStore, server: UnreliableRedis) -> None:
    server.freeze()
    try:
        with pytest.raises(Unavailable):
            store.get("kind:a")
        store.delete("kind:a")
        time.sleep(DOUBT)
        assert store.get("kind:a") is None
    finally:
        server.thaw()


class _Hiccup(FaultyStore):
    """A store that one question does not reach, and that takes its time to say that it is well."""

    def __init__(self, store: EphemeralStore) -> None:
        super().__init__(store)
        self.fault = "unreachable"

    def ping(self) -> None:
        self.fault = None
        time.sleep(0.2)


def test_a_hiccup_makes_nothing_absent(app: Flask, primary: RedisStore, secondary: SqlStore) -> None:
    """Many ask at the moment at which one of them notices a fault, and nobody is told that a value is gone."""
    shaky = FallbackStore(_Hiccup(primary), secondary, retry_after=60)
    primary.put("code:a", b"x", 60)
    start = threading.Barrier(8)

    def ask(_number: int) -> bytes | None:
        start.wait()
        with app.app_context():
            return shaky.get("code:a")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [b"x"] * 8
    assert not shaky.is_degraded


def test_what_cannot_be_reached_was_not_changed_by_anybody(shaky: FallbackStore, faulty: FaultyStore) -> None:
    """A code is not said to be used because the store was out of reach between reading and marking it."""
    shaky.put("code:a", b"fresh", 60)
    assert shaky.get("code:a") == b"fresh"
    faulty.fault = "unreachable"
    with pytest.raises(Unavailable):
        shaky.compare_and_set("code:a", b"fresh", b"used", 60)
    recover(faulty, shaky)
    assert shaky.compare_and_set("code:a", b"fresh", b"used", 60)
    assert not shaky.compare_and_set("code:a", b"fresh", b"used", 60)


def test_an_uncertain_put_is_not_repeated_in_the_database(
    shaky: FallbackStore, faulty: FaultyStore, primary: RedisStore, secondary: SqlStore
) -> None:
    faulty.fault = "mute"
    with pytest.raises(OutcomeUnknown):
        shaky.put("code:a", b"x", 60)
    assert secondary.get("code:a") is None
    assert primary.get("code:a") == b"x"


@pytest.mark.parametrize("change", ["put", "compare_and_set", "take", "increment"])
def test_what_an_uncertain_change_says(shaky: FallbackStore, faulty: FaultyStore, change: str) -> None:
    shaky.put("kind:a", b"1", 60)
    faulty.fault = "mute"
    if change == "increment":
        # Counting once too often is safe.
        assert shaky.increment("kind:a", 60) == 1
        return
    arguments = {"put": (b"2", 60), "compare_and_set": (b"1", b"2", 60), "take": ()}[change]
    with pytest.raises(OutcomeUnknown):
        getattr(shaky, change)("kind:a", *arguments)


def test_a_broken_primary_is_left_alone(shaky: FallbackStore, faulty: FaultyStore) -> None:
    faulty.fault = "unreachable"
    for index in range(20):
        shaky.put(f"kind:{index}", b"x", 60)
    assert faulty.calls <= 3


def test_what_was_replaced_meanwhile_does_not_come_back(shaky: FallbackStore, faulty: FaultyStore) -> None:
    for key in ("put", "take", "delete", "set"):
        shaky.put(f"state:{key}", b"old", 60)
    faulty.fault = "unreachable"
    shaky.put("state:put", b"new", 60)
    shaky.put("state:set", b"1", 60)
    assert shaky.compare_and_set("state:set", b"1", b"2", 60)
    assert shaky.take("state:take") is None
    shaky.delete("state:delete")
    recover(faulty, shaky)
    assert shaky.get("state:put") == b"new"
    assert shaky.take("state:put") == b"new"
    assert shaky.take("state:put") is None
    assert shaky.get("state:set") == b"2"
    assert shaky.take("state:take") is None
    assert shaky.get("state:delete") is None


def test_a_primary_that_fails_while_it_comes_back_stays_away(
    shaky: FallbackStore, faulty: FaultyStore, primary: RedisStore
) -> None:
    shaky.put("state:a", b"old", 60)
    faulty.fault = "unreachable"
    shaky.put("state:a", b"new", 60)
    faulty.fault = "mute"
    time.sleep(RETRY_AFTER + 0.05)
    assert shaky.get("state:a") == b"new"
    assert shaky.is_degraded
    recover(faulty, shaky)
    assert primary.get("state:a") is None
    assert shaky.get("state:a") == b"new"


def test_put_after_the_fault_replaces_what_was_put_during_it(
    shaky: FallbackStore, faulty: FaultyStore, secondary: SqlStore
) -> None:
    faulty.fault = "unreachable"
    shaky.put("state:a", b"during", 60)
    recover(faulty, shaky)
    shaky.put("state:a", b"after", 60)
    assert secondary.get("state:a") is None
    assert shaky.take("state:a") == b"after"
    assert shaky.take("state:a") is None


def test_counters_of_both_stores_add_up(shaky: FallbackStore, faulty: FaultyStore) -> None:
    assert shaky.increment("count:a", 60) == 1
    faulty.fault = "unreachable"
    assert shaky.increment("count:a", 60) == 1
    assert shaky.increment("count:a", 60) == 2
    recover(faulty, shaky)
    assert shaky.increment("count:a", 60) == 4


def test_two_processes_of_which_one_lost_its_way(primary: RedisStore, faulty: FaultyStore, secondary: SqlStore) -> None:
    lost, well = FallbackStore(faulty, secondary, retry_after=60), FallbackStore(primary, secondary)
    faulty.fault = "unreachable"
    lost.put("code:a", b"x", 60)
    lost.put("state:a", b"1", 60)
    assert well.get("code:a") == b"x"
    assert well.compare_and_set("state:a", b"1", b"2", 60)
    assert lost.get("state:a") == b"2"
    assert well.take("code:a") == b"x"
    assert lost.take("code:a") is None
    assert well.take("code:a") is None
    well.delete("state:a")
    assert lost.get("state:a") is None
    assert lost.put_if_absent("jti:a", b"x", 60)
    assert not well.put_if_absent("jti:a", b"x", 60)


def test_a_replay_is_recognised_after_redis_forgot_everything(store: FallbackStore, server: UnreliableRedis) -> None:
    assert store.put_if_absent("jti:a", b"x", 60)
    with server.client() as client:
        client.flushall()
    assert not store.put_if_absent("jti:a", b"x", 60)


def test_a_primary_that_comes_back_misconfigured_stays_away(
    server: UnreliableRedis, shaky: FallbackStore, faulty: FaultyStore
) -> None:
    faulty.fault = "unreachable"
    shaky.put("kind:a", b"x", 60)
    faulty.fault = None
    with server.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        time.sleep(RETRY_AFTER + 0.05)
        assert shaky.get("kind:a") == b"x"
        assert shaky.is_degraded
    finally:
        with server.client() as client:
            client.config_set("maxmemory-policy", "noeviction")


def check_history(histories: list[History]) -> None:
    put = [key for history in histories for key in history.put]
    taken = [key for history in histories for key in history.taken]
    unanswered = [key for history in histories for key in history.unanswered]
    assert taken, "nothing happened"
    assert set(Counter(taken).values()) == {1}
    assert max(history.longest for history in histories) < 10
    # Only calls that were under way when something broke remained without an answer.
    assert len(unanswered) < len(put) / 4


@pytest.mark.slow
def test_threads_while_redis_comes_and_goes(app: Flask, store: FallbackStore, server: UnreliableRedis) -> None:
    histories: list[History] = []

    def work(number: int) -> None:
        with app.app_context():
            histories.append(put_and_take(store, number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    with trouble(server):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(histories) == 4, "a thread died"
    check_history(histories)


@pytest.mark.slow
def test_processes_while_redis_comes_and_goes(server: UnreliableRedis, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'processes.db'}"
    create_schema(url)
    spec = StoreSpec(url, server.url, retry_after=RETRY_AFTER, timeout=0.5)
    with trouble(server):
        [histories] = in_processes(spec, [put_and_take])
    check_history(histories)
