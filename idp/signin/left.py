"""What people see who have just left: their session is over, so these pages know nobody."""

from flask import url_for
from flask.typing import ResponseReturnValue

from idp.web.pages import render_page


def account_off() -> ResponseReturnValue:
    """GET /account-off: the account was switched off by its owner."""
    return render_page("signin/left.html", is_leaving=False, sign_in_url=url_for("signin.start"))


def account_leaving() -> ResponseReturnValue:
    """GET /account-leaving: the account will be deleted, as its owner wished."""
    return render_page("signin/left.html", is_leaving=True, sign_in_url=url_for("signin.start"))
