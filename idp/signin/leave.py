"""Ways out of a sign-in: cancel it, begin it again, or do it as somebody else."""

from flask import redirect
from flask.typing import ResponseReturnValue

from idp.signin.dispatcher import AS_SOMEBODY_ELSE, Visit, visit_any


@visit_any
def cancel(visit: Visit) -> ResponseReturnValue:
    """GET /signin/<id>/cancel: tell the application that the person did not want to."""
    return visit.leave("the person cancelled the sign-in")


@visit_any
def restart(visit: Visit) -> ResponseReturnValue:
    """GET /signin/<id>/restart: the same request from its beginning, with nothing carried over."""
    return redirect(visit.interaction.restart_path, 303)


@visit_any
def another_account(visit: Visit) -> ResponseReturnValue:
    """GET /signin/<id>/another-account: sign in as somebody else; the present session stays until then."""
    visit.save(**AS_SOMEBODY_ELSE)
    return visit.to_hub()
