"""`idp session`: who is signed in, and ending it."""

from collections.abc import Iterable

import click

from idp.cli.application import running_provider
from idp.cli.output import json_option, print_json, print_table
from idp.cli.user import find_user
from idp.core.errors import NotFound
from idp.web.provider import Provider


@click.group("session")
def session_group() -> None:
    """See and end sign-in sessions."""


@session_group.command("list")
@click.option("--user", "user_ref", help="Only this user's (id or e-mail address).")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
@json_option
def list_sessions(user_ref: str | None, limit: int, as_json: bool) -> None:
    """List live sessions, the latest used first."""
    with running_provider() as provider:
        if user_ref:
            sessions = list(provider.sessions.list(find_user(provider, user_ref).id))[:limit]
        else:
            sessions = list(provider.sessions.latest(limit))
        people = {} if as_json else _names(provider, {session.user_id for session in sessions})
    if as_json:
        print_json(sessions)
    else:
        print_table(
            ("ID", "USER", "SIGNED IN", "LAST SEEN", "AMR", "ADDRESS"),
            [(s.id, people[s.user_id], s.auth_time, s.last_seen_at, s.amr, s.ip_address) for s in sessions],
        )


@session_group.command("revoke", short_help="End one session, or all of a user, and their tokens.")
@click.argument("session_id", required=False)
@click.option("--user", "user_ref", help="All sessions of this user (id or e-mail address).")
@click.option("--offline", is_flag=True, help="With --user: end tokens with offline access as well.")
def revoke(session_id: str | None, user_ref: str | None, offline: bool) -> None:
    """End one session, or all of a user, and the tokens that rest on them."""
    if (session_id is None) == (user_ref is None):
        raise click.UsageError("Name either a session id or --user.")
    with running_provider() as provider:
        if user_ref is not None:
            user = find_user(provider, user_ref)
            ended = provider.sessions.end_all(user.id, "revoked", revoke_offline=offline, actor="operator")
        else:
            ended = int(provider.sessions.end(session_id or "", "revoked", actor="operator"))
            if not ended:
                raise NotFound(f"there is no live session '{session_id}'")
    click.echo(f"{ended} session(s) ended.")


def _names(provider: Provider, user_ids: Iterable[str]) -> dict[str, str]:
    """What a person is known by, which is the address where there is one."""
    users = {user_id: provider.users.get(user_id) for user_id in user_ids}
    return {user_id: (user.email if user else None) or user_id for user_id, user in users.items()}
