"""The keys that a client publishes: bad ones among good ones, and many askers at once."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from joserfc.jwk import ECKey, KeySet, OctKey

from idp.core.crypto import b64url
from idp.core.errors import Invalid, Unavailable
from idp.core.fetch import Fetcher
from idp.core.setting_sections import Fetch
from idp.identity.clients import published_keys
from idp.identity.clients.public_keys import MAX_KEYS, check_jwks, key_set, usable_keys

GOOD = ECKey.generate_key("P-256", {"kid": "good"}).as_dict(private=False)
BAD: dict[str, Any] = {
    "a private key": ECKey.generate_key("P-256", {"kid": "private"}).as_dict(private=True),
    "a symmetric key": OctKey.generate_key(256, {"kid": "oct"}).as_dict(private=True),
    "a weak key": {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": b64url((2**1023 + 1).to_bytes(128))},
    "an unknown type": {"kty": "AKP", "kid": "pq", "alg": "ML-DSA-44", "pub": "AAAA"},
    "an unknown curve": {"kty": "EC", "crv": "P-1024", "x": "AA", "y": "AA"},
    "a point off the curve": {**GOOD, "kid": "off", "y": GOOD["x"]},
    "no type": {"kid": "x"},
    "no object": "key",
    "a kid that is a number": {**GOOD, "kid": 7},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_published_key_that_is_no_use_is_ignored(bad: Any) -> None:
    assert usable_keys({"keys": [bad, GOOD]}) == {"keys": [GOOD]}
    with pytest.raises(Invalid):
        usable_keys({"keys": [bad]})


def test_registration_stays_strict() -> None:
    with pytest.raises(Invalid):
        check_jwks({"keys": [BAD["a private key"], GOOD]})


@pytest.mark.parametrize("document", [{}, {"keys": []}, {"keys": {}}, {"keys": None}])
def test_no_keys_at_all(document: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        usable_keys(document)


def test_of_two_with_one_kid_the_first_counts_and_there_is_a_limit() -> None:
    twin = ECKey.generate_key("P-256", {"kid": "good"}).as_dict(private=False)
    nameless = {name: value for name, value in GOOD.items() if name != "kid"}
    assert usable_keys({"keys": [GOOD, twin, nameless]}) == {"keys": [GOOD, nameless]}
    assert len(usable_keys({"keys": [nameless] * (MAX_KEYS + 5)})["keys"]) == MAX_KEYS


class _Client:
    client_id = "app"
    key_set = None
    jwks_uri = "https://app.example.com/jwks"


DAY = 86400


def ask_for_keys(cache: published_keys.ClientKeys, kid: str | None = None) -> KeySet | None:
    """What the cache says of the client's keys."""
    return cache.of(_Client(), kid)  # type: ignore[arg-type]


def new_cache(fetch: Callable[[str], KeySet | None], at_once: int = 8) -> published_keys.ClientKeys:
    """A cache that fetches by calling `fetch`."""
    cache = published_keys.ClientKeys(Fetcher(Fetch(at_once=at_once)), DAY)
    cache._fetch = fetch  # type: ignore[method-assign]
    return cache


def test_many_askers_cause_one_fetch() -> None:
    fetches = []

    def fetch(uri: str) -> KeySet:
        fetches.append(uri)
        time.sleep(0.3)
        return key_set({"keys": [GOOD]})

    cache = new_cache(fetch)
    barrier = threading.Barrier(8)

    def ask(_number: int) -> list[str | None]:
        barrier.wait()
        found = ask_for_keys(cache, "good")
        assert found is not None
        return [key.kid for key in found.keys]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [["good"]] * 8
    assert fetches == [_Client.jwks_uri]


def test_a_fetch_that_breaks_releases_those_who_wait() -> None:
    def fetch(_uri: str) -> KeySet:
        raise ZeroDivisionError

    cache = new_cache(fetch)
    with pytest.raises(ZeroDivisionError):
        ask_for_keys(cache)
    assert ask_for_keys(cache) is None


def test_a_kid_that_is_new_is_looked_for_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenID Connect Core §10.1.1: whoever rotates keys publishes the next one, and then signs with it."""
    new = ECKey.generate_key("P-256", {"kid": "new"}).as_dict(private=False)
    published, fetches, instant = [GOOD], 0, 1000.0

    def fetch(_uri: str) -> KeySet:
        nonlocal fetches
        fetches += 1
        return key_set({"keys": published})

    monkeypatch.setattr(published_keys.time, "monotonic", lambda: instant)
    cache = new_cache(fetch)
    ask_for_keys(cache, "good")
    published.append(new)
    instant += published_keys.REFETCH_INTERVAL
    found = ask_for_keys(cache, "new")
    assert found is not None
    assert {key.kid for key in found.keys} == {"good", "new"}
    for _ in range(3):
        ask_for_keys(cache, "nobody's")
    assert fetches == 2


def test_keys_are_believed_for_so_long_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The site answers once, is gone for longer than its word counts, and comes back."""
    published = key_set({"keys": [GOOD]})
    answers: list[KeySet | None] = [published]
    fetches = 0

    def fetch(_uri: str) -> KeySet | None:
        nonlocal fetches
        fetches += 1
        return answers[-1]

    instant = 1000.0
    monkeypatch.setattr(published_keys.time, "monotonic", lambda: instant)
    cache = new_cache(fetch)
    assert ask_for_keys(cache) is published
    answers.append(None)
    for _ in range(23):
        instant += published_keys.LIFETIME
        assert ask_for_keys(cache) is published
    assert fetches == 24, "asked for anew every hour, in vain"
    instant = 1000.0 + DAY
    for _ in range(5):
        assert ask_for_keys(cache) is None
    assert fetches == 25
    instant += published_keys.REFETCH_INTERVAL
    answers.append(published)
    assert ask_for_keys(cache) is published
    assert fetches == 26


def test_no_more_than_some_wait_for_a_site_that_does_not_answer() -> None:
    """Whoever registers such a site must not have every thread of the process hang on it."""
    answered = threading.Event()

    def fetch(_uri: str) -> KeySet:
        answered.wait(10)
        return key_set({"keys": [GOOD]})

    cache = new_cache(fetch, at_once=2)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask_for_keys, cache, "good") for _ in range(8)]
        deadline = time.monotonic() + 5
        while sum(future.done() for future in asked) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        refused = [future for future in asked if future.done()]
        assert len(refused) == 5, "one fetches and two wait with it"
        assert all(isinstance(future.exception(), Unavailable) for future in refused)
        answered.set()
        assert sum(future.exception() is None for future in asked) == 3
    assert ask_for_keys(cache, "good") is not None


def test_one_client_more_than_there_is_room_for_costs_one_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not all: a thousand strangers must not make everybody else's site be asked again."""
    asked: list[str] = []

    def fetch(uri: str) -> KeySet:
        asked.append(uri)
        return key_set({"keys": [GOOD]})

    monkeypatch.setattr(published_keys, "_MAX_ENTRIES", 3)
    cache = new_cache(fetch)
    clients = [type("Named", (_Client,), {"client_id": f"app-{number}"})() for number in range(4)]
    for client in clients:
        cache.of(client)
    assert len(asked) == 4
    for client in reversed(clients[1:]):
        cache.of(client)
    assert len(asked) == 4, "those that came later are known still"
    cache.of(clients[0])
    assert len(asked) == 5
