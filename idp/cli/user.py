"""`idp user`: the people in the directory."""

import sys
from datetime import timedelta
from typing import Any

import click

from idp.cli.application import running_provider
from idp.cli.output import instant, json_option, print_fields, print_json, print_table, text
from idp.core.clock import now
from idp.core.errors import Invalid, NotFound
from idp.identity.directory.users import User
from idp.services.notify.rendering import LANGUAGES
from idp.storage.db import transaction
from idp.web.provider import Provider

LONGEST_PASSWORD = 4096

_password_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin.")


@click.group("user")
def user_group() -> None:
    """Manage users. USER is an id or an e-mail address."""


@user_group.command("create")
@click.option("--email", required=True, help="Primary e-mail address.")
@_password_stdin
@click.option("--verified", is_flag=True, help="The e-mail address is known to belong to the user.")
@click.option("--name", help="Full name.")
@click.option("--role", "roles", multiple=True, help="Role to give; repeatable.")
@click.option("--service-account", is_flag=True, help="No person: nobody signs in to it, and no clean-up deletes it.")
@json_option
def create(
    email: str,
    password_stdin: bool,
    verified: bool,
    name: str | None,
    roles: tuple[str, ...],
    service_account: bool,
    as_json: bool,
) -> None:
    """Create a user. Without a password the user cannot sign in with one yet."""
    if service_account and password_stdin:
        raise Invalid("a service account has no password", "password")
    password = _read_password() if password_stdin else None
    claims: dict[str, Any] = {"name": name} if name else {}
    with running_provider() as provider:
        words = _context_words(provider, email, name)
        # Argon2 before the transaction, never inside it.
        prepared = None if password is None else provider.passwords.prepare(password, words)
        with transaction():
            user = provider.users.create(email, verified=verified, is_service_account=service_account, **claims)
            if prepared is not None:
                provider.passwords.store(user.id, prepared)
            for role in roles:
                provider.roles.assign(user.id, role)
        described = user_details(provider, user)
    if as_json:
        print_json(described)
    else:
        click.echo(f"Created user {user.id} ({user.email}).")


@user_group.command("invite", short_help="Mail an invitation to register.")
@click.argument("email")
@click.option("--name", help="Full name, which the person may change.")
@click.option("--role", "roles", multiple=True, help="Role to give; repeatable.")
@click.option("--language", type=click.Choice(LANGUAGES), help="Language of the mail.")
@json_option
def invite(email: str, name: str | None, roles: tuple[str, ...], language: str | None, as_json: bool) -> None:
    """Mail an invitation: a link by which EMAIL registers within three days, in place of any earlier one."""
    with running_provider() as provider:
        proof = provider.sign_up.invite(email, name=name, roles=roles, locale=language)
    if as_json:
        print_json({"email": proof.address, "expires_at": proof.expires_at, "roles": roles})
    else:
        click.echo(f"Invited {proof.address}; the link works until {text(proof.expires_at)}.")


