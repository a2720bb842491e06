"""The identity floor on an empty database, without the rest of the product."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy import func, insert, select

from idp.core.clock import now
from idp.core.crypto import Sealer, SecretRing
from idp.core.events import Event
from idp.core.randomness import new_id
from idp.core.setting_sections import PasswordSettings
from idp.core.settings import Settings
from idp.identity.access.roles import Roles
from idp.identity.consents.consents import Consents
from idp.identity.consents.terms import TermsAcceptances
from idp.identity.credentials.passwords import Passwords
from idp.identity.credentials.totp import Totp
from idp.identity.directory.users import User, Users
from idp.identity.sessions.sessions import Sessions
from idp.services.audit import AuditTrail
from idp.services.outbox import Outbox
from idp.storage.db import Base, database_url, db, engine_options, prepare_engine, reading, transaction
from idp.storage.tables import ClientRow, TokenFamily
from tests.helpers.backends import Backend
from tests.helpers.database import empty_tables

SECRET = "the first secret key, forty characters!!"
CHEAP = PasswordSettings(argon2_memory_kib=64, argon2_iterations=1, argon2_concurrency=8)
T = TypeVar("T")


@dataclass(frozen=True)
class House:
    """Everything that knows people, on one database."""

    app: Flask
    settings: Settings
    secrets: SecretRing
    audit: AuditTrail
    users: Users
    passwords: Passwords
    totp: Totp
    roles: Roles
    consents: Consents
    sessions: Sessions
    terms: TermsAcceptances

    def person(self, email: str = "alice@example.com", **claims: Any) -> User:
        """A user to do things to."""
        return self.users.create(email, **claims)

    def client(self, client_id: str = "shop") -> str:
        """A client, as far as foreign keys care."""
        with transaction() as session:
            session.execute(insert(ClientRow).values(client_id=client_id, client_name=client_id, client_metadata={}))
        return client_id

    def family(self, user_id: str, client_id: str, session_id: str | None, *, offline: bool = False) -> str:
        """A token family; returns its id."""
        family_id, at = new_id(), now()
        with transaction() as session:
            session.execute(
                insert(TokenFamily).values(
                    id=family_id,
                    client_id=client_id,
                    user_id=user_id,
                    subject=user_id,
                    session_id=session_id,
                    code_hash=family_id,
                    scopes=["openid"],
                    resources=[],
                    claims_request={},
                    auth_time=at,
                    acr="",
                    amr=[],
                    offline=offline,
                    salt=b"",
                    idle_expires_at=at,
                    expires_at=at,
                )
            )
        return family_id

    def live_families(self) -> set[str]:
        """The ids of the families that are not revoked."""
        statement = select(TokenFamily.id).where(TokenFamily.revoked_at.is_(None))
        with reading() as session:
            return set(session.execute(statement).scalars())

    def events(self, event: Event) -> list[Any]:
        """The audit records of one kind, the newest first."""
        return list(self.audit.tail(100, event))

    def count(self, table: Any) -> int:
        """How many rows a table has."""
        with reading() as session:
            return int(session.execute(select(func.count()).select_from(table)).scalar_one())

    def at_once(self, times: int, deed: Callable[[int], T]) -> list[T]:
        """Do something in several threads, all of which start together."""
        barrier = Barrier(times)

        def one(number: int) -> T:
            with self.app.app_context():
                barrier.wait()
                return deed(number)

        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(one, range(times)))


@contextlib.contextmanager
def open_house(backend: Backend, **overrides: Any) -> Iterator[House]:
    """The identity floor with its tables, inside an application context; the tables are emptied at the end."""
    settings = Settings(database_url=backend.database_url, passwords=CHEAP, **overrides)
    app = Flask("identity")
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url(settings)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings)
    db.init_app(app)
    audit, secrets = AuditTrail(), SecretRing([SECRET])
    with app.app_context():
        prepare_engine(db.engine)
        Base.metadata.create_all(db.engine)
        try:
            yield House(
                app,
                settings,
                secrets,
                audit,
                Users(audit),
                Passwords(settings.passwords, secrets, audit),
                Totp(Sealer([b"k" * 32]), audit),
                Roles(audit),
                Consents(audit),
                Sessions(settings, audit, Outbox()),
                TermsAcceptances(audit),
            )
        finally:
            empty_tables()
            db.engine.dispose()
