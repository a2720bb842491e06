"""`idp mail`: does delivery work?"""

import click

from idp.core.settings import load_settings
from idp.services.notify.mailer import Mailer


@click.group("mail")
def mail_group() -> None:
    """Mail delivery."""


@mail_group.command("test")
@click.argument("to")
def test(to: str) -> None:
    """Send a test message to the address TO."""
    settings = load_settings()
    Mailer(settings).send(
        to,
        f"Test message from {settings.product_name}",
        f"This message was sent by 'idp mail test' of {settings.issuer}.\nMail delivery works.\n",
    )
    click.echo(f"Sent to {to}.")
