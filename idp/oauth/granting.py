"""What a person allowed becomes the answer: a code, and in the implicit and hybrid flows tokens beside it."""

from flask import Response

from idp.core.events import Event
from idp.core.randomness import new_id
from idp.engine.tokens import Authorization, IssuedAccessToken
from idp.identity.clients.client import Client
from idp.identity.sessions.rows import Session
from idp.oauth import response
from idp.oauth.authorization_request import AuthorizationRequest
from idp.oauth.errors import ConsentRequired, LoginRequired
from idp.oauth.participation import consent_holds, joins_session
from idp.oauth.registered_errors import registered_errors
from idp.oauth.session_management import session_state
from idp.oauth.token_body import token_body
from idp.signin.facts import Gathered
from idp.storage.db import transaction
from idp.web.provider import current_provider


def grant(request: AuthorizationRequest, gathered: Gathered, client: Client, session: Session) -> Response:
    """The successful answer (RFC 6749 §4.1.2, OpenID Connect Core §3.2.2.5, §3.3.2.5).

    Raises OAuthError if what was true a moment ago is not any more.
    """
    scopes = _consented_scopes(request, gathered)
    if not scopes:
        raise ConsentRequired("the person has not allowed any of the scopes")
    authorization = Authorization(
        client_id=request.client_id,
        user_id=session.user_id,
        subject=current_provider().subjects.of(session.user_id, client.sector),
        session_id=session.id,
        scopes=scopes,
        resources=request.resources,
        auth_time=session.auth_time,
        acr=session.acr,
        amr=session.amr,
        claims_request=request.claims,
    )
    if "id_token" in request.returns:
        with registered_errors():
            current_provider().tokens.encryption.ensure_possible(client)
    if "id_token" in request.returns and "token" not in request.returns:
        # An access token lets the client take part by itself, and a code as soon as it is redeemed.
        with transaction():
            _join(authorization, client)
    members: dict[str, str] = {}
    code = _code(request, authorization) if "code" in request.returns else None
    access_token = _access_token(authorization, client) if "token" in request.returns else None
    if code is not None:
        members["code"] = code
    if access_token is not None:
        members |= {name: str(value) for name, value in token_body(access_token).items()}
    if "id_token" in request.returns:
        members["id_token"] = _id_token(request, authorization, client, access_token, code)
    current_provider().audit.record(
        Event.AUTHORIZATION_GRANTED,
        actor=f"user:{session.user_id}",
        user_id=session.user_id,
        client_id=request.client_id,
        session_id=session.id,
        scopes=list(scopes),
        response_type=request.response_type,
    )
    current_provider().registration.note_use(client)
    if authorization.is_openid:
        state = session_state(request.client_id, request.redirect_uri)
        if state is not None:
            members["session_state"] = state
    return response.success(request.destination, members)


def _code(request: AuthorizationRequest, authorization: Authorization) -> str:
    return current_provider().tokens.codes.issue(
        authorization,
        redirect_uri=request.redirect_uri,
        redirect_uri_was_sent=request.redirect_uri_was_sent,
        code_challenge=request.code_challenge,
        nonce=request.nonce,
    )


def _access_token(authorization: Authorization, client: Client) -> IssuedAccessToken:
    """An access token of a family of its own, without a refresh token (RFC 6749 §4.2.2)."""
    provider = current_provider()
    # Offline access is for the code, whose refresh token outlives the session; this one ends with it.
    authorization = authorization.narrowed(tuple(scope for scope in authorization.scopes if scope != "offline_access"))
    with registered_errors():
        target = provider.tokens.targets.resolve(authorization.scopes, authorization.resources)
    with transaction():
        _join(authorization, client)
        if not consent_holds(authorization, client):
            raise ConsentRequired("consent has just been withdrawn")
        family = provider.tokens.families.create(new_id(), authorization, code_hash=None, with_refresh_token=False)
        provider.audit.record(
            Event.TOKEN_ISSUED,
            actor=f"client:{client.client_id}",
            user_id=authorization.user_id,
            client_id=client.client_id,
            session_id=authorization.session_id,
            grant_type="implicit",
            family=family.id,
            scopes=list(authorization.scopes),
        )
    roles = provider.roles.of(authorization.user_id)
    return provider.tokens.access.issue_to_user(authorization, target, family_id=family.id, roles=roles)


def _join(authorization: Authorization, client: Client) -> None:
    if not joins_session(authorization, client):
        raise LoginRequired("the session has just ended")


def _id_token(
    request: AuthorizationRequest,
    authorization: Authorization,
    client: Client,
    access_token: IssuedAccessToken | None,
    code: str | None,
) -> str:
    provider = current_provider()
    user = provider.users.get(authorization.user_id)
    if user is None or not user.is_active:
        raise LoginRequired("the user may not sign in any more")
    with registered_errors():
        return provider.tokens.id.issue(
            user,
            authorization,
            client,
            nonce=request.nonce,
            access_token=access_token.value if access_token else None,
            code=code,
            stands_alone=request.returns == {"id_token"},
        )


def _consented_scopes(request: AuthorizationRequest, gathered: Gathered) -> tuple[str, ...]:
    """What was asked for, less what the person declined, just now or when last asked."""
    if gathered.client is not None and not gathered.client.asks_for_consent:
        return request.scopes
    consent = gathered.consent
    return tuple(scope for scope in request.scopes if consent and scope in consent.scopes)
