"""What happens around every request: its id, its address, its host, its place in the log."""

import re
import time
from typing import Any
from urllib.parse import urlsplit

import structlog
from flask import Flask, Request, Response, g, request
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.exceptions import BadRequest

from idp.core.randomness import new_id
from idp.core.settings import LOOPBACK_HOSTS, Settings
from idp.services.audit import RequestContext, request_context
from idp.web.client_address import client_address
from idp.web.cookies import set_browser_cookie

log = structlog.get_logger("idp.access")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_ANY_HOST = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked for by what knows the process and not its name."""


class NoSession(SessionInterface):
    """Flask's own session is not used; opening it would cost a fifth of a token request."""

    def open_session(self, app: Flask, request: Request) -> SessionMixin | None:
        """There is none."""
        return None

    def is_null_session(self, obj: object) -> bool:
        """Nothing to save."""
        return True

    def save_session(self, app: Flask, session: Any, response: Response) -> None:
        """Nothing to save."""


def request_address() -> str | None:
    """The address of whoever is asking, as the hooks established it."""
    context = request_context.get()
    return context.ip_address if context else None


def install_hooks(app: Flask, settings: Settings) -> None:
    """Install the hooks. The host check comes first: an unknown Host never reaches a view (RS1)."""
    app.session_interface = NoSession()
    issuer_host = urlsplit(settings.issuer).netloc.lower()
    is_debugging = settings.log_level == "debug"
    known_hosts = {issuer_host, *(host.lower() for host in settings.allowed_hosts)}

    def is_ours(host: str) -> bool:
        if host in known_hosts:
            return True
        return settings.issuer_is_loopback and urlsplit(f"//{host}").hostname in LOOPBACK_HOSTS

    @app.before_request
    def _begin() -> Response | None:
        g.started = time.perf_counter()
        sent = request.headers.get("X-Request-Id", "")
        g.request_id = sent if _REQUEST_ID.fullmatch(sent) else new_id()
        address = client_address(
            request.remote_addr, request.headers.getlist("X-Forwarded-For"), settings.trusted_proxies
        )
        request_context.set(
            RequestContext(
                ip_address=address,
                user_agent=request.headers.get("User-Agent", "")[:400] or None,
                request_id=g.request_id[:36],
            )
        )
        # A host so malformed that no route and no link can be made for it.
        is_malformed = isinstance(request.routing_exception, BadRequest)
        if is_malformed or not (request.path in _ANY_HOST or is_ours(request.host.lower())):
            # In plain text: a page would have links, and links have hosts.
            return _refused(f"This server answers for {settings.issuer} alone.")
        if not _is_text(request.query_string):
            return _refused("The query of this address is not text in UTF-8.")
        return None

    @app.teardown_request
    def _forget(_error: BaseException | None) -> None:
        # The thread goes on to other work, which is not done on behalf of this request.
        request_context.set(None)

    @app.after_request
    def _end(response: Response) -> Response:
        set_browser_cookie(response, settings)
        response.headers.add("X-Request-Id", g.get("request_id", ""))
        if response.status_code == 308:
            _stay_on_this_origin(response)
        if is_debugging:
            _log_request(response)
        return response


def _log_request(response: Response) -> None:
    log.debug(
        "request",
        method=request.method,
        path=request.path,  # never the query: it carries codes, states and hints
        status=response.status_code,
        milliseconds=round((time.perf_counter() - g.get("started", time.perf_counter())) * 1000, 1),
        request_id=g.get("request_id"),
    )


def _stay_on_this_origin(response: Response) -> None:
    """Werkzeug mends slashes by a URL with the scheme of the last hop: behind a proxy that is plain http (RS1)."""
    target = urlsplit(response.headers["Location"])
    path = "/" + target.path.lstrip("/")
    response.headers["Location"] = f"{path}?{target.query}" if target.query else path


def _refused(sentence: str) -> Response:
    return Response(sentence + "\n", 400, mimetype="text/plain")


def _is_text(raw: bytes) -> bool:
    """Flask decodes the query strictly, and would fail in the middle of a view."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
