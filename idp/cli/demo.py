"""`idp demo`: accounts and clients to try things with. For development only."""

from typing import Any

import click

from idp.cli.application import running_provider
from idp.cli.output import json_option, print_json
from idp.core.errors import ConfigurationError
from idp.core.settings import load_settings
from idp.engine.demo_accounts import CLIENTS, ORDERS_API, PASSWORD, RELYING_PARTY, USERS, DemoClient, DemoUser
from idp.identity.clients.metadata import ClientMetadata
from idp.identity.credentials.totp import Totp
from idp.identity.directory.users import User
from idp.web.provider import Provider


@click.group("demo")
def demo_group() -> None:
    """Accounts and clients to try things with (development only)."""


@demo_group.command("seed")
@click.option("--relying-party", default=RELYING_PARTY, metavar="URL", help="Let the demo clients live here as well.")
@json_option
def seed(relying_party: str, as_json: bool) -> None:
    """Create the demo users, clients and API. What exists already is left as it is."""
    settings = load_settings()
    if settings.is_production:
        raise ConfigurationError("demo accounts have well-known passwords: they exist in development only")
    with running_provider(settings) as provider:
        _seed_api(provider)
        for client in CLIENTS:
            _seed_client(provider, client)
            _add_home(provider, client, relying_party)
        users = [_described(_seed_user(provider, user), user, settings.product_name) for user in USERS]
    result = {
        "password": PASSWORD,
        "users": users,
        "clients": [
            {"client_id": c.client_id, "client_secret": c.secret, "note": c.note, **c.metadata} for c in CLIENTS
        ],
        "apis": [{"audience": ORDERS_API}],
    }
    if as_json:
        print_json(result)
        return
    click.echo(f"Password of all accounts: {PASSWORD}")
    for described in users:
        click.echo(f"{described['email']}: {described['note']}")
        if "totp_secret" in described:
            click.echo(f"  TOTP secret {described['totp_secret']}  {described['otpauth_uri']}")
    for client in CLIENTS:
        click.echo(f"{client.client_id} {client.secret or '(public)'}: {client.note}")


def _seed_api(provider: Provider) -> None:
    if provider.resource_servers.get(ORDERS_API) is None:
        provider.resource_servers.create(
            ORDERS_API,
            "Orders API",
            {"orders:read": "See your orders", "orders:write": "Place and change orders for you"},
        )


def _seed_client(provider: Provider, client: DemoClient) -> None:
    if provider.clients.get(client.client_id) is None:
        provider.clients.create(ClientMetadata.parse(client.metadata), client_id=client.client_id, secret=client.secret)


def _add_home(provider: Provider, demo: DemoClient, relying_party: str) -> None:
    """Let the client be reached at the relying party's URL too, wherever it was moved."""
    client = provider.clients.get(demo.client_id)
    if client is None or not client.metadata.redirect_uris:
        return
    values = client.metadata.to_dict()
    added = {"redirect_uris": f"{relying_party}/callback", "post_logout_redirect_uris": f"{relying_party}/"}
    if any(uri not in values[name] for name, uri in added.items()):
        for name, uri in added.items():
            values[name] = list(dict.fromkeys((*values[name], uri)))
        provider.clients.update(demo.client_id, values)


def _seed_user(provider: Provider, demo: DemoUser) -> User:
    user = provider.users.find_by_email(demo.email)
    if user is None:
        user = provider.users.create(demo.email, verified=True, **demo.claims)
    # Step by step, so that a run that was cut short is completed by the next.
    if not provider.passwords.has_password(user.id):
        provider.passwords.set(user.id, PASSWORD)
    if demo.totp_seed is not None and not provider.totp.is_enrolled(user.id):
        provider.totp.enrol(user.id, demo.totp_seed)
    if demo.role is not None:
        if all(role.name != demo.role for role in provider.roles.list()):
            provider.roles.create(demo.role, "Manages this identity provider")
        provider.roles.assign(user.id, demo.role)
    return user


def _described(user: User, demo: DemoUser, product_name: str) -> dict[str, Any]:
    described: dict[str, Any] = {"id": user.id, "email": demo.email, "note": demo.note}
    if demo.totp_seed is not None:
        described["totp_secret"] = demo.totp_seed
        described["otpauth_uri"] = Totp.provisioning_uri(demo.totp_seed, demo.email, product_name)
    return described
