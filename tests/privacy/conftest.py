"""The whole product on each storage, without a server."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from idp.app import create_app
from idp.core.settings import load_settings
from idp.storage.db import db
from idp.storage.migrate import upgrade
from idp.web.provider import Provider, current_provider
from tests.helpers.backends import Backend

Open = Callable[..., AbstractContextManager[Provider]]

SECRET = "a-secret-key-of-the-tests-long-enough-for-it"


@pytest.fixture
def open_provider(backend: Backend, tmp_path: Path) -> Open:
    """Open the product with settings of one's own; as often as one likes, as its processes would."""
    (tmp_path / "keys").mkdir()

    @contextmanager
    def opened(**settings: str) -> Iterator[Provider]:
        environment = {
            **backend.environment,
            "IDP_SECRET_KEY": SECRET,
            "IDP_KEYS_DIR": str(tmp_path / "keys"),
            "IDP_AVATARS__DIRECTORY": str(tmp_path / "pictures"),
            "IDP_PASSWORDS__ARGON2_MEMORY_KIB": "64",
            **settings,
        }
        loaded = load_settings(environment)
        app = create_app(loaded, tolerate_demo_accounts=True)
        with app.app_context():
            if db.engine.dialect.name == "postgresql":
                upgrade(db.engine)
                current_provider().keyset.ensure()
            try:
                yield current_provider()
            finally:
                db.session.remove()
                db.engine.dispose()

    return opened


@pytest.fixture
def provider(open_provider: Open) -> Iterator[Provider]:
    """Every service, with the default settings."""
    with open_provider() as opened:
        yield opened


def client_of(provider: Provider, name: str = "Shop") -> str:
    """A client; returns its identifier."""
    created: Any = provider.clients.create({"client_name": name, "redirect_uris": ["https://shop.example/cb"]})
    return str(created[0].client_id if isinstance(created, tuple) else created.client_id)
