"""The authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2) and its second half, after the sign-in."""

from urllib.parse import parse_qsl

from flask import Response, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from idp.core.crypto import sha256_hex
from idp.core.events import Event
from idp.core.randomness import new_token
from idp.engine.interaction import Interaction, Step, is_expired, next_step
from idp.identity.sessions.rows import Session
from idp.oauth import pipeline, response
from idp.oauth.authorization_request import AuthorizationRequest
from idp.oauth.checks.draft import Draft, PageError
from idp.oauth.checks.size import MAX_PARAMETERS_BYTES
from idp.oauth.error_pages import expired_page, refused_page
from idp.oauth.errors import (
    BY_CODE,
    AccountSelectionRequired,
    ConsentRequired,
    InteractionRequired,
    LoginRequired,
    OAuthError,
    UnmetAuthenticationRequirements,
)
from idp.oauth.granting import grant
from idp.services.limits.pending import visitor_at
from idp.signin.facts import Gathered, gather
from idp.web.browser_session import current_session, current_visitor
from idp.web.cookies import browser_id, known_browser_id
from idp.web.hooks import request_address
from idp.web.provider import current_provider

_MAX_PARAMETERS = 200
_POSTED_LIFETIME = 600

#: What each step that would need the person means to a client that asked for silence.
_SILENT = {
    Step.LOGIN: LoginRequired,
    Step.SELECT_ACCOUNT: AccountSelectionRequired,
    Step.CONSENT: ConsentRequired,
    Step.TOTP: InteractionRequired,
    Step.ACCEPT_TERMS: InteractionRequired,
    Step.UNMET: UnmetAuthenticationRequirements,
}


def authorize() -> ResponseReturnValue:
    """GET /oauth2/authorize: begin a sign-in, or answer at once with prompt=none."""
    if request.method == "HEAD":
        return Response()  # asks whether the endpoint is there, and begins nothing
    query = request.query_string
    if len(query) > MAX_PARAMETERS_BYTES:
        raise RequestEntityTooLarge
    posted = request.args.get("posted")
    if posted is not None:
        stored = current_provider().store.get(_posted_key(posted))
        if stored is None:
            return expired_page()
        query = stored
    return _answer(query)


def authorize_post() -> ResponseReturnValue:
    """POST /oauth2/authorize: the same with the parameters in a form (OpenID Connect Core §3.1.2.1).

    A POST from the client's site comes without our SameSite=Lax cookies, so nothing is decided here: the
    parameters are put aside and the browser asks again by GET, which brings the cookies.
    """
    body = request.get_data(cache=False)
    if len(body) > MAX_PARAMETERS_BYTES:
        raise RequestEntityTooLarge
    if request.mimetype != "application/x-www-form-urlencoded":
        return refused_page(PageError("form_expected", detail=f"content type {request.mimetype[:100]!r}"))
    posted = new_token(160)
    # Without cookies everybody is a stranger, also who is signed in.
    current_provider().pending.begin("posted", visitor_at(request_address()))
    current_provider().store.put(_posted_key(posted), body, _POSTED_LIFETIME)
    return redirect(url_for("oauth.authorize", posted=posted), 303)


def _answer(query: bytes) -> ResponseReturnValue:
    provider = current_provider()
    try:
        pairs = parse_qsl(query.decode(), keep_blank_values=True, max_num_fields=_MAX_PARAMETERS, errors="strict")
    except UnicodeDecodeError:
        # `state` comes back as it was sent (RFC 6749 §4.1.2), which such bytes cannot.
        return refused_page(PageError("not_text", detail="the parameters are not UTF-8"))
    except ValueError:
        raise RequestEntityTooLarge from None
    draft = Draft.of(provider, [pair for pair in pairs if pair[0] != "posted"])
    g.ui_locales = tuple(draft.params.get("ui_locales", "").split())
    try:
        authorization_request = pipeline.run(draft)
    except PageError as error:
        _audit_refusal(draft, error.reason, error.detail)
        return refused_page(error)
    except OAuthError as error:
        _audit_refusal(draft, error.error, error.detail)
        if draft.client.is_self_registered and "none" not in draft.prompts_sent and current_session() is None:
            return response.held_back(draft.destination, error, draft.client)
        return response.failure(draft.destination, error)
    requirements = authorization_request.requirements()
    gathered = gather(requirements)
    step = next_step(requirements, gathered.progress, gathered.facts)
    if step is Step.DONE and gathered.session is not None:
        # Nobody has to be asked anything: the hub would only send the browser on to `resume`.
        return _grant(authorization_request, gathered, gathered.session)
    if "none" in authorization_request.prompts:
        return _refuse_silently(authorization_request, step)
    interaction = provider.interactions.begin(
        browser_id=browser_id(provider.settings),
        visitor=current_visitor(),
        requirements=requirements,
        resume_path=url_for("oauth.resume", interaction="{id}").replace("%7Bid%7D", "{id}"),
        restart_path=url_for("oauth.authorize") + "?" + draft.query,
        request=authorization_request.as_record(),
    )
    return redirect(url_for("signin.hub", interaction_id=interaction.id), 303)


