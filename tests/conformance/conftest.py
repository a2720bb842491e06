"""The ephemeral stores, one after the other."""

import contextlib
from collections.abc import Iterator

import pytest

from idp.storage.ephemeral import EphemeralStore
from tests.conformance.stores import StoreSpec, create_schema
from tests.helpers.backends import POSTGRES_REDIS, fresh_postgres_database, fresh_redis_database, is_available
from tests.helpers.needs import need

STORES = ("redis", "sql on sqlite", "sql on postgres", "fallback on sqlite", "fallback on postgres")


@pytest.fixture(scope="module", params=STORES)
def store_spec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreSpec]:
    """Each kind of store in turn."""
    kind: str = request.param
    if kind != "sql on sqlite":
        need(is_available(POSTGRES_REDIS), "PostgreSQL and Redis are not running: python -m tests.helpers.services")
    with contextlib.ExitStack() as stack:
        database = redis = None
        if kind.endswith("sqlite"):
            database = f"sqlite:///{tmp_path_factory.mktemp('store') / 'ephemeral.db'}"
        elif kind.endswith("postgres"):
            database = stack.enter_context(fresh_postgres_database())
        if database is not None:
            create_schema(database)
        if not kind.startswith("sql"):
            redis = stack.enter_context(fresh_redis_database())
        yield StoreSpec(database, redis)


@pytest.fixture
def store(store_spec: StoreSpec) -> Iterator[EphemeralStore]:
    """The store, empty, in this process."""
    store_spec.empty()
    with store_spec.opened() as opened:
        yield opened
