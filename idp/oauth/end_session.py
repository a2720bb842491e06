"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0).

Without proof that the request comes from a client the person uses (an `id_token_hint` of this session), the person
is asked first, so that no page on the web can sign anybody out (LO1). Nothing redirects but to a registered URI of
a client that the request proves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from flask import Response, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.exceptions import RequestEntityTooLarge

from idp.identity.clients.client import Client
from idp.identity.clients.redirect_uris import shown_place
from idp.identity.clients.uris import with_query
from idp.oauth import front_channel_logout
from idp.web.browser_session import current_session, forget_session
from idp.web.cookies import SESSION, read_cookie
from idp.web.csrf import FIELD, check_csrf
from idp.web.errors import error_page
from idp.web.pages import allow_frames, render_page, user_view
from idp.web.provider import current_provider

_MAX_BYTES = 16 * 1024
_MAX_PARAMETERS = 50
_PARAMETERS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales")


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """A logout request after its checks (§2)."""

    client: Client | None
    redirect_uri: str | None
    """Registered for the client and safe to use, or None."""
    state: str | None
    hinted_session: str | None
    hinted_user: str | None
    problem: str | None = None
    """Why the request cannot be honoured as sent; shown to the person, who may still sign out."""


def end_session() -> ResponseReturnValue:
    """GET and POST /oauth2/logout: end the browser's session (§2: both MUST be supported)."""
    params = _parameters()
    g.ui_locales = tuple(params.get("ui_locales", "").split())
    confirming = request.method == "POST" and FIELD in request.form
    if confirming:
        check_csrf()
    logout = _check(params)
    if logout.problem is not None:
        return error_page(
            status=400,
            title=_("This sign-out link does not work"),
            message=logout.problem,
            what_to_do=_("You can still sign out here."),
            actions=((_("Sign out"), url_for("oauth.end_session")),),
            client=logout.client,
        )
    if request.method == "POST" and not confirming and not _has_session_cookie():
        # A POST from another site brings no SameSite=Lax cookies: ask again by GET, which does.
        return redirect(with_query(url_for("oauth.end_session"), params), 303)
    session = current_session()
    if session is None:
        return _signed_out(logout, is_proven=False)
    is_proven = logout.hinted_session == session.id or (
        logout.hinted_user == session.user_id and logout.client is not None
    )
    if not is_proven and not confirming:
        return _confirm(logout, params)
    addresses = front_channel_logout.frames(session.id)
    current_provider().sessions.end(session.id, "logout")
    response = _signed_out(logout, addresses, is_proven=is_proven)
    forget_session(response)
    return response


def _parameters() -> dict[str, str]:
    """The parameters from the query or the form body; the first of each."""
    raw = request.query_string if request.method == "GET" else request.get_data(cache=True)
    if len(raw) > _MAX_BYTES or raw.count(b"&") >= _MAX_PARAMETERS:
        raise RequestEntityTooLarge
    pairs = parse_qsl(raw.decode("utf-8", "replace"))
    params: dict[str, str] = {}
    for name, value in pairs:
        if name in _PARAMETERS:
            params.setdefault(name, value)
    return params


def _check(params: dict[str, str]) -> LogoutRequest:
    provider = current_provider()
    hint = params.get("id_token_hint")
    claims = provider.tokens.id.read_hint(hint) if hint else None
    audience = claims.get("aud") if claims else None
    client_id = params.get("client_id")
    if claims is not None:
        hinted = [audience] if isinstance(audience, str) else list(audience or ())
        if client_id is not None and client_id not in hinted:
            # §2: the client_id has to be the one the hint was issued to.
            return _refused(_("The app that asked is not the one you signed in to."))
        client_id = client_id or hinted[0]
    client = provider.clients.get(client_id) if client_id else None
    if client is not None and not client.is_enabled:
        client = None
    target = params.get("post_logout_redirect_uri")
    if target is not None and client is not None and not client.matches_post_logout_redirect_uri(target):
        # §3: exact match, or no redirection.
        return _refused(_("The address to return to is not registered for the app."), client)
    # §4: no redirection after an error, so a hint that is none does more harm than no hint.
    is_sound = client is not None and (hint is None or claims is not None)
    return LogoutRequest(
        client=client,
        redirect_uri=target if is_sound else None,
        state=params.get("state"),
        hinted_session=str(claims["sid"]) if claims and "sid" in claims else None,
        hinted_user=provider.subjects.user_of(str(claims["sub"]), client.sector) if claims and client else None,
    )


def _refused(problem: str, client: Client | None = None) -> LogoutRequest:
    return LogoutRequest(client, None, None, None, None, problem)


def _has_session_cookie() -> bool:
    return read_cookie(current_provider().settings, SESSION) is not None


def _confirm(logout: LogoutRequest, params: dict[str, str]) -> ResponseReturnValue:
    session = current_session()
    user = current_provider().users.get(session.user_id) if session else None
    return render_page(
        "oauth/end_session.html",
        client=logout.client,
        user=user_view(user) if user else None,
        action=url_for("oauth.end_session"),
        fields=params,
        stay_url=url_for("web.home"),
    )


def _signed_out(logout: LogoutRequest, addresses: Sequence[str] = (), *, is_proven: bool) -> Response:
    """Back to the client if it asked for that and proved itself, else a page (§3).

    With front-channel logouts to do a page comes in between, which loads them and then goes on by itself. To a client
    that nobody vouches for nobody is led without being asked, unless it has signed this very person in.
    """
    target = logout.redirect_uri
    if target is not None and logout.state is not None:
        # `state` is returned if, and only if, it was sent.
        target = with_query(target, {"state": logout.state})
    is_vouched_for = is_proven or logout.client is None or not logout.client.is_self_registered
    if target is not None and not addresses and is_vouched_for:
        response = Response(status=303)
        response.autocorrect_location_header = False
        response.headers["Location"] = target
        return response
    allow_frames(front_channel_logout.frame_sources(addresses))
    return render_page(
        "oauth/logged_out.html",
        client=logout.client,
        return_url=target,
        frames=addresses,
        warned_of=shown_place(target) if target is not None and not is_vouched_for else None,
    )
