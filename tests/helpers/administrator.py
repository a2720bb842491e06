"""Make users, clients and APIs for a test: straight through the services, in this process.

It opens the server's database with the server's own settings, as a second process of the same deployment
would. The command line is slower and has tests of its own.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flask import Flask
from sqlalchemy import create_engine

from idp.core.settings import load_settings
from idp.storage.db import database_url, db, engine_options
from idp.storage.migrate import upgrade
from tests.helpers.browser import Person
from tests.helpers.relying_party import CALLBACK, PrivateKey, RelyingParty

if TYPE_CHECKING:
    from idp.web.provider import Provider

PASSWORD = "a quiet river bends twice"


class Administrator:
    """Whoever runs the deployment with these settings."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._environment = dict(settings)

    @cached_property
    def _app(self) -> Flask:
        # Not at the top: the root conftest leads here, and a room's own tests must run while the roof leaks.
        from idp.app import create_app

        return create_app(load_settings(self._environment))

    def upgrade(self) -> None:
        """Bring the tables up to date, as `idp db upgrade` does."""
        settings = load_settings(self._environment)
        engine = create_engine(database_url(settings), **engine_options(settings))
        upgrade(engine)
        engine.dispose()

    @contextmanager
    def provider(self) -> "Iterator[Provider]":
        """Every service of the deployment, to arrange what no page offers or to look behind the scenes."""
        from idp.web.provider import current_provider

        with self._app.app_context():
            yield current_provider()

    def create_user(
        self,
        email: str | None = None,
        *,
        password: str = PASSWORD,
        totp: bool = False,
        roles: Sequence[str] = (),
        verified: bool = True,
        **claims: Any,
    ) -> Person:
        """A new person; `claims` are standard claims, `roles` exist already."""
        email = email or f"user-{secrets.token_hex(6)}@example.com"
        with self.provider() as provider:
            user = provider.users.create(email, verified=verified, **claims)
            provider.passwords.set(user.id, password)
            for role in roles:
                provider.roles.assign(user.id, role)
            seed = provider.totp.enrol(user.id) if totp else None
        return Person(email, password, user.id, seed)

    def create_client(
        self,
        *,
        private_key: PrivateKey | None = None,
        skip_consent: bool = False,
        require_pkce: bool = True,
        rotate_refresh_tokens: bool = True,
        **metadata: Any,
    ) -> RelyingParty:
        """A new client, as a relying party that is ready to talk; `metadata` is RFC 7591's.

        By default a confidential web application with the code and refresh grants.
        """
        values: dict[str, Any] = {
            "client_name": f"Client {secrets.token_hex(3)}",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
        }
        if private_key is not None:
            values |= {
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_signing_alg": private_key.alg,
                "jwks": {"keys": [private_key.jwk]},
            }
        values |= metadata
        with self.provider() as provider:
            client, secret = provider.clients.create(
                values,
                skip_consent=skip_consent,
                require_pkce=require_pkce,
                rotate_refresh_tokens=rotate_refresh_tokens,
            )
        redirect_uris = values["redirect_uris"]
        return RelyingParty(
            issuer=self._environment["IDP_ISSUER"],
            client_id=client.client_id,
            client_secret=secret,
            redirect_uri=redirect_uris[0] if redirect_uris else CALLBACK,
            auth_method=client.token_endpoint_auth_method,
            private_key=private_key,
        )

    def create_api(self, scopes: Mapping[str, str], *, audience: str | None = None, **options: Any) -> str:
        """A new resource server; returns its audience. `scopes` are values with their descriptions."""
        audience = audience or f"https://api-{secrets.token_hex(4)}.example.com"
        with self.provider() as provider:
            provider.resource_servers.create(audience, scopes=scopes, **{"name": "An API", **options})
        return audience

    def close(self) -> None:
        """Let the database connections go."""
        if "_app" in self.__dict__:
            with self._app.app_context():
                db.engine.dispose()
