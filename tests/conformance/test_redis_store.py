"""What is particular about Redis."""

import time
from collections.abc import Iterator

import pytest

from idp.core.errors import ConfigurationError, Unavailable
from idp.core.settings import Settings
from idp.storage.ephemeral import FallbackStore, OutcomeUnknown, RedisStore, SqlStore, open_store
from tests.conformance.unreliable import UnreliableRedis, unreliable_redis
from tests.helpers.processes import free_port

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def _server() -> Iterator[UnreliableRedis]:
    with unreliable_redis() as server:
        yield server


@pytest.fixture
def server(_server: UnreliableRedis) -> UnreliableRedis:
    with _server.client() as client:
        client.flushall()
        client.config_set("maxmemory-policy", "noeviction")
    return _server


@pytest.fixture
def store(server: UnreliableRedis) -> Iterator[RedisStore]:
    opened = RedisStore(server.url)
    yield opened
    opened.close()


def test_every_value_expires(store: RedisStore, server: UnreliableRedis) -> None:
    store.put("kind:a", b"x", 30)
    store.put_if_absent("kind:b", b"x", 30)
    store.increment("kind:c", 30)
    store.compare_and_set("kind:a", b"x", b"y", 30)
    with server.client() as client:
        names = client.keys()
        assert len(names) == 3
        assert all(0 < client.ttl(name) <= 30 for name in names)


def test_scripts_are_loaded_again_when_redis_forgets_them(store: RedisStore, server: UnreliableRedis) -> None:
    assert store.increment("kind:a", 30) == 1
    with server.client() as client:
        client.script_flush()
    assert store.increment("kind:a", 30) == 2


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random", "volatile-lru", "volatile-ttl"])
def test_a_server_that_evicts_is_refused(store: RedisStore, server: UnreliableRedis, policy: str) -> None:
    with server.client() as client:
        client.config_set("maxmemory-policy", policy)
    with pytest.raises(ConfigurationError, match=policy):
        store.ping()
    with pytest.raises(ConfigurationError, match="noeviction"):
        open_store(Settings(redis_url=server.url))


def test_an_answer_that_refuses_is_a_certain_failure(store: RedisStore, server: UnreliableRedis) -> None:
    with server.client() as client:
        client.config_set("maxmemory", "1")
    try:
        with pytest.raises(Unavailable) as raised:
            store.put("kind:a", b"x", 30)
    finally:
        with server.client() as client:
            client.config_set("maxmemory", "0")
    assert not isinstance(raised.value, OutcomeUnknown)


def test_nobody_there() -> None:
    store = RedisStore(f"redis://:hunter2@127.0.0.1:{free_port()}/0")
    with pytest.raises(Unavailable) as raised:
        store.put("kind:a", b"x", 30)
    assert not isinstance(raised.value, OutcomeUnknown)
    assert "hunter2" not in str(raised.value)
    with pytest.raises(Unavailable):
        store.ping()


def test_a_wrong_password_is_unavailable(server: UnreliableRedis) -> None:
    store = RedisStore(server.url.replace("redis://:", "redis://:not"))
    with pytest.raises(Unavailable):
        store.get("kind:a")


def test_nonsense_url() -> None:
    with pytest.raises(ConfigurationError, match="IDP_REDIS_URL"):
        RedisStore("http://localhost")


def test_silence_is_noticed_in_a_tenth_of_a_second(store: RedisStore, server: UnreliableRedis) -> None:
    store.put("kind:a", b"x", 30)
    server.freeze()
    try:
        started = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            store.take("kind:a")
        assert 0.09 < time.monotonic() - started < 1
    finally:
        server.thaw()


def test_connections_survive_a_restart_of_the_server(store: RedisStore, server: UnreliableRedis) -> None:
    store.put("kind:a", b"x", 30)
    server.kill()
    with pytest.raises(Unavailable) as raised:
        store.put("kind:b", b"x", 30)
    assert not isinstance(raised.value, OutcomeUnknown)
    server.start()
    store.put("kind:b", b"x", 30)
    assert store.take("kind:b") == b"x"


def test_nothing_comes_back_after_a_crash(store: RedisStore, server: UnreliableRedis) -> None:
    """I2: what a disk remembers of Redis may be older than what was taken."""
    store.put("code:a", b"x", 300)
    server.kill()
    server.start()
    assert server.names() == ["code:a"]
    assert store.take("code:a") is None


def test_open_store(server: UnreliableRedis) -> None:
    assert isinstance(open_store(Settings()), SqlStore)
    assert isinstance(open_store(Settings(redis_url=server.url)), FallbackStore)
    assert isinstance(open_store(Settings(redis_url=f"redis://127.0.0.1:{free_port()}/0")), FallbackStore)
