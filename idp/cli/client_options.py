"""Options that making and changing a client share, and the members of its metadata that options set."""

import json
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from idp.core.errors import Invalid

Command = TypeVar("Command", bound=Callable[..., Any])

MEMBERS: Final = {
    "name": "client_name",
    "logout_uris": "post_logout_redirect_uris",
    "auth_method": "token_endpoint_auth_method",
    "id_token_alg": "id_token_signed_response_alg",
    "userinfo_alg": "userinfo_signed_response_alg",
    "home_page": "client_uri",
    "logo": "logo_uri",
    "privacy_policy": "policy_uri",
    "terms_of_service": "tos_uri",
}
"""Options whose name is not that of the member they set."""

_SHARED: Final = (
    click.option(
        "--metadata", type=click.File(), help="JSON file with further members of its metadata; options win over it."
    ),
    click.option("--home-page", help="Where 'Back to …' leads."),
    click.option("--privacy-policy", help="Linked from the sign-in and consent pages."),
    click.option("--terms-of-service", help="Linked from the sign-in and consent pages."),
    click.option("--logo", help="Address of its logo; it is fetched now, and pages show the copy."),
    click.option("--initiate-login-uri", help="Where it starts a sign-in; offered on the start page."),
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
    """The members that the given ones of these options set; those that were left out are missing. Raises Invalid."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    members = _object(given.pop("metadata", None), "metadata", "JSON object of client metadata")
    for name, value in given.items():
        member = MEMBERS.get(name, name)
        if member == "scope":
            value = " ".join(value)
        elif member == "jwks":
            value = _object(value, "jwks", "JWK Set")
        members[member] = list(value) if isinstance(value, tuple) else value
    return members


def _object(file: Any, option: str, kind: str) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        value = json.load(file)
    except ValueError:
        raise Invalid(f"the file given with --{option} is not JSON", option) from None
    if not isinstance(value, dict):
        raise Invalid(f"the file given with --{option} is no {kind}", option)
    return value
