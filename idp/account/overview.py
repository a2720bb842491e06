"""The first page of an account: whose it is, and where to go from here."""

from flask import url_for
from flask.typing import ResponseReturnValue

from idp.account.guard import Account, account_page
from idp.account.pages import OVERVIEW, SECTIONS, render_account


@account_page()
def overview(account: Account) -> ResponseReturnValue:
    """GET /account/: who is signed in, and what there is to see and to change."""
    return render_account(
        account,
        "account/overview.html",
        section=OVERVIEW.endpoint,
        about=OVERVIEW.about,
        sections=[
            {"label": section.label, "about": section.about, "icon": section.icon, "url": url_for(section.endpoint)}
            for section in SECTIONS
        ],
    )
