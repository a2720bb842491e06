"""`idp keys`: our keys and their rotation."""

import re
from typing import get_args

import click

from idp.cli.application import running_provider
from idp.cli.output import json_option, print_json, print_table
from idp.core.errors import Conflict, NotFound
from idp.core.setting_sections import EncryptionAlgorithm, KeyAlgorithm, SigningAlgorithm
from idp.services.keys.reseal import reseal as resealed

_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")  # RFC 7638, in base64url
_ALGORITHMS = (*get_args(SigningAlgorithm), *get_args(EncryptionAlgorithm))


@click.group("keys")
def keys_group() -> None:
    """See and rotate the keys that sign, and those that clients encrypt to."""


@keys_group.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """List keys: next, active, retiring, retired."""
    with running_provider() as provider:
        keys = provider.rotation.list_keys()
    if as_json:
        print_json(keys)
    else:
        print_table(
            ("KID", "ALG", "STATE", "PUBLISHED", "ACTIVE SINCE", "REMOVE AFTER"),
            [(k.kid, k.alg, k.state, k.published_at, k.activated_at, k.remove_after) for k in keys],
        )


@keys_group.command("rotate")
@click.option("--alg", type=click.Choice(_ALGORITHMS), help="Only this one. Default: all.")
@click.option("--force", is_flag=True, help="Even if the next key has not been published for long enough.")
def rotate(alg: KeyAlgorithm | None, force: bool) -> None:
    """Make the published next key sign, and publish another as next. A key to encrypt to is replaced at once."""
    with running_provider() as provider:
        try:
            active = provider.rotation.rotate(alg, force=force)
        except Conflict as error:
            raise Conflict(f"{error} (--force rotates nevertheless)") from error
        for key in active:
            click.echo(f"The {key.alg} key is {key.kid} now.")


class _OfOneKey(click.Command):
    """A command whose argument is a key's name, of which one in 64 begins with a dash and is no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        names = [arg for arg in args if _THUMBPRINT.fullmatch(arg)]
        return super().parse_args(ctx, [*(arg for arg in args if arg not in names), "--", *names] if names else args)


@keys_group.command("retire", cls=_OfOneKey, short_help="Withdraw a key at once and destroy it.")
@click.argument("kid")
@click.option("--yes", is_flag=True, help="Do not ask.")
def retire(kid: str, yes: bool) -> None:
    """Withdraw a key at once and destroy it: every token it signed stops being valid."""
    with running_provider() as provider:
        if all(key.kid != kid for key in provider.rotation.list_keys()):
            raise NotFound(f"there is no key '{kid}'")
        if not yes:
            click.confirm(f"Destroy key {kid}? Tokens it signed become worthless", abort=True, err=True)
        provider.rotation.retire(kid)
    click.echo(f"Retired {kid}.")


@keys_group.command("reseal", short_help="Seal everything anew with the current key-encryption key.")
@json_option
def reseal(as_json: bool) -> None:
    """Seal everything anew with the current IDP_KEY_ENCRYPTION_KEY, so that former ones can go."""
    with running_provider() as provider:
        columns = resealed(provider.sealer, provider.audit)
    if as_json:
        print_json(columns)
    else:
        print_table(
            ("PLACE", "SEALED ANEW", "CURRENT BEFORE", "UNREADABLE"),
            [(c.place, c.resealed, c.current, c.unreadable) for c in columns],
        )
    if any(c.unreadable for c in columns):
        raise click.ClickException(
            "no configured key opens some values: name the key that sealed them in IDP_PREVIOUS_KEY_ENCRYPTION_KEYS"
        )
