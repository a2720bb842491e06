"""The console script `idp`: one module per group of commands."""

import click

from idp import __version__
from idp.cli.api import api_group
from idp.cli.audit import audit_group
from idp.cli.client import client_group
from idp.cli.consent import consent_group
from idp.cli.db import db_group
from idp.cli.demo import demo_group
from idp.cli.doctor import doctor
from idp.cli.errors import Root
from idp.cli.keys import keys_group
from idp.cli.mail import mail_group
from idp.cli.message import message_group
from idp.cli.metrics import metrics
from idp.cli.privacy import privacy_group
from idp.cli.registration_token import registration_token_group
from idp.cli.role import role_group
from idp.cli.serve import dev, serve
from idp.cli.session import session_group
from idp.cli.token import token_group
from idp.cli.user import user_group
from idp.cli.user_import import import_users
from idp.cli.user_profile import update_user, user_picture
from idp.cli.worker import worker

__all__ = ["main"]


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="idp")
def main() -> None:
    """An OpenID Connect and OAuth 2 identity provider. Settings come from the environment (IDP_…)."""


for of_users in (import_users, update_user, user_picture):
    user_group.add_command(of_users)
for command in (
    serve,
    dev,
    worker,
    doctor,
    db_group,
    user_group,
    role_group,
    client_group,
    api_group,
    registration_token_group,
    consent_group,
    session_group,
    keys_group,
    token_group,
    audit_group,
    metrics,
    mail_group,
    message_group,
    privacy_group,
    demo_group,
):
    main.add_command(command)
