"""A deployment with a real mail server, for tests of what becomes of mail."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Table, update

from idp.app import create_app
from idp.core.clock import now
from idp.core.settings import load_settings
from idp.services.outbox import Message
from idp.storage.db import db, reading, transaction
from idp.storage.migrate import upgrade
from idp.storage.tables import OutboxMessage
from idp.web.provider import Provider, current_provider
from tests.helpers.backends import Backend
from tests.helpers.mail_server import MailServer, mail_server
from tests.helpers.server import TEST_SETTINGS, fresh_secrets

_table = cast(Table, OutboxMessage.__table__)


@dataclass
class PostOffice:
    """One process of the deployment, and the mail server it knows."""

    settings: dict[str, str]
    server: MailServer
    provider: Provider

    def write(self, to: str = "ann@example.com", **options: Any) -> str:
        """Put a mail with a code into the outbox; returns its identifier."""
        values = {"code": "314159", "minutes": 10, "url": "https://id.example/x", **options}
        with transaction():
            return self.provider.mail.put("registration_code", to, locale="en", **values)

    def deliver(self) -> dict[str, int]:
        """What the worker does each second."""
        return self.provider.courier.deliver()

    def message(self, mail_id: str) -> Message:
        """The mail as it stands in the outbox."""
        found = self.provider.outbox.get(mail_id)
        assert found is not None
        return found

    def end_lease(self, mail_id: str, at: datetime | None = None) -> None:
        """As if so much time had gone by."""
        self.change(mail_id, next_attempt_at=at or now() - timedelta(seconds=1))

    def change(self, mail_id: str, **values: Any) -> None:
        """Lay hands on a row of the outbox."""
        with transaction() as connection:
            connection.execute(update(_table).where(_table.c.id == mail_id).values(**values))

    def rows(self) -> list[dict[str, Any]]:
        """The whole outbox, as whoever steals the database has it."""
        with reading() as connection:
            return [dict(row._mapping) for row in connection.execute(_table.select())]


@contextmanager
def post_office(backend: Backend, directory: Path, **settings: str) -> Iterator[PostOffice]:
    """A deployment with its tables and a mail server, inside an application context."""
    with mail_server() as server:
        (directory / "keys").mkdir(mode=0o700, exist_ok=True)
        chosen = {
            **TEST_SETTINGS,
            **fresh_secrets(),
            "IDP_KEYS_DIR": str(directory / "keys"),
            "IDP_ISSUER": "https://id.example",
            "IDP_MAIL_FROM": "Acme <no-reply@id.example>",
            "IDP_SMTP_URL": server.url(),
            **backend.environment,
            **settings,
        }
        app = create_app(load_settings(chosen))
        with app.app_context():
            upgrade(db.engine)
            yield PostOffice(chosen, server, current_provider())
            db.engine.dispose()
