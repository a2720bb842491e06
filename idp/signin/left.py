"""What people see who have just left: their session is over, so these pages know nobody."""

from flask import url_for
from flask.typing import ResponseReturnValue

from idp.web.pages import render_page
from idp.web.provider import current_provider


def account_off() -> ResponseReturnValue:
    """GET /account-off: the account was switched off by its owner."""
    return render_page("signin/left.html", is_leaving=False, sign_in_url=url_for("signin.start"))


def account_leaving() -> ResponseReturnValue:
    """GET /account-leaving: the account will be deleted, as its owner wished."""
    can_be_undone = current_provider().settings.privacy.deletion_delay > 0
    return render_page(
        "signin/left.html", is_leaving=True, can_be_undone=can_be_undone, sign_in_url=url_for("signin.start")
    )
