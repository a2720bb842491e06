"""`idp mail`: does delivery work?"""

import click

from idp.core.randomness import new_id
from idp.core.settings import load_settings
from idp.services.notify.mailer import Mailer
from idp.services.notify.rendering import LANGUAGES, render_mail


@click.group("mail")
def mail_group() -> None:
    """Mail delivery."""


@mail_group.command("test")
@click.argument("to")
@click.option("--language", type=click.Choice(LANGUAGES), help="Language of the message.")
def test(to: str, language: str | None) -> None:
    """Send a test message to the address TO, at once and not through the outbox."""
    settings = load_settings()
    values = {
        "to": to,
        "product_name": settings.product_name,
        "issuer": settings.issuer,
        "support_url": settings.support_url,
    }
    mail = render_mail("mail_test", language or settings.default_locale, values)
    Mailer(settings).send(to, mail.subject, mail.text, mail.html, mail_id=new_id())
    click.echo(f"Sent to {to}.")
