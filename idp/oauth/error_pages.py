"""What a person reads when an authorization request cannot be answered by a redirect."""

from typing import Any

from flask import Response, url_for
from flask_babel import gettext as _

from idp.oauth.checks.draft import PageError
from idp.web.errors import error_page
from idp.web.pages import client_view
from idp.web.provider import current_provider


def refused_page(error: PageError) -> Response:
    """The application's request is broken: only its developers can mend it (RFC 6749 §4.1.2.1)."""
    view = client_view(error.client)
    name = view.name if view else None
    settings = current_provider().settings
    messages = {
        "client_missing": _("The app did not say who it is (client_id is missing)."),
        "client_repeated": _("The app named itself more than once."),
        "client_unknown": _("The app that sent you here is not registered with this server."),
        "client_disabled": _("Signing in to this app has been switched off."),
        "redirect_uri_missing": _("The app did not say where to return to (redirect_uri is missing)."),
        "redirect_uri_repeated": _("The app named more than one place to return to."),
        "redirect_uri_unknown": _("The app asked to return to an address that is not registered for it."),
        "not_text": _("The app sent a request that is not text in UTF-8."),
        "form_expected": _("The app sent its request in a form that this server does not read."),
    }
    return error_page(
        status=400,
        title=_("%(name)s cannot sign you in", name=name) if name else _("This sign-in link does not work"),
        message=messages[error.reason],
        what_to_do=_(
            "Go back to the app and try again. If it happens again, tell the people who run the app; they can find "
            "the cause with the number below."
        ),
        actions=((_("Back to %(name)s", name=view.name), view.home_uri),) if view and view.home_uri else (),
        details=_details(error) if not settings.is_production else None,
        client=error.client,
    )


def expired_page() -> Response:
    """An Interaction that is over, or belongs to another browser."""
    return error_page(
        status=400,
        title=_("This sign-in is over"),
        message=_("It was finished already, took too long, or was started in another browser."),
        what_to_do=_("Go back to the app and sign in from there."),
        actions=((_("Start page"), url_for("web.home")),),
    )


def _details(error: PageError) -> dict[str, Any]:
    return {"reason": error.reason, "detail": error.detail}