@user_group.command("list")
@click.option("--query", help="Part of the address, the name or the user name.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 500), help="How many.")
@click.option("--after", help="Continue after this user id.")
@json_option
def list_users(query: str | None, limit: int, after: str | None, as_json: bool) -> None:
    """List users in the order of their ids."""
    with running_provider() as provider:
        users = provider.users.list(limit, after, query)
    if as_json:
        print_json([_record(user) for user in users])
    else:
        print_table(
            ("ID", "EMAIL", "VERIFIED", "STATUS", "NAME"),
            [(user.id, user.email, user.email_verified, user.status, user.name) for user in users],
        )


@user_group.command("show")
@click.argument("user_ref", metavar="USER")
@json_option
def show(user_ref: str, as_json: bool) -> None:
    """Show a user."""
    with running_provider() as provider:
        described = user_details(provider, find_user(provider, user_ref))
    if as_json:
        print_json(described)
    else:
        print_fields(described)


@user_group.command("set-password", short_help="Set a user's password, and end all sessions.")
@click.argument("user_ref", metavar="USER")
@_password_stdin
def set_password(user_ref: str, password_stdin: bool) -> None:
    """Set a user's password, end all sessions, and forget failed attempts. Asks if stdin is not used."""
    password = _read_password() if password_stdin else _ask_password()
    with running_provider() as provider:
        user = find_user(provider, user_ref)
        words = _context_words(provider, user.email, user.name)
        provider.lifecycle.set_password(user.id, password, context_words=words)
    click.echo(f"Password of {user.id} set; every session is ended.")


@user_group.command("set-email")
@click.argument("user_ref", metavar="USER")
@click.argument("email")
@click.option("--verified", is_flag=True, help="The address is known to belong to the user.")
@json_option
def set_email(user_ref: str, email: str, verified: bool, as_json: bool) -> None:
    """Replace a user's e-mail address, by which they sign in. Sessions and tokens stay."""
    with running_provider() as provider:
        user = provider.users.change_email(find_user(provider, user_ref).id, email, verified=verified)
        described = user_details(provider, user)
    if as_json:
        print_json(described)
    else:
        click.echo(f"The address of {user.id} is {user.email} ({'' if verified else 'not '}verified).")


@user_group.command("enrol-totp", short_help="Give a user a one-time code generator.")
@click.argument("user_ref", metavar="USER")
@json_option
def enrol_totp(user_ref: str, as_json: bool) -> None:
    """Give a user a one-time code generator, replacing the one before. Its seed is printed once and never again."""
    with running_provider() as provider:
        user = find_user(provider, user_ref)
        seed = provider.totp.enrol(user.id)
        uri = provider.totp.provisioning_uri(seed, user.email or user.id, provider.settings.product_name)
    result = {"id": user.id, "totp_secret": seed, "otpauth_uri": uri}
    if as_json:
        print_json(result)
    else:
        print_fields(result)
        click.echo("Hand the seed over now: it is not shown again.", err=True)


@user_group.command("deactivate", short_help="Switch a user off, and end all sessions and tokens.")
@click.argument("user_ref", metavar="USER")
def deactivate(user_ref: str) -> None:
    """Switch a user off: no sign-in, and every session and token ends."""
    with running_provider() as provider:
        user = find_user(provider, user_ref)
        provider.lifecycle.deactivate(user.id)
    click.echo(f"Deactivated {user.id}; every session is ended.")


@user_group.command("reactivate", short_help="Let a user sign in again.")
@click.argument("user_ref", metavar="USER")
def reactivate(user_ref: str) -> None:
    """Let a user sign in again who was deactivated, locked out, or going to be deleted."""
    with running_provider() as provider:
        user = find_user(provider, user_ref)
        with transaction():
            provider.lifecycle.reactivate(user.id)
            provider.lockout.unlock(user.id)
    click.echo(f"Reactivated {user.id}.")


@user_group.command("unlock", short_help="Forget wrong passwords, so that a locked-out user can sign in again.")
@click.argument("user_ref", metavar="USER")
def unlock(user_ref: str) -> None:
    """Forget the wrong passwords that delay a user's sign-in or have switched it off."""
    with running_provider() as provider:
        user = find_user(provider, user_ref)
        was_locked = provider.lockout.unlock(user.id)
    click.echo(f"{'Unlocked' if was_locked else 'Was not locked; forgot the wrong passwords of'} {user.id}.")


@user_group.command("delete", short_help="Delete a user for good, with all that hangs on them.")
@click.argument("user_ref", metavar="USER")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--now/--scheduled", "at_once", default=True,
    help="At once (the default), or after IDP_PRIVACY__DELETION_DELAY; until then 'idp user reactivate' undoes it.",
)  # fmt: skip
def delete(user_ref: str, yes: bool, at_once: bool) -> None:
    """Erase a user for good: everything that is known of them, in all tables and files.

    The audit trail keeps what happened under a pseudonym, and so do the proofs of consent for a while.
    """
    with running_provider() as provider:
        user = find_user(provider, user_ref)
        if not yes:
            click.confirm(f"Delete {user.email or user.id} for good?", abort=True, err=True)
        if at_once:
            provider.lifecycle.delete(user.id)
            click.echo(f"Deleted {user.id}.")
            return
        erase_after = now() + timedelta(seconds=provider.settings.privacy.deletion_delay)
        provider.lifecycle.schedule_deletion(user.id, erase_after)
    click.echo(f"{user.id} will be deleted at {instant(erase_after)}, and cannot sign in from now on.")


@user_group.command("export", short_help="Print everything held about a user as JSON.")
@click.argument("user_ref", metavar="USER")
def export(user_ref: str) -> None:
    """Print everything held about a user as JSON, without secrets (GDPR articles 15 and 20)."""
    with running_provider() as provider:
        for piece in provider.exports.whole(find_user(provider, user_ref).id):
            click.echo(piece.decode(), nl=False)


def find_user(provider: Provider, reference: str) -> User:
    """The user with this id or e-mail address. Raises NotFound."""
    users = provider.users
    user = users.find_by_email(reference) if "@" in reference else users.get(reference)
    if user is None:
        raise NotFound(f"there is no user '{reference}'")
    return user


def user_details(provider: Provider, user: User) -> dict[str, Any]:
    """A user as the commands show them."""
    return {
        **_record(user),
        "roles": provider.roles.of(user.id),
        "has_password": provider.passwords.has_password(user.id),
        "has_totp": provider.totp.is_enrolled(user.id),
    }


def _record(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "status": user.status,
        "email": user.email,
        **user.claims(),
        "created_at": user.created_at,
        "updated_at": user.updated_at,
        "deactivated_by": user.deactivated_by,
        "erase_after": user.erase_after,
        "is_service_account": user.is_service_account,
    }


def _context_words(provider: Provider, email: str | None, name: str | None) -> list[str]:
    return [word for word in (email, name, provider.settings.product_name) if word]


def _ask_password() -> str:
    """The new password, typed twice and unseen. Raises Invalid without a terminal."""
    if not sys.stdin.isatty():
        raise Invalid("there is no terminal to ask for the password at: use --password-stdin", "password")
    password: str = click.prompt("New password", hide_input=True, confirmation_prompt=True)
    return password


def _read_password() -> str:
    """The first line of stdin, without its line end. Raises Invalid if there is none."""
    password = sys.stdin.readline(LONGEST_PASSWORD + 2).rstrip("\r\n")
    if not password:
        raise Invalid("there is no password on stdin", "password")
    return password
