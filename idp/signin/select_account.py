"""The account chooser: accounts that signed in on this browser before."""

from flask import request, url_for
from flask.typing import ResponseReturnValue

from idp.engine.interaction import Step
from idp.signin.dispatcher import Visit, page
from idp.web.browser_session import known_accounts
from idp.web.cookies import write_accounts
from idp.web.pages import render_page, user_view
from idp.web.provider import current_provider


@page(Step.SELECT_ACCOUNT)
def select_account(visit: Visit) -> ResponseReturnValue:
    """GET and POST /signin/<id>/select-account: choose an account, remove one, or ask for another."""
    accounts = _accounts(visit)
    if request.method == "GET":
        if not accounts:
            # Nothing to choose from: the sign-in page asks the same question better.
            visit.save(account_selected=True)
            return visit.to_hub()
        return _page(visit, accounts)
    if "remove" in request.form:
        return _removed(visit, request.form["remove"])
    chosen = request.form.get("account", "")
    if chosen and chosen not in accounts:
        return _page(visit, accounts)
    visit.save(account_selected=True, selected_user_id=chosen or None)
    return visit.to_hub()


def _accounts(visit: Visit) -> tuple[str, ...]:
    signed_in = (visit.session.user_id,) if visit.session else ()
    return tuple(dict.fromkeys((*signed_in, *known_accounts())))


def _page(visit: Visit, accounts: tuple[str, ...]) -> ResponseReturnValue:
    users = [user for user_id in accounts if (user := current_provider().users.get(user_id))]
    current = visit.session.user_id if visit.session else None
    views = [(user_view(user), user.id == current) for user in users]
    return render_page(
        "signin/select_account.html",
        client=visit.client,
        accounts=[
            {
                "id": view.id,
                "name": view.name,
                "email": view.email,
                "initials": view.initials,
                "picture": view.picture,
                "signed_in": signed_in,
            }
            for view, signed_in in views
        ],
        action=url_for("signin.select_account", interaction_id=visit.interaction.id),
    )


def _removed(visit: Visit, user_id: str) -> ResponseReturnValue:
    provider = current_provider()
    kept = tuple(account for account in known_accounts() if account != user_id)
    response = visit.to_hub()
    write_accounts(response, provider.settings, provider.secrets, kept)
    return response
