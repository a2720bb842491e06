"""The ephemeral store in Redis (6.2 or newer; also Valkey)."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha1
from typing import Any

from redis import ConnectionPool
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from idp.core.errors import ConfigurationError, Unavailable
from idp.storage.ephemeral.protocol import NoAnswer, OutcomeUnknown

TIMEOUT_SECONDS = 0.1
_SCAN = 200
"""Keys that are looked at in one step."""

_COMPARE_AND_SET = b"""
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
  return 1
end
return 0
"""

_INCREMENT = b"""
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return count
"""


class RedisStore:
    """An `EphemeralStore` in Redis.

    Values belong to one run of the server: keys carry its run id. A server that restarts may have lost the
    latest changes (its default snapshots lose minutes, a replica that takes over loses what had not
    arrived), and what had been taken would be there again. So after a restart everything is absent, which
    costs users a sign-in in progress and never accepts a value twice.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT_SECONDS) -> None:
        """`url`: `redis://`, `rediss://` or `unix://`; `timeout`: seconds to connect and for each reply.

        Does not connect. Raises ConfigurationError if the URL makes no sense.
        """
        try:
            self._pool = ConnectionPool.from_url(
                url,
                socket_timeout=timeout,
                socket_connect_timeout=timeout,
                protocol=2,
                driver_info=None,
                redis_connect_func=_greet,
            )
        except ValueError as error:
            raise ConfigurationError(f"IDP_REDIS_URL is not a Redis URL: {error}") from None

    def put(self, key: str, value: bytes, ttl: int) -> None:
        """See `EphemeralStore.put`."""
        self._ask("SET", key, value, "EX", ttl)

    def put_if_absent(self, key: str, value: bytes, ttl: int) -> bool:
        """See `EphemeralStore.put_if_absent`."""
        return self._ask("SET", key, value, "EX", ttl, "NX") is not None

    def get(self, key: str) -> bytes | None:
        """See `EphemeralStore.get`."""
        value: bytes | None = self._ask("GET", key)
        return value

    def take(self, key: str) -> bytes | None:
        """See `EphemeralStore.take`."""
        value: bytes | None = self._ask("GETDEL", key)
        return value

    def compare_and_set(self, key: str, expected: bytes, value: bytes, ttl: int) -> bool:
        """See `EphemeralStore.compare_and_set`."""
        return bool(self._run(_COMPARE_AND_SET, key, expected, value, ttl))

    def delete(self, key: str) -> None:
        """See `EphemeralStore.delete`."""
        self._ask("UNLINK", key)

    def increment(self, key: str, ttl: int) -> int:
        """See `EphemeralStore.increment`."""
        return int(self._run(_INCREMENT, key, ttl))

    def forget(self, fragments: Sequence[bytes]) -> int:
        """See `EphemeralStore.forget`. Walks through all keys in steps, so that others get their turn."""
        removed, cursor = 0, b"0"
        while fragments:
            with self._connection() as connection:
                pattern = f"{connection.idp_namespace}*"
                cursor, keys = _exchange(connection, "SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN)
                values = _exchange(connection, "MGET", *keys) if keys else ()
                pairs = zip(keys, values, strict=True)
                found = [key for key, value in pairs if any(f in key or f in (value or b"") for f in fragments)]
                removed += _exchange(connection, "UNLINK", *found) if found else 0
            if cursor == b"0":
                break
        return removed

    def purge(self) -> int:
        """Nothing to do: Redis expires values by itself."""
        return 0

    def ping(self) -> None:
        """See `EphemeralStore.ping`. Raises ConfigurationError if the server may evict live values."""
        with self._connection() as connection:
            _refuse_eviction(_info(connection, "memory"))

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.disconnect()

    def _ask(self, command: str, key: str, *arguments: bytes | int | str) -> Any:
        with self._connection() as connection:
            return _exchange(connection, command, _namespaced(connection, key), *arguments)

    def _run(self, script: bytes, key: str, *arguments: bytes | int) -> Any:
        with self._connection() as connection:
            name = _namespaced(connection, key)
            try:
                return _exchange(connection, "EVALSHA", _digest(script), 1, name, *arguments)
            except NoScriptError:
                return _exchange(connection, "EVAL", script, 1, name, *arguments)

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        """A connection that was alive a moment ago. If it cannot be had, nothing was sent."""
        try:
            connection = self._pool.get_connection()
        except (RedisError, OSError) as error:
            raise NoAnswer(f"Redis cannot be reached: {type(error).__name__}", is_late=_is_late(error)) from error
        try:
            yield connection
        except ResponseError as error:
            # An answer, so it is certain that nothing was changed: loading, read-only, out of memory.
            raise Unavailable(f"Redis refuses: {error}") from error
        except (RedisError, OSError) as error:
            raise OutcomeUnknown(f"Redis did not answer: {type(error).__name__}", is_late=_is_late(error)) from error
        finally:
            self._pool.release(connection)


def _is_late(error: Exception) -> bool:
    """A connection that is refused or closed means that Redis, and what it held, is gone. Silence says less."""
    return isinstance(error, RedisTimeoutError | TimeoutError)


def _exchange(connection: Any, *command: bytes | int | str) -> Any:
    connection.send_command(*command)
    return connection.read_response()


def _greet(connection: Any) -> None:
    """Set up a new connection and learn which run of the server it talks to: both live equally long."""
    connection.on_connect()
    run = re.search(r"^run_id:(\w+)", _info(connection, "server"), re.MULTILINE)
    if run is None:
        raise ResponseError("the server does not tell its run_id")
    connection.idp_namespace = f"idp:{run[1][:16]}:"


def _namespaced(connection: Any, key: str) -> str:
    return f"{connection.idp_namespace}{key}"


def _info(connection: Any, section: str) -> str:
    answer: bytes = _exchange(connection, "INFO", section)
    return answer.decode()


def _refuse_eviction(info: str) -> None:
    facts = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    policy = facts.get("maxmemory_policy", "noeviction")
    # All our values have an expiry, so volatile-* would evict them just as allkeys-* does.
    if policy != "noeviction":
        raise ConfigurationError(
            f"Redis has the eviction policy '{policy}' and would drop values that are still needed: "
            "set 'maxmemory-policy noeviction'"
        )


def _digest(script: bytes) -> str:
    return sha1(script, usedforsecurity=False).hexdigest()
