"""Options that making and changing a client share, and the members of its metadata that options set."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

MEMBERS: Final = {
    "name": "client_name",
    "logout_uris": "post_logout_redirect_uris",
    "auth_method": "token_endpoint_auth_method",
    "id_token_alg": "id_token_signed_response_alg",
    "userinfo_alg": "userinfo_signed_response_alg",
    "home_page": "client_uri",
    "privacy_policy": "policy_uri",
    "terms_of_service": "tos_uri",
}
"""Options whose name is not that of the member they set."""

_SHARED: Final = (
    click.option("--home-page", help="Where 'Back to …' leads."),
    click.option("--privacy-policy", help="Linked from the consent page."),
    click.option("--terms-of-service", help="Linked from the consent page."),
    click.option("--logo-uri", help="Its logo; kept, and not shown to users."),
    click.option("--initiate-login-uri", help="Where a sign-in can be started from outside; kept, and not used."),
    click.option("--backchannel-logout-uri", help="Where logout tokens are posted to when a session ends."),
    click.option(
        "--backchannel-logout-session-required/--no-backchannel-logout-session-required",
        default=None,
        help="Kept; logout tokens always say which session (sid).",
    ),
    click.option("--frontchannel-logout-uri", help="Loaded in a frame of the page that signs a user out."),
    click.option(
        "--frontchannel-logout-session-required/--no-frontchannel-logout-session-required",
        default=None,
        help="Whether iss and sid are added to that address.",
    ),
)


def shared_options(command: Command) -> Command:
    """Add the options to a command, which takes them as keywords."""
    for option in reversed(_SHARED):
        command = option(command)
    return command


def members_of(options: dict[str, Any]) -> dict[str, Any]:
    """The members that the given ones of these options set; those that were left out are missing."""
    return {MEMBERS.get(name, name): value for name, value in options.items() if value not in (None, ())}
