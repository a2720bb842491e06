"""Ways out of a sign-in: cancel it, begin it again, or do it as somebody else."""

from flask import redirect
from flask.typing import ResponseReturnValue

from idp.engine.interaction import Failure, Progress
from idp.signin.dispatcher import Visit, visit_any
from idp.web.provider import current_provider


@visit_any
def cancel(visit: Visit) -> ResponseReturnValue:
    """GET /signin/<id>/cancel: tell the application that the person did not want to."""
    visit.save(failure=Failure("access_denied", "the person cancelled the sign-in"))
    return visit.to_hub()


@visit_any
def restart(visit: Visit) -> ResponseReturnValue:
    """GET /signin/<id>/restart: the same request from its beginning, with nothing carried over."""
    return redirect(visit.interaction.restart_path, 303)


@visit_any
def another_account(visit: Visit) -> ResponseReturnValue:
    """GET /signin/<id>/another-account: sign in as somebody else; the present session stays until then."""
    current_provider().interactions.update(visit.interaction, **_as_somebody_else())
    return visit.to_hub()


def _as_somebody_else() -> dict[str, object]:
    blank = Progress()
    return {
        "account_selected": True,
        "selected_user_id": None,
        "first_factor": blank.first_factor,
        "authenticated_session_id": None,
        "consent": None,
    }
