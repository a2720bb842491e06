"""The public keys of clients, inline or at their `jwks_uri`: fetched safely, seldom, and once for all who wait."""

import math
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass

import structlog
from joserfc.jwk import KeySet

from idp.core.errors import Invalid, Unavailable
from idp.core.fetch import Fetcher, FetchError
from idp.identity.clients.client import Client
from idp.identity.clients.public_keys import key_set, usable_keys

log = structlog.get_logger("idp.clients.published_keys")

#: Seconds. An unknown `kid` asks again, but no more often than this, however many assertions arrive.
REFETCH_INTERVAL = 60
#: Seconds after which keys are fetched anew. If that fails they are believed for `lifetimes.client_keys`.
LIFETIME = 3600
_MAX_ENTRIES = 10_000


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


class ClientKeys:
    """Finds the keys that a client signs with, and those to encrypt to it."""

    def __init__(self, fetcher: Fetcher, believed_for: int) -> None:
        """`believed_for`: seconds for which published keys count while their address cannot be read."""
        self._fetcher = fetcher
        self._believed_for = believed_for
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Fetched] = OrderedDict()
        self._under_way: dict[tuple[str, str], Future[KeySet | None]] = {}

    def of(self, client: Client, kid: str | None = None) -> KeySet | None:
        """The client's keys; fetched again if they are old or `kid` is not among them. None if it has none.

        Raises Unavailable if they are not known and too much else is being fetched.
        """
        if client.key_set is not None or client.jwks_uri is None:
            return client.key_set
        uri = client.jwks_uri
        entry = self._entries.get(client.client_id)
        if entry is not None and entry.uri == uri:
            keys = entry.still_believed(self._believed_for)
            age = time.monotonic() - entry.asked_at
            is_missing = keys is None or (kid is not None and kid not in _kids(keys))
            was_answered = entry.asked_at == entry.published_at
            may_ask = age >= REFETCH_INTERVAL or (keys is None and was_answered)
            if not may_ask or (not is_missing and age < LIFETIME):
                return keys
        return self._fetched_once(client.client_id, uri, entry)

    def _fetched_once(self, client_id: str, uri: str, before: _Fetched | None) -> KeySet | None:
        """Fetch, or wait for the fetch of another thread: however many assertions arrive, one request goes out."""
        with self._lock:
            entry = self._entries.get(client_id)
            if entry is not None and entry is not before and entry.uri == uri:
                return entry.still_believed(self._believed_for)  # fetched since we looked
            under_way = self._under_way.get((client_id, uri))
            if under_way is None:
                mine = self._under_way[client_id, uri] = Future[KeySet | None]()
        believed = before.still_believed(self._believed_for) if before is not None and before.uri == uri else None
        try:
            if under_way is not None:
                with self._fetcher.patience():
                    return under_way.result()
            return self._fetched(client_id, uri, before, mine)
        except Unavailable:
            # Too much is being fetched. What is known will do; what is not, the client may ask for again.
            if believed is None:
                raise
            return believed

    def _fetched(
        self, client_id: str, uri: str, before: _Fetched | None, outcome: Future[KeySet | None]
    ) -> KeySet | None:
        keys, was_tried = None, True
        try:
            keys = self._fetch(uri)
        except Unavailable:
            was_tried = False
            raise
        finally:
            entry = _entry(uri, keys, before)
            keys = entry.still_believed(self._believed_for)
            with self._lock:
                if was_tried:
                    self._remember(client_id, entry)
                del self._under_way[client_id, uri]
            outcome.set_result(keys)
        return keys

    def _remember(self, client_id: str, entry: _Fetched) -> None:
        self._entries[client_id] = entry
        self._entries.move_to_end(client_id)
        if len(self._entries) > _MAX_ENTRIES:
            self._entries.popitem(last=False)

    def _fetch(self, uri: str) -> KeySet | None:
        try:
            return key_set(usable_keys(self._fetcher.get_json(uri)))
        except (FetchError, Invalid) as error:
            log.warning("jwks_uri could not be read", uri=uri, reason=str(error))
            return None


def _entry(uri: str, keys: KeySet | None, before: _Fetched | None) -> _Fetched:
    instant = time.monotonic()
    if keys is None and before is not None and before.uri == uri:
        # The client's site is down: what it said last still stands for a while.
        return _Fetched(uri, before.keys, before.published_at, instant)
    return _Fetched(uri, keys, -math.inf if keys is None else instant, instant)


def _kids(keys: KeySet) -> set[str | None]:
    return {key.kid for key in keys.keys}