def _refuse_silently(authorization_request: AuthorizationRequest, step: Step) -> Response:
    """`prompt=none`: the same policy as the hub's, with every page turned into an error (§3.1.2.6)."""
    error = _SILENT.get(step, InteractionRequired)("the request cannot be answered without the person")
    _record(Event.AUTHORIZATION_REFUSED, authorization_request, reason=error.error)
    return response.failure(authorization_request.destination, error)


def resume() -> ResponseReturnValue:
    """GET /oauth2/authorize/resume: the sign-in is over; answer the request that began it.

    Believes nothing that the URL says: the policy is asked again, so skipping a page leads back to it (LG7).
    """
    provider = current_provider()
    interaction = provider.interactions.load(request.args.get("interaction", ""), known_browser_id(provider.settings))
    if interaction is None or interaction.progress.completed:
        return expired_page()
    authorization_request = AuthorizationRequest.from_record(interaction.request)
    try:
        _recheck_client(authorization_request)
    except PageError as error:
        return refused_page(error)
    gathered = gather(interaction.requirements, interaction.progress)
    step = next_step(interaction.requirements, interaction.progress, gathered.facts)
    failed = step in (Step.FAILED, Step.UNMET)
    session = gathered.session
    if not failed and (step is not Step.DONE or session is None or is_expired(interaction)):
        return redirect(url_for("signin.hub", interaction_id=interaction.id), 303)
    if not provider.interactions.complete(interaction):
        return expired_page()
    if failed or session is None:
        return _fail(authorization_request, _failure(interaction))
    return _grant(authorization_request, gathered, session)


def _recheck_client(authorization_request: AuthorizationRequest) -> None:
    """Raises PageError if the client was switched off or moved while the person signed in (TK4)."""
    client = current_provider().clients.get(authorization_request.client_id)
    if client is None:
        raise PageError("client_unknown", detail="the client was deleted meanwhile")
    if not client.is_enabled:
        raise PageError("client_disabled", detail="the client was disabled meanwhile", client=client)
    uri = authorization_request.redirect_uri
    if not client.matches_redirect_uri(uri):
        raise PageError("redirect_uri_unknown", detail=f"{uri[:500]!r} is not registered any more", client=client)


def _grant(authorization_request: AuthorizationRequest, gathered: Gathered, session: Session) -> Response:
    client = gathered.client
    if client is None:
        raise RuntimeError("the client check has to come first")
    try:
        return grant(authorization_request, gathered, client, session)
    except OAuthError as error:
        return _fail(authorization_request, error)


def _fail(authorization_request: AuthorizationRequest, error: OAuthError) -> Response:
    event = Event.AUTHORIZATION_DENIED if error.error == "access_denied" else Event.AUTHORIZATION_REFUSED
    _record(event, authorization_request, reason=error.error)
    return response.failure(authorization_request.destination, error)


def _failure(interaction: Interaction) -> OAuthError:
    failure = interaction.progress.failure
    if failure is None:
        return UnmetAuthenticationRequirements("the requested authentication level cannot be reached")
    return BY_CODE[failure.error](failure.description)


def _posted_key(posted: str) -> str:
    return "authorize:" + sha256_hex(posted)


def _record(event: Event, authorization_request: AuthorizationRequest, **details: str) -> None:
    session = current_session()
    current_provider().audit.record(
        event,
        user_id=session.user_id if session else None,
        client_id=authorization_request.client_id,
        session_id=session.id if session else None,
        **details,
    )


def _audit_refusal(draft: Draft, reason: str, detail: str) -> None:
    current_provider().audit.record(
        Event.AUTHORIZATION_REFUSED,
        client_id=draft.client.client_id if draft.has_client else None,
        reason=reason,
        detail=detail,
    )
