"""Who may see an account page: the person themselves, signed in, and for what matters a moment ago.

The question is put to the sign-in policy, the same that answers applications, so that a session which an application
would not be given a code for opens no account page either.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec
from urllib.parse import quote

from flask import Response, make_response, request, url_for
from flask.typing import ResponseReturnValue

from idp.account.notices import SENT_IN_VAIN, send_notice
from idp.engine.interaction import Progress, Requirements, Step, next_step
from idp.identity.directory.users import User
from idp.identity.sessions.rows import Session
from idp.signin.dispatcher import begin
from idp.signin.facts import gather
from idp.web.browser_session import current_session
from idp.web.csrf import check_csrf, ensure_not_cross_site
from idp.web.provider import current_provider

_LONGEST_QUERY = 1000

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Account:
    """Whose page it is, and the session of the browser that asks for it."""

    user: User
    session: Session


def account_page(
    *, fresh: bool = False, form: str | None = None
) -> Callable[[Callable[Concatenate[Account, P], ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """Decorate an account view: it is given the Account, and the rest of its URL.

    `fresh` wants an authentication within `lifetimes.step_up`. Who is not signed in, or not freshly, does that and
    comes back. What was posted is then not carried out, and the person is told so on the page with the form: the
    endpoint `form`, by default the view itself.

    A POST has to carry the token of a form shown to this person (`csrf_token` of `render_account`); raises CsrfError.
    """

    def decorate(view: Callable[Concatenate[Account, P], ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            session = current_session()
            if request.method == "POST":
                # Nobody is signed in: nothing will be done, but another site shall not begin sign-ins either.
                check_csrf(session.user_id) if session else ensure_not_cross_site()
            requirements = Requirements(max_age=current_provider().settings.lifetimes.step_up if fresh else None)
            gathered = gather(requirements)
            is_enough = next_step(requirements, Progress(), gathered.facts) is Step.DONE
            user = current_provider().users.get(session.user_id) if session and is_enough else None
            if session is None or user is None:
                return _sign_in(requirements, form)
            return view(Account(user, session), *args, **kwargs)

        guarded.is_account_page = True  # type: ignore[attr-defined]
        guarded.form_endpoint = form  # type: ignore[attr-defined]
        return guarded

    return decorate


def _sign_in(requirements: Requirements, form: str | None) -> Response:
    """Through the hub, and back to the page that was wanted."""
    posted = request.method == "POST"
    path = url_for(form) if posted and form else _this_page()
    response = make_response(begin(requirements, resume_path=path, restart_path=path))
    if posted:
        send_notice(response, SENT_IN_VAIN, current_provider().settings.lifetimes.interaction)
    return response


def _this_page() -> str:
    """The path and query that were asked for, made from the route, so that they lead nowhere else (WB4)."""
    path = url_for(str(request.endpoint), **(request.view_args or {}))
    query = request.query_string
    if not query or len(query) > _LONGEST_QUERY:
        return path
    return f"{path}?{quote(query, safe='=&%+-._~')}"
