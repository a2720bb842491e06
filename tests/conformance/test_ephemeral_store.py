"""What every ephemeral store promises, on each implementation."""

import time
from collections import Counter
from typing import Any

import pytest

from idp.storage.ephemeral import EphemeralStore
from tests.conformance.stores import (
    StoreSpec,
    compare_and_add,
    count_up,
    in_processes,
    mark_all,
    read_shared_state,
    take_all,
    watch_it_expire,
)

BINARY = bytes(range(256)) * 40


def test_absent(store: EphemeralStore) -> None:
    assert store.get("kind:none") is None
    assert store.take("kind:none") is None
    assert store.compare_and_set("kind:none", b"", b"x", 60) is False
    store.delete("kind:none")


def test_put_get(store: EphemeralStore) -> None:
    store.put("kind:a", BINARY, 60)
    store.put("kind:b", b"", 60)
    assert store.get("kind:a") == BINARY
    assert store.get("kind:b") == b""
    assert store.get("kind:a") == BINARY


def test_long_key(store: EphemeralStore) -> None:
    key = "kind:" + "k" * 195
    store.put(key, b"x", 60)
    assert store.take(key) == b"x"


def test_put_replaces_value_and_ttl(store: EphemeralStore) -> None:
    store.put("kind:a", b"old", 1)
    store.put("kind:a", b"new", 60)
    time.sleep(1.1)
    assert store.get("kind:a") == b"new"


def test_take_once(store: EphemeralStore) -> None:
    store.put("code:a", b"value", 60)
    store.put("code:empty", b"", 60)
    assert store.take("code:a") == b"value"
    assert store.take("code:a") is None
    assert store.get("code:a") is None
    assert store.take("code:empty") == b""
    assert store.take("code:empty") is None


def test_a_taken_key_can_be_put_again(store: EphemeralStore) -> None:
    store.put("code:a", b"one", 60)
    store.take("code:a")
    store.put("code:a", b"two", 60)
    assert store.take("code:a") == b"two"
    assert store.take("code:a") is None


def test_put_if_absent(store: EphemeralStore) -> None:
    assert store.put_if_absent("jti:a", b"one", 60) is True
    assert store.put_if_absent("jti:a", b"two", 60) is False
    assert store.get("jti:a") == b"one"


def test_put_if_absent_sees_what_was_put(store: EphemeralStore) -> None:
    store.put("jti:a", b"one", 60)
    assert store.put_if_absent("jti:a", b"two", 60) is False
    store.delete("jti:a")
    assert store.put_if_absent("jti:a", b"two", 60) is True
    assert store.take("jti:a") == b"two"
    assert store.take("jti:a") is None


def test_put_if_absent_keeps_the_ttl_of_the_first(store: EphemeralStore) -> None:
    assert store.put_if_absent("jti:a", b"one", 1)
    assert not store.put_if_absent("jti:a", b"two", 60)
    time.sleep(1.1)
    assert store.get("jti:a") is None
    assert store.put_if_absent("jti:a", b"three", 60)


def test_compare_and_set(store: EphemeralStore) -> None:
    store.put("state:a", b"one", 60)
    assert store.compare_and_set("state:a", b"zero", b"two", 60) is False
    assert store.get("state:a") == b"one"
    assert store.compare_and_set("state:a", b"one", BINARY, 60) is True
    assert store.get("state:a") == BINARY
    assert store.compare_and_set("state:a", BINARY, b"", 60) is True
    assert store.get("state:a") == b""


def test_compare_and_set_sets_the_ttl(store: EphemeralStore) -> None:
    store.put("state:a", b"one", 1)
    store.put("state:b", b"one", 60)
    assert store.compare_and_set("state:a", b"one", b"two", 60)
    assert store.compare_and_set("state:b", b"one", b"two", 1)
    time.sleep(1.1)
    assert store.get("state:a") == b"two"
    assert store.get("state:b") is None


def test_delete(store: EphemeralStore) -> None:
    store.put("kind:a", b"x", 60)
    store.delete("kind:a")
    assert store.get("kind:a") is None
    assert store.take("kind:a") is None


