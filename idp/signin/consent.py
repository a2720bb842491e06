"""The consent page: who asks, for what, and where the answer goes."""

from typing import Any
from urllib.parse import urlsplit

from flask import request, url_for
from flask.typing import ResponseReturnValue

from idp.core.events import Event
from idp.core.settings import LOOPBACK_HOSTS
from idp.engine.interaction import Step
from idp.identity.clients.redirect_uris import shown_place
from idp.identity.sessions.rows import Session
from idp.signin.dispatcher import Visit, page, visit_any
from idp.storage.db import transaction
from idp.web import texts
from idp.web.csrf import check_csrf
from idp.web.pages import PageError, client_view, render_page, user_view
from idp.web.provider import current_provider
from idp.web.scope_groups import scope_groups

#: Personal details that applications can do without: the person may leave them out.
_OPTIONAL = frozenset({"address", "phone"})


def consent(interaction_id: str) -> ResponseReturnValue:
    """GET and POST /signin/<id>/consent: allow the client what it asks for, or do not."""
    is_denial = request.method == "POST" and request.form.get("decision") == "deny"
    return (_denied if is_denial else _asked)(interaction_id)


@page(Step.CONSENT)
def _asked(visit: Visit) -> ResponseReturnValue:
    session = visit.session
    if session is None:
        return visit.to_hub()
    if request.method == "GET":
        return _page(visit, session)
    if request.form.get("account") != session.user_id:
        # Somebody else signed in, in another tab, after the page was shown: what it asked was not asked of them.
        return _page(visit, session, status=409)
    if request.form.get("decision") == "allow":
        return _allowed(visit, session)
    return _page(visit, session, errors=(PageError(None, texts.CHOOSE_DECISION),), status=422)


def _allowed(visit: Visit, session: Session) -> ResponseReturnValue:
    required = visit.requirements
    ticked = set(request.form.getlist("scope"))
    scopes = tuple(scope for scope in required.scopes if scope in ticked or not _is_optional(scope))
    declined = tuple(scope for scope in required.scopes if scope not in scopes)
    provider, client_id = current_provider(), str(required.client_id)
    view = client_view(visit.client)
    with transaction():
        is_first = provider.consents.get(session.user_id, client_id) is None
        provider.consents.grant(
            session.user_id, client_id, scopes, required.resources, required.claims, declined=declined
        )
        if is_first and view is not None:
            provider.notices.application_authorized(session.user_id, view.name)
    visit.save(consented_user_id=session.user_id)
    return visit.to_hub()


@visit_any
def _denied(visit: Visit) -> ResponseReturnValue:
    """A no is a no: also when the page was left open for too long, or whoever was asked has signed out meanwhile."""
    check_csrf()
    session = visit.session
    asked = session if session is not None and request.form.get("account") == session.user_id else None
    with transaction():
        current_provider().audit.record(
            Event.CONSENT_DENIED,
            actor=f"user:{asked.user_id}" if asked else "anonymous",
            user_id=asked.user_id if asked else None,
            client_id=visit.requirements.client_id,
            session_id=asked.id if asked else None,
        )
    return visit.leave("the person did not allow the request")


def _is_optional(scope: str) -> bool:
    return scope in _OPTIONAL


def _page(
    visit: Visit, session: Session, *, errors: tuple[PageError, ...] = (), status: int = 200
) -> ResponseReturnValue:
    provider = current_provider()
    user = provider.users.get(session.user_id)
    if user is None:
        return visit.to_hub()
    required = visit.requirements
    return render_page(
        "signin/consent.html",
        status=status,
        client=visit.client,
        errors=errors,
        user=user_view(user),
        use_another_url=url_for("signin.another_account", interaction_id=visit.interaction.id),
        groups=_groups(visit),
        claims=[texts.claim_label(claim) for claim in required.claims],
        offline="offline_access" in required.scopes,
        redirect_host=shown_place(required.redirect_uri) if required.redirect_uri else None,
        unverified_localhost=_runs_on_this_device(visit),
        action=url_for("signin.consent", interaction_id=visit.interaction.id),
    )


def _groups(visit: Visit) -> list[dict[str, Any]]:
    """The requested scopes by the API they belong to, the person's own data first; APIs that are only named too."""
    return [
        {
            "title": group.title,
            "audience": group.audience,
            "scopes": [_scope_view(scope, text) for scope, text in group.scopes],
        }
        for group in scope_groups(visit.requirements.scopes, _servers(visit))
    ]


def _scope_view(scope: str, description: str) -> dict[str, Any]:
    return {"value": scope, "description": description, "optional": _is_optional(scope)}


def _servers(visit: Visit) -> list[Any]:
    targets = current_provider().tokens.targets
    return targets.servers_for(visit.requirements.scopes, visit.requirements.resources)


def _runs_on_this_device(visit: Visit) -> bool:
    """An application on the person's own machine: its name cannot be verified (RFC 8252 §8.6)."""
    uri = urlsplit(visit.requirements.redirect_uri or "")
    is_local = uri.hostname in LOOPBACK_HOSTS or uri.scheme not in ("http", "https")
    return is_local and visit.client is not None and visit.client.is_public
