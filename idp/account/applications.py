"""Applications: who may use the account and for what, and ending that."""

from dataclasses import dataclass

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue

from idp.account.guard import Account, account_page
from idp.account.moments import Moment, day, moment, zone_name
from idp.account.notices import APPLICATION_REMOVED, redirect_with
from idp.account.pages import render_account
from idp.engine.applications import Application
from idp.identity.clients.resource_servers import ResourceServer
from idp.web import texts
from idp.web.pages import ClientView, client_view
from idp.web.provider import current_provider
from idp.web.scope_groups import ScopeGroup, scope_groups


@dataclass(frozen=True, slots=True)
class ApplicationView:
    """What the pages show of an application."""

    client: ClientView | None
    groups: list[ScopeGroup]
    claims: list[str]
    since: Moment
    last_used: Moment | None
    is_offline: bool
    was_allowed: bool
    remove_url: str


@account_page()
def applications(account: Account) -> ResponseReturnValue:
    """GET /account/applications: every app that may use the account."""
    found = current_provider().applications.list(account.user.id)
    return render_account(
        account,
        "account/applications.html",
        section="account.applications",
        applications=[_view(account, application) for application in found],
        zone=zone_name(account.user),
    )


@account_page()
def remove_application(account: Account, client_id: str) -> ResponseReturnValue:
    """GET and POST /account/applications/<client_id>/remove: withdraw what an app may do, after asking once."""
    provider = current_provider()
    if request.method == "POST":
        # Pressed twice, or ended elsewhere meanwhile: it is as the person wants it.
        provider.applications.disconnect(account.user.id, client_id)
        return redirect_with(APPLICATION_REMOVED, url_for("account.applications"))
    application = provider.applications.get(account.user.id, client_id)
    if application is None:
        abort(404)
    return render_account(
        account,
        "account/remove_application.html",
        section="account.applications",
        application=_view(account, application),
        action=url_for("account.remove_application", client_id=client_id),
        cancel_url=url_for("account.applications"),
    )


def _view(account: Account, application: Application) -> ApplicationView:
    client_id = application.client.client_id
    return ApplicationView(
        client=client_view(application.client),
        groups=scope_groups(sorted(application.scopes), _servers(application)),
        claims=[texts.claim_label(claim) for claim in sorted(application.claims)],
        since=day(account.user, application.since),
        last_used=moment(account.user, application.last_used) if application.last_used else None,
        is_offline=application.is_offline,
        was_allowed=application.was_allowed,
        remove_url=url_for("account.remove_application", client_id=client_id),
    )


def _servers(application: Application) -> list[ResourceServer]:
    """The APIs that were named, and for each scope that none of them has, those that have it.

    What was allowed piece by piece may belong to more APIs than one request could have asked for.
    """
    servers = current_provider().resource_servers
    named = [server for name in sorted(application.resources) if (server := servers.get(name)) is not None]
    covered = {scope for server in named for scope in server.scopes}
    owners = [owner for scope in sorted(application.scopes - covered) for owner in servers.owning(scope)]
    return list({server.audience: server for server in (*named, *owners)}.values())