def test_increment(store: EphemeralStore) -> None:
    assert [store.increment("count:a", 60) for _ in range(12)] == list(range(1, 13))
    assert store.increment("count:b", 60) == 1
    store.delete("count:a")
    assert store.increment("count:a", 60) == 1


def test_later_increments_do_not_extend_the_ttl(store: EphemeralStore) -> None:
    assert store.increment("count:a", 1) == 1
    assert store.increment("count:a", 60) == 2
    time.sleep(1.1)
    assert store.increment("count:a", 60) == 1


def test_expired_is_absent(store: EphemeralStore) -> None:
    for key in ("kind:get", "kind:take", "kind:set", "kind:add"):
        store.put(key, b"1", 1)
    time.sleep(1.1)
    assert store.get("kind:get") is None
    assert store.take("kind:take") is None
    assert store.compare_and_set("kind:set", b"1", b"2", 60) is False
    assert store.put_if_absent("kind:add", b"2", 60) is True
    assert store.get("kind:add") == b"2"


def test_purge_leaves_the_living(store: EphemeralStore) -> None:
    store.put("kind:old", b"x", 1)
    store.put("kind:young", b"x", 60)
    time.sleep(1.1)
    store.purge()
    assert store.purge() == 0
    assert store.get("kind:young") == b"x"


def test_keys_are_case_sensitive(store: EphemeralStore) -> None:
    store.put("code:Abc", b"x", 60)
    assert store.take("code:abc") is None
    assert store.take("code:Abc") == b"x"


Parallel = dict[str, list[Any]]


@pytest.fixture(scope="module")
def parallel(store_spec: StoreSpec) -> Parallel:
    """What four processes got that used the store at the same time, by the name of what they did."""
    store_spec.empty()
    with store_spec.opened() as store:
        for index in range(100):
            store.put(f"code:{index}", b"x", 600)
        store.put("state:shared", b"0", 600)
    callers = (take_all, mark_all, count_up, compare_and_add, read_shared_state, watch_it_expire)
    results = in_processes(store_spec, callers)
    return {caller.__name__: result for caller, result in zip(callers, results, strict=True)}


@pytest.mark.slow
class TestProcesses:
    """Several processes at once."""

    def test_each_value_is_taken_once(self, parallel: Parallel) -> None:
        taken = Counter(key for keys in parallel["take_all"] for key in keys)
        assert taken == {f"code:{index}": 1 for index in range(100)}

    def test_each_replay_marker_is_new_once(self, parallel: Parallel) -> None:
        stored = Counter(key for keys in parallel["mark_all"] for key in keys)
        assert stored == {f"jti:{index}": 1 for index in range(100)}

    def test_every_increment_counts(self, parallel: Parallel) -> None:
        said = [count for counts in parallel["count_up"] for count in counts]
        assert sorted(said) == list(range(1, 201))

    def test_compare_and_set_loses_no_update(self, parallel: Parallel) -> None:
        assert parallel["read_shared_state"] == [b"100"] * 4

    def test_values_expire_in_time_for_everybody(self, parallel: Parallel) -> None:
        for seen, gone in parallel["watch_it_expire"]:
            assert seen < 1.3
            assert 0.9 < gone < 5


def test_forget_removes_whatever_speaks_of_somebody(store: EphemeralStore) -> None:
    store.put("code:a", b'{"user_id": "ann-1234"}', 60)
    store.put("count:ann-1234", b"1", 60)
    store.put("code:b", b'{"user_id": "bob-5678"}', 60)
    store.put("code:c", BINARY + b"mail to ann@example.com", 60)
    for number in range(450):
        store.put(f"crowd:{number}", b"nobody in particular", 60)
    assert store.forget([b"ann-1234", b"ann@example.com"]) == 3
    assert store.get("code:a") is store.get("count:ann-1234") is store.get("code:c") is None
    assert store.get("code:b") == b'{"user_id": "bob-5678"}'
    assert all(store.get(f"crowd:{number}") for number in range(450))
    assert store.forget([b"ann-1234"]) == store.forget([]) == 0


def test_forget_knows_no_wildcards(store: EphemeralStore) -> None:
    store.put("code:a", b"abc", 60)
    assert store.forget([b"a%c", b"a_c", b"*", b"%", b"_"]) == 0
    assert store.get("code:a") == b"abc"
