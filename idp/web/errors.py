"""Every failure has an answer fit for its reader: JSON for programs, a page for people, a traceback for neither."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from flask import Flask, Response, g, jsonify, request, url_for
from flask_babel import format_datetime
from flask_babel import gettext as _
from werkzeug.exceptions import HTTPException

from idp.core.clock import now
from idp.core.errors import TooMany, Unavailable
from idp.core.events import Event
from idp.web import texts
from idp.web.csrf import CsrfError
from idp.web.pages import render_page
from idp.web.provider import current_provider

log = structlog.get_logger("idp.errors")

_RETRY_AFTER_SECONDS = 5


_DESCRIPTIONS = {
    404: "There is no such endpoint.",
    405: "The endpoint does not take this method.",
    413: "The request is larger than this server takes.",
}


def error_page(
    *,
    status: int,
    title: str,
    message: str,
    what_to_do: str | None = None,
    actions: tuple[tuple[str, str], ...] = (),
    details: dict[str, Any] | None = None,
    client: Any = None,
) -> Response:
    """A page that says what happened, what to do, and how to name the occurrence to support.

    `details` are for developers: pass them in development only.
    """
    return render_page(
        "web/error.html",
        status=status,
        client=client,
        title=title,
        message=message,
        what_to_do=what_to_do,
        actions=actions,
        details=details,
        time=f"{format_datetime(now(), 'medium')} UTC",
        request_id=g.get("request_id"),
    )


def install_errors(app: Flask, is_for_programs: Callable[[str], bool]) -> None:
    """Register the handlers. `is_for_programs` says of a path whether programs call it, or mistyped one they call."""

    def wants_json() -> bool:
        return is_for_programs(request.path) or request.accept_mimetypes.best == "application/json"

    @app.errorhandler(CsrfError)
    def _csrf(_error: CsrfError) -> Response:
        return error_page(
            status=400,
            title=_("This form has gone stale"),
            message=_("The form was opened before your browser's cookies changed, or it came from another site."),
            what_to_do=_("Go back, reload the page and send the form again. Nothing was changed."),
        )

    @app.errorhandler(Unavailable)
    def _unavailable(error: Unavailable) -> Response:
        log.error("dependency unavailable", reason=str(error), cause=repr(error.__cause__), path=request.path)
        if wants_json():
            response = jsonify(error="temporarily_unavailable", error_description="The server cannot answer right now.")
            response.status_code = 503
        else:
            response = error_page(
                status=503,
                title=_("Back in a moment"),
                message=_("The server cannot answer right now. Nothing you did was lost."),
                what_to_do=_("Wait a few seconds and try again."),
            )
        response.headers["Retry-After"] = str(_RETRY_AFTER_SECONDS)
        return response

    @app.errorhandler(TooMany)
    def _too_many(error: TooMany) -> Response:
        if error.is_first:
            with suppress(Unavailable):
                current_provider().audit.record(
                    Event.SIGN_IN_THROTTLED, reason="unfinished", retry_after=error.retry_after
                )
        response = error_page(
            status=429,
            title=_("Too many sign-ins have been started"),
            message=_("Many sign-ins were started from this browser or its network, and not finished."),
            what_to_do=texts.too_many_unfinished(error.retry_after),
        )
        response.headers["Retry-After"] = str(error.retry_after)
        return response

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        if wants_json():
            code = "server_error" if status >= 500 else "not_found" if status == 404 else "invalid_request"
            response = jsonify(error=code, error_description=_DESCRIPTIONS.get(status, f"{status} {error.name}"))
            response.status_code = status
        else:
            title, message = _sentences(status)
            response = error_page(
                status=status, title=title, message=message, actions=((_("Start page"), url_for("web.home")),)
            )
        for name, value in error.get_headers():
            if name not in ("Content-Type", "Content-Length"):
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def _bug(error: Exception) -> Response:
        # The traceback goes to the log, under the id that the person is shown.
        log.error("unhandled exception", request_id=g.get("request_id"), path=request.path, exc_info=error)
        if wants_json():
            response = jsonify(error="server_error", error_description="Unexpected condition; see the server's log.")
            response.status_code = 500
            return response
        return error_page(
            status=500,
            title=_("Something broke on our side"),
            message=_("The server ran into a condition it did not expect."),
            what_to_do=_("Try again. If it happens again, tell support the number below."),
        )


def _sentences(status: int) -> tuple[str, str]:
    return {
        404: (_("There is nothing here"), _("The address may be mistyped, or the page has moved.")),
        405: (_("This address works differently"), _("It does not take this kind of request.")),
        413: (_("That is too much"), _("The request is larger than this server takes.")),
    }.get(status, (_("That request did not work"), _("The server could not make sense of the request.")))
