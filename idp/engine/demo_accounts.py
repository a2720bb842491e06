"""The accounts and clients of the demonstration: their passwords and secrets are published.

They are for development. In production they would be open doors, so a server that finds one refuses to start.
"""

from dataclasses import dataclass
from typing import Any

from idp.core.errors import ConfigurationError
from idp.identity.access.administrators import ADMINISTRATOR
from idp.identity.clients.registry import ClientRegistry
from idp.identity.clients.secrets import verify_secret
from idp.identity.credentials.passwords import Passwords
from idp.identity.directory.users import Users

PASSWORD = "correct horse battery staple"
BOBS_TOTP_SEED = "IDPDEMOBOBTOTPSECRET234567ABCDEF"
ORDERS_API = "https://orders.example.com"
RELYING_PARTY = "http://localhost:9000"
CALLBACK = f"{RELYING_PARTY}/callback"
HOME = f"{RELYING_PARTY}/"
USER_SCOPES = "openid profile email address phone offline_access"


@dataclass(frozen=True, slots=True)
class DemoUser:
    """A seeded person; `claims` as in OpenID Connect Core §5.1."""

    email: str
    note: str
    claims: dict[str, Any]
    totp_seed: str | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class DemoClient:
    """A seeded client; `secret` is None for a public one."""

    client_id: str
    secret: str | None
    note: str
    metadata: dict[str, Any]


USERS = (
    DemoUser(
        "alice@example.com",
        "every standard claim filled",
        {
            "name": "Alice Marie Adams",
            "given_name": "Alice",
            "family_name": "Adams",
            "middle_name": "Marie",
            "nickname": "Ally",
            "preferred_username": "alice",
            "profile": "https://example.com/people/alice",
            "picture": "https://example.com/people/alice.png",
            "website": "https://alice.example.com/",
            "gender": "female",
            "birthdate": "1990-04-12",
            "zoneinfo": "Europe/Berlin",
            "locale": "en-GB",
            "phone_number": "+493012345678",
            "phone_number_verified": True,
            "address": {
                "formatted": "1 Garden Lane\n10115 Berlin\nGermany",
                "street_address": "1 Garden Lane",
                "locality": "Berlin",
                "region": "Berlin",
                "postal_code": "10115",
                "country": "Germany",
            },
        },
    ),
    DemoUser(
        "bob@example.com",
        "signs in with a one-time code as well",
        {"name": "Bob Brown", "given_name": "Bob", "family_name": "Brown", "preferred_username": "bob"},
        totp_seed=BOBS_TOTP_SEED,
    ),
    DemoUser(
        "admin@example.com",
        "holds the role 'administrator'",
        {"name": "Ada Admin", "given_name": "Ada", "family_name": "Admin", "preferred_username": "admin"},
        role=ADMINISTRATOR,
    ),
)

CLIENTS = (
    DemoClient(
        "demo-web",
        "demo-web-secret-0123456789abcdef",
        "confidential web application: code with PKCE, refresh",
        {
            "client_name": "Demo web application",
            "redirect_uris": [CALLBACK],
            "post_logout_redirect_uris": [HOME],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": f"{USER_SCOPES} orders:read",
            "token_endpoint_auth_method": "client_secret_basic",
        },
    ),
    DemoClient(
        "demo-spa",
        None,
        "public single-page application: code with PKCE",
        {
            "client_name": "Demo single-page application",
            "redirect_uris": [CALLBACK, "http://127.0.0.1:9000/callback"],
            "post_logout_redirect_uris": [HOME, "http://127.0.0.1:9000/"],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": USER_SCOPES,
            "token_endpoint_auth_method": "none",
        },
    ),
    DemoClient(
        "demo-service",
        "demo-service-secret-0123456789abcdef",
        f"service: client_credentials for {ORDERS_API}",
        {
            "client_name": "Demo service",
            "grant_types": ["client_credentials"],
            "scope": "orders:read orders:write",
            "resources": [ORDERS_API],
            "token_endpoint_auth_method": "client_secret_basic",
        },
    ),
)


def open_doors(users: Users, passwords: Passwords, clients: ClientRegistry) -> list[str]:
    """The demo accounts and clients that anybody could use here: e-mail addresses and client identifiers.

    Not those that were switched off, or given a password or secret of their own.
    """
    found = []
    for demo_user in USERS:
        user = users.find_by_email(demo_user.email)
        if user is not None and user.is_active and passwords.verify(user.id, PASSWORD):
            found.append(demo_user.email)
    for demo_client in CLIENTS:
        client = clients.get(demo_client.client_id)
        if client is None or not client.is_enabled:
            continue
        if client.is_public if demo_client.secret is None else verify_secret(client, demo_client.secret):
            found.append(demo_client.client_id)
    return found


def advice(found: list[str]) -> str:
    """What to do about them, in one sentence."""
    return (
        f"demo accounts with published passwords and secrets exist here: {', '.join(found)}; delete each with "
        "'idp user delete' or 'idp client delete', or use a database of its own for production"
    )


def refuse_demo_accounts(users: Users, passwords: Passwords, clients: ClientRegistry) -> None:
    """Raise ConfigurationError if there are any."""
    if found := open_doors(users, passwords, clients):
        raise ConfigurationError(advice(found))
