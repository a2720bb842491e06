"""Short-lived values: one protocol, kept in Redis, in SQL, or in Redis with SQL to fall back on."""

import structlog

from idp.core.errors import Unavailable
from idp.core.settings import Settings
from idp.storage.ephemeral.fallback import FallbackStore
from idp.storage.ephemeral.protocol import EphemeralStore, OutcomeUnknown
from idp.storage.ephemeral.redis import RedisStore
from idp.storage.ephemeral.sql import SqlStore

__all__ = ["EphemeralStore", "FallbackStore", "OutcomeUnknown", "RedisStore", "SqlStore", "open_store"]

_log = structlog.get_logger(__name__)


def open_store(settings: Settings) -> EphemeralStore:
    """The store that the settings ask for: SQL, or Redis falling back on SQL.

    A Redis that is down does not keep us from starting. Raises ConfigurationError if it is up and
    configured so that it would lose values.
    """
    if settings.redis_url is None:
        return SqlStore()
    primary = RedisStore(settings.redis_url.get_secret_value())
    try:
        primary.ping()
    except Unavailable as error:
        _log.warning("Redis is not available; starting without it", reason=str(error))
    return FallbackStore(primary, SqlStore())
