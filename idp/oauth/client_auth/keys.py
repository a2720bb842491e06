"""The public keys of clients that publish them at a `jwks_uri`, fetched safely and seldom."""

import math
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass

import structlog
from joserfc.jwk import KeySet

from idp.core.errors import Invalid
from idp.core.fetch import FetchError
from idp.identity.clients.client import Client
from idp.identity.clients.public_keys import key_set, usable_keys
from idp.web.provider import current_provider

log = structlog.get_logger("idp.oauth.client_keys")

#: Seconds. An unknown `kid` asks again, but no more often than this, however many assertions arrive.
REFETCH_INTERVAL = 60
#: Seconds after which keys are fetched anew. If that fails they are believed for `lifetimes.client_keys`.
LIFETIME = 3600
_MAX_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class _Fetched:
    uri: str
    keys: KeySet | None
    published_at: float
    """When the site was last seen to publish these keys; long ago if never."""
    asked_at: float

    def still_believed(self, seconds: int) -> KeySet | None:
        """The keys, unless the site has not confirmed them for so long: a withdrawn key must not work for ever."""
        return self.keys if time.monotonic() - self.published_at < seconds else None


class _Cache:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, _Fetched] = {}
        self._under_way: dict[tuple[str, str], Future[KeySet | None]] = {}

    def get(self, client: Client, uri: str, kid: str | None, believed_for: int) -> KeySet | None:
        """The client's keys; fetched again if they are old or do not have `kid`.

        While they cannot be fetched the last ones count, for `believed_for` seconds since they were.
        """
        entry = self._entries.get(client.client_id)
        if entry is not None and entry.uri == uri:
            keys = entry.still_believed(believed_for)
            age = time.monotonic() - entry.asked_at
            is_missing = keys is None or (kid is not None and kid not in _kids(keys))
            was_answered = entry.asked_at == entry.published_at
            may_ask = age >= REFETCH_INTERVAL or (keys is None and was_answered)
            if not may_ask or (not is_missing and age < LIFETIME):
                return keys
        return self._fetched_once(client.client_id, uri, entry, believed_for)

    def _fetched_once(self, client_id: str, uri: str, before: _Fetched | None, believed_for: int) -> KeySet | None:
        """Fetch, or wait for the fetch of another thread: however many assertions arrive, one request goes out."""
        with self._lock:
            entry = self._entries.get(client_id)
            if entry is not None and entry is not before and entry.uri == uri:
                return entry.still_believed(believed_for)  # fetched since we looked
            under_way = self._under_way.get((client_id, uri))
            if under_way is None:
                mine = self._under_way[client_id, uri] = Future[KeySet | None]()
        if under_way is not None:
            return under_way.result()
        keys = None
        try:
            keys = _fetch(uri)
        finally:
            entry = _entry(uri, keys, before)
            keys = entry.still_believed(believed_for)
            with self._lock:
                if len(self._entries) >= _MAX_ENTRIES:
                    self._entries.clear()
                self._entries[client_id] = entry
                del self._under_way[client_id, uri]
            mine.set_result(keys)
        return keys


def _entry(uri: str, keys: KeySet | None, before: _Fetched | None) -> _Fetched:
    instant = time.monotonic()
    if keys is None and before is not None and before.uri == uri:
        # The client's site is down: what it said last still stands for a while.
        return _Fetched(uri, before.keys, before.published_at, instant)
    return _Fetched(uri, keys, -math.inf if keys is None else instant, instant)


_cache = _Cache()


def client_keys(client: Client, kid: str | None) -> list[KeySet]:
    """The key sets to verify the client's signatures with: inline ones, or those at its `jwks_uri`."""
    if client.key_set is not None:
        return [client.key_set]
    if client.jwks_uri is None:
        return []
    keys = _cache.get(client, client.jwks_uri, kid, current_provider().settings.lifetimes.client_keys)
    return [keys] if keys is not None else []


def _fetch(uri: str) -> KeySet | None:
    try:
        return key_set(usable_keys(current_provider().fetcher.get_json(uri)))
    except (FetchError, Invalid) as error:
        log.warning("jwks_uri could not be read", uri=uri, reason=str(error))
        return None


def _kids(keys: KeySet) -> set[str | None]:
    return {key.kid for key in keys.keys}
