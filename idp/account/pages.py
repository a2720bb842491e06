"""Rendering of account pages: the navigation, the person, what has just been done."""

from dataclasses import dataclass
from typing import Any

from flask import Response, url_for
from flask_babel import LazyString, lazy_gettext

from idp.account.guard import Account
from idp.account.notices import forget_notice, take_notice
from idp.web.csrf import csrf_token
from idp.web.pages import PageError, render_page, user_view


@dataclass(frozen=True, slots=True)
class Section:
    """One entry of the navigation: the endpoint of its page, its name, its icon and what it is for."""

    endpoint: str
    label: LazyString
    icon: str
    about: LazyString


OVERVIEW = Section(
    "account.overview",
    lazy_gettext("Overview"),
    "home",
    lazy_gettext("What is kept of you here, who may use it, and what has been done with it."),
)
PROFILE = Section(
    "account.profile",
    lazy_gettext("Profile"),
    "user",
    lazy_gettext("Your name, picture and addresses. Apps see them only if you allow it."),
)
PREFERENCES = Section(
    "account.preferences",
    lazy_gettext("Preferences"),
    "sliders",
    lazy_gettext("Language, time zone, the look of these pages, and mail."),
)
#: What the overview leads to, in the order of the navigation.
SECTIONS = (
    PROFILE,
    Section(
        "account.security",
        lazy_gettext("Security"),
        "shield",
        lazy_gettext("Your password and how you sign in"),
    ),
    Section(
        "account.sessions",
        lazy_gettext("Sessions and devices"),
        "devices",
        lazy_gettext("Where you are signed in"),
    ),
    Section(
        "account.applications",
        lazy_gettext("Applications"),
        "apps",
        lazy_gettext("Who may use your account, and for what"),
    ),
    Section(
        "account.activity",
        lazy_gettext("Activity"),
        "history",
        lazy_gettext("What was done with your account in the last 90 days"),
    ),
    PREFERENCES,
    Section(
        "account.data",
        lazy_gettext("Data and privacy"),
        "data",
        lazy_gettext("What is held about you, a copy of it, and leaving"),
    ),
)


def render_account(
    account: Account,
    template: str,
    *,
    section: str,
    status: int = 200,
    errors: tuple[PageError, ...] = (),
    **context: Any,
) -> Response:
    """An account page. `section` is the endpoint of the navigation entry that it belongs to.

    Its forms carry a token that is this person's alone, whoever signs in on this browser meanwhile.
    """
    notice = take_notice()
    response = render_page(
        template,
        status=status,
        errors=errors,
        person=user_view(account.user),
        navigation=[
            {
                "label": entry.label,
                "url": url_for(entry.endpoint),
                "icon": entry.icon,
                "is_current": entry.endpoint == section,
            }
            for entry in (OVERVIEW, *SECTIONS)
        ],
        notice=notice,
        home_url=url_for("web.home"),
        sign_out_url=url_for("oauth.end_session"),
        csrf_token=csrf_token(account.user.id),
        **context,
    )
    forget_notice(response)
    return response
