"""The page for terms that are new to somebody: a document, or another version of it, is in force."""

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale

from idp.engine.interaction import Step
from idp.identity.sessions.rows import Session
from idp.signin.dispatcher import Visit, page
from idp.signin.facts import due_documents
from idp.storage.db import transaction
from idp.web import texts
from idp.web.pages import PageError, render_page
from idp.web.provider import current_provider


@page(Step.ACCEPT_TERMS)
def accept_terms(visit: Visit) -> ResponseReturnValue:
    """GET and POST /signin/<id>/accept-terms: the documents that the person has yet to accept."""
    if visit.session is None:
        return visit.to_hub()
    return _submitted(visit, visit.session) if request.method == "POST" else _form(visit, visit.session)


def _submitted(visit: Visit, session: Session) -> ResponseReturnValue:
    due = due_documents(session.user_id)
    if request.form.get("account") != session.user_id:
        # Somebody else signed in, in another tab, after the page was shown: they have read nothing of it yet.
        return _form(visit, session, status=409)
    errors = tuple(
        PageError(document.name, texts.ACCEPT_DOCUMENT[document.name])
        for document in due
        # The version that was shown: one that came into force meanwhile was not read.
        if request.form.get(document.name) != document.version
    )
    if errors:
        return _form(visit, session, errors, 422)
    locale = str(get_locale()).replace("_", "-")
    with transaction():
        for document in due:
            current_provider().terms.accept(session.user_id, document.name, document.version, locale, document.url)
    return visit.to_hub()


def _form(visit: Visit, session: Session, errors: tuple[PageError, ...] = (), status: int = 200) -> Response:
    known, due = current_provider().terms.latest(session.user_id), due_documents(session.user_id)
    return render_page(
        "signin/accept_terms.html",
        status=status,
        client=visit.client,
        errors=errors,
        account=session.user_id,
        documents=due,
        has_changed=any(document.name in known for document in due),
        action=url_for("signin.accept_terms", interaction_id=visit.interaction.id),
        cancel_url=url_for("signin.cancel", interaction_id=visit.interaction.id) if visit.client else None,
        sign_out_url=url_for("oauth.end_session"),
    )
