"""Coming back: somebody who had switched their account off, or asked for its deletion, has signed in."""

from babel.dates import format_date
from flask import Response, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale

from idp.core.errors import Conflict, NotFound
from idp.engine.interaction import FirstFactor, Step
from idp.identity.directory.users import User
from idp.signin.dispatcher import Visit, page
from idp.signin.login import login_form
from idp.signin.sessions import authenticated
from idp.web import texts
from idp.web.pages import PageError, render_page, user_view
from idp.web.provider import current_provider


@page(Step.COME_BACK)
def come_back(visit: Visit) -> ResponseReturnValue:
    """GET and POST /signin/<id>/come-back: have the account back, or leave it as it is."""
    returning = visit.interaction.progress.returning
    user = current_provider().users.get(returning.user_id) if returning else None
    if returning is None or user is None:
        return _too_late(visit)
    return _back(visit, returning) if request.method == "POST" else _form(visit, user)


def _back(visit: Visit, returning: FirstFactor) -> Response:
    """Nothing that was proven is asked for again; that it still stands is looked at once more."""
    provider = current_provider()
    if provider.passwords.version(returning.user_id) != returning.credential:
        return _too_late(visit)
    try:
        provider.leaving.come_back(returning.user_id)
    except (Conflict, NotFound):
        return _too_late(visit)
    visit.save(returning=None)
    return authenticated(visit, returning) or _too_late(visit)


def _too_late(visit: Visit) -> Response:
    """It was erased, switched off by an operator, or given a new password meanwhile."""
    visit.save(returning=None)
    return login_form(visit, errors=(PageError(None, texts.ACCOUNT_CHANGED),), status=409)


def _form(visit: Visit, user: User) -> Response:
    return render_page(
        "signin/come_back.html",
        client=visit.client,
        user=user_view(user),
        erase_on=_day(user) if user.status == "deleting" else None,
        action=url_for("signin.come_back", interaction_id=visit.interaction.id),
        use_another_url=url_for("signin.another_account", interaction_id=visit.interaction.id),
        cancel_url=(
            url_for("signin.cancel", interaction_id=visit.interaction.id) if visit.client else url_for("web.home")
        ),
    )


def _day(user: User) -> str | None:
    """The day on which it is too late."""
    return str(format_date(user.erase_after, "long", locale=get_locale() or "en")) if user.erase_after else None
