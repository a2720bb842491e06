"""`idp user update` and `idp user picture`: what is known of a person, changed by whoever runs the service."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from idp.cli.application import running_provider
from idp.cli.output import json_option, print_json
from idp.cli.user import find_user, user_details
from idp.core.errors import Invalid
from idp.identity.directory.claims import ADDRESS_MEMBERS

_CLAIMS: Final = {
    "name": "Full name.",
    "given_name": "First name.",
    "middle_name": "Middle name.",
    "family_name": "Last name.",
    "nickname": "Nickname.",
    "preferred_username": "The short name to go by; nobody signs in with it.",
    "profile": "URL of a page about the person.",
    "website": "URL of the person's own page.",
    "picture": "URL of a picture that is kept elsewhere; `idp user picture` uploads one.",
    "gender": "`female`, `male`, or other words.",
    "birthdate": "YYYY-MM-DD, YYYY, or 0000-MM-DD.",
    "zoneinfo": "Time zone, such as Europe/Paris.",
    "locale": "Language tag (BCP 47), such as en-GB.",
    "phone_number": "International number, such as +14255551212.",
}


def _claim_options(command: Callable[..., None]) -> Callable[..., None]:
    for name, meaning in reversed(_CLAIMS.items()):
        command = click.option(f"--{name.replace('_', '-')}", name, metavar="TEXT", help=meaning)(command)
    return command


@click.command("update")
@click.argument("user_ref", metavar="USER")
@_claim_options
@click.option(
    "--phone-verified/--phone-not-verified", "phone_number_verified", default=None, help="Whether the number is theirs."
)
@click.option(
    "--address",
    "address_parts",
    multiple=True,
    metavar="PART=TEXT",
    help=f"Part of the postal address, repeatable: {', '.join(ADDRESS_MEMBERS)}. Together they replace the address.",
)
@click.option("--no-address", is_flag=True, help="Forget the postal address.")
@json_option
def update_user(
    user_ref: str, address_parts: tuple[str, ...], no_address: bool, as_json: bool, **claims: str | bool | None
) -> None:
    """Change claims about a user. What is not named stays; an empty text clears."""
    values: dict[str, Any] = {name: value for name, value in claims.items() if value is not None}
    if no_address or address_parts:
        values["address"] = _address(address_parts) if address_parts else None
    if not values:
        raise Invalid("there is nothing to change: name a claim, such as --name")
    with running_provider() as provider:
        user = provider.users.update(find_user(provider, user_ref).id, **values)
        shown = user_details(provider, user)
    if as_json:
        print_json(shown)
    else:
        click.echo(f"Updated {user.id}: {', '.join(sorted(values))}.")


@click.command("picture", short_help="Upload or remove the picture of a user.")
@click.argument("user_ref", metavar="USER")
@click.argument("file", required=False, type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--remove", is_flag=True, help="Remove the picture.")
def user_picture(user_ref: str, file: Path | None, remove: bool) -> None:
    """Make FILE (PNG, JPEG, WebP, GIF or AVIF; `-` is stdin) the picture of a user, or remove it."""
    if remove == (file is not None):
        raise Invalid("name a file, or say --remove", "file")
    data = b"" if file is None else _read(file)
    with running_provider() as provider:
        user = find_user(provider, user_ref)
        if file is None:
            provider.avatars.delete(user.id)
            click.echo(f"Removed the picture of {user.id}.")
            return
        if len(data) > provider.settings.avatars.max_bytes:
            raise Invalid(f"the picture has more than {provider.settings.avatars.max_bytes} bytes", "file")
        click.echo(f"The picture of {user.id} is {provider.avatars.upload(user.id, data).picture}")


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}", "file") from None


def _address(parts: tuple[str, ...]) -> dict[str, str]:
    address = {}
    for part in parts:
        member, equals, text = part.partition("=")
        if not equals or member not in ADDRESS_MEMBERS:
            raise Invalid(f"'{part}' is no part of an address: write {ADDRESS_MEMBERS[1]}=TEXT", "address")
        address[member] = text
    return address
