"""`idp role`: roles and who holds them."""

import click

from idp.cli.application import running_provider
from idp.cli.output import json_option, print_json, print_table
from idp.cli.user import find_user
from idp.core.errors import NotFound


@click.group("role")
def role_group() -> None:
    """Manage roles."""


@role_group.command("create")
@click.argument("name")
@click.option("--description", default="", help="What the role is for.")
@json_option
def create(name: str, description: str, as_json: bool) -> None:
    """Create a role; NAME goes into tokens."""
    with running_provider() as provider:
        role = provider.roles.create(name, description)
    if as_json:
        print_json(role)
    else:
        click.echo(f"Created role {role.name}.")


@role_group.command("list")
@json_option
def list_roles(as_json: bool) -> None:
    """List roles."""
    with running_provider() as provider:
        roles = provider.roles.list()
    if as_json:
        print_json(roles)
    else:
        print_table(("NAME", "DESCRIPTION"), [(role.name, role.description) for role in roles])


@role_group.command("assign")
@click.argument("name")
@click.argument("user_ref", metavar="USER")
def assign(name: str, user_ref: str) -> None:
    """Give the role NAME to a USER (id or e-mail address)."""
    with running_provider() as provider:
        user = find_user(provider, user_ref)
        provider.roles.assign(user.id, name)
    click.echo(f"{user.email or user.id} holds {name}.")


@role_group.command("unassign")
@click.argument("name")
@click.argument("user_ref", metavar="USER")
def unassign(name: str, user_ref: str) -> None:
    """Take the role NAME from a USER (id or e-mail address). Tokens that name it stay valid until they expire."""
    with running_provider() as provider:
        user = find_user(provider, user_ref)
        provider.roles.unassign(user.id, name)
    click.echo(f"{user.email or user.id} no longer holds {name}.")


@role_group.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(name: str, yes: bool) -> None:
    """Delete a role, and take it from everybody who holds it."""
    with running_provider() as provider:
        if all(role.name != name for role in provider.roles.list()):
            raise NotFound(f"there is no role '{name}'")
        if not yes:
            click.confirm(f"Delete the role {name} and take it from everybody who holds it?", abort=True, err=True)
        holders = provider.roles.delete(name)
    click.echo(f"Deleted role {name}; {holders} held it.")
