"""The start page: who you are, which apps you can go to, and where integrators find the discovery document."""

from dataclasses import dataclass

from flask import Response, url_for

from idp.identity.clients.client import Client
from idp.identity.clients.uris import with_query
from idp.web.browser_session import current_session
from idp.web.pages import ClientView, client_view, render_page, user_view
from idp.web.provider import current_provider

_MOST = 100


@dataclass(frozen=True, slots=True)
class Application:
    """An app that begins a sign-in of its own when it is called by this address."""

    view: ClientView
    url: str


def home() -> Response:
    """GET /"""
    provider = current_provider()
    session = current_session()
    user = provider.users.get(session.user_id) if session else None
    return render_page(
        "web/home.html",
        user=user_view(user) if user else None,
        applications=_applications(user.id) if user else [],
        issuer=provider.settings.issuer,
        sign_in_url=url_for("signin.start"),
        account_url=url_for("account.overview"),
        sign_out_url=url_for("oauth.end_session"),
        discovery_url=provider.settings.url("/.well-known/openid-configuration"),
    )


def _applications(user_id: str) -> list[Application]:
    """The operator's own apps and those that the person uses, if they can be started from here.

    OpenID Connect Core §4: we are the third party that initiates the login. `iss` tells the app where to send the
    person back to; nothing is said of who they are before they get there.
    """
    provider = current_provider()
    used = (provider.clients.get(consent.client_id) for consent in provider.consents.list(user_id)[:_MOST])
    found = {client.client_id: client for client in (*provider.clients.first_party(_MOST), *used) if client}
    applications = [app for client in found.values() if (app := _application(client)) is not None]
    return sorted(applications, key=lambda app: app.view.name.casefold())


def _application(client: Client) -> Application | None:
    uri, view = client.metadata.initiate_login_uri, client_view(client)
    if uri is None or view is None or not client.is_enabled:
        return None
    return Application(view, with_query(uri, {"iss": current_provider().settings.issuer}))
