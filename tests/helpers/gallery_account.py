"""Sample data for the account pages."""

from typing import Any

from idp.account import notices
from idp.account.pages import OVERVIEW, SECTIONS
from idp.web import texts
from tests.helpers.gallery_profile import email_variants, profile_variants
from tests.helpers.gallery_variant import ALICE, LONG, RTL_USER, Variant

_SECTIONS = [
    {"label": section.label, "about": section.about, "icon": section.icon, "url": f"/{section.endpoint}"}
    for section in SECTIONS
]


def account(section: str, **context: Any) -> dict[str, Any]:
    """What `render_account` gives every page."""
    return {
        "person": ALICE,
        "navigation": [
            {"label": s.label, "url": f"/{s.endpoint}", "icon": s.icon, "is_current": s.endpoint == section}
            for s in (OVERVIEW, *SECTIONS)
        ],
        "notice": None,
        "home_url": "/",
        "sign_out_url": "/oauth2/logout",
        **context,
    }


def moment(text: str) -> dict[str, str]:
    """An instant on a page."""
    return {"iso": "2026-03-14T09:26:53+00:00", "text": text}


_OVERVIEW = account(OVERVIEW.endpoint, about=OVERVIEW.about, sections=_SECTIONS)
_SECURITY = account(
    "account.security",
    password_changed=moment("March 3, 2026"),
    has_totp=True,
    session_count=3,
    password_url="/account/password",
    sessions_url="/account/sessions",
    sign_out_others_url="/account/sessions/end-others",
    zone="Central European Time",
)
_PASSWORD = account(
    "account.security", minimum=15, sign_out_others=True, action="/account/password", cancel_url="/account/security"
)
_SESSION = {
    "is_this": False,
    "device": "Firefox · Windows",
    "address": "203.0.113.7",
    "method": "Password",
    "first_seen": moment("Mar 1, 2026, 8:12:03 PM"),
    "last_seen": moment("Mar 14, 2026, 9:26:53 AM"),
    "end_url": "/account/sessions/1/end",
}
_SESSIONS = account(
    "account.sessions",
    sessions=[
        {**_SESSION, "is_this": True, "device": "Safari · iOS", "method": "Password and a code from an app"},
        _SESSION,
        {**_SESSION, "device": None, "address": None},
        {**_SESSION, "device": '"><script>alert(document.domain)</script>', "address": "2001:db8:85a3::8a2e:370:7334"},
    ],
    others=3,
    not_shown=0,
    sign_out_others_url="/account/sessions/end-others",
    zone="Central European Time",
)

_OWN_DATA = {"title": "Your account", "audience": None, "scopes": [("openid", "Recognise you when you come back")]}
_ORDERS = {
    "title": "Orders",
    "audience": "orders.example.com",
    "scopes": [("orders:read", "See your orders"), ("orders:write", "Place and change orders for you")],
}
_APPLICATION = {
    "client": {"name": "Meridian", "host": "app.meridian.example", "logo_uri": "/sample-logo.svg", "initial": "M"},
    "groups": [_OWN_DATA, _ORDERS],
    "claims": ["Full name", "Picture"],
    "since": moment("January 9, 2026"),
    "last_used": moment("Mar 14, 2026, 9:26:53 AM"),
    "is_offline": True,
    "was_allowed": True,
    "remove_url": "/account/applications/1/remove",
}
_OWN_APPLICATION = {
    **_APPLICATION,
    "client": {
        "name": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft Portal",
        "host": "portal.donaudampfschifffahrtselektrizitaetenhauptbetriebswerk.example",
        "logo_uri": None,
        "initial": "D",
    },
    "groups": [_OWN_DATA],
    "claims": [],
    "last_used": None,
    "is_offline": False,
    "was_allowed": False,
}
_APPLICATIONS = account(
    "account.applications", applications=[_APPLICATION, _OWN_APPLICATION], zone="Central European Time"
)
_REMOVE = account(
    "account.applications",
    application=_APPLICATION,
    action="/account/applications/1/remove",
    cancel_url="/account/applications",
)
_ENTRY = {
    "sentence": "Signed in on a new device",
    "at": moment("Mar 14, 2026, 9:26:53 AM"),
    "by": None,
    "device": "Firefox · Windows",
    "address": "2001:db8:85a3::8a2e:370:7334",
}
_ACTIVITY = account(
    "account.activity",
    entries=[
        _ENTRY,
        {**_ENTRY, "sentence": "Role given", "by": "an administrator", "device": None, "address": None},
        {**_ENTRY, "sentence": "Signed in to Meridian", "device": '"><script>alert(1)</script>', "address": None},
    ],
    older_url="/account/activity?after=x",
    newest_url="/account/activity",
    days=90,
    zone="Central European Time",
)

ACCOUNT_VARIANTS = (
    Variant("account-activity", "account/activity.html", _ACTIVITY),
    Variant(
        "account-activity-none",
        "account/activity.html",
        {**_ACTIVITY, "entries": [], "older_url": None, "newest_url": None},
        "de",
    ),
    Variant("account-activity-rtl", "account/activity.html", _ACTIVITY, "he"),
    Variant("account-applications", "account/applications.html", _APPLICATIONS),
    Variant("account-applications-none", "account/applications.html", {**_APPLICATIONS, "applications": []}),
    Variant("account-applications-de", "account/applications.html", _APPLICATIONS, "de"),
    Variant("account-applications-rtl", "account/applications.html", {**_APPLICATIONS, "person": RTL_USER}, "he"),
    Variant("account-remove", "account/remove_application.html", _REMOVE),
    Variant("account-remove-own", "account/remove_application.html", {**_REMOVE, "application": _OWN_APPLICATION}),
    Variant("account-remove-rtl", "account/remove_application.html", _REMOVE, "he"),
    Variant("account-overview", "account/overview.html", _OVERVIEW),
    Variant("account-overview-long", "account/overview.html", {**_OVERVIEW, "person": LONG}),
    Variant("account-overview-notice", "account/overview.html", {**_OVERVIEW, "notice": notices.SENT_IN_VAIN}, "de"),
    Variant("account-overview-rtl", "account/overview.html", {**_OVERVIEW, "person": RTL_USER}, "he"),
    Variant("account-security", "account/security.html", {**_SECURITY, "notice": notices.PASSWORD_CHANGED}),
    Variant("account-security-alone", "account/security.html", {**_SECURITY, "has_totp": False, "session_count": 1}),
    Variant("account-security-de", "account/security.html", _SECURITY, "de"),
    Variant("account-security-rtl", "account/security.html", {**_SECURITY, "person": RTL_USER}, "he"),
    Variant("account-password", "account/password.html", _PASSWORD),
    Variant(
        "account-password-weak",
        "account/password.html",
        {
            **_PASSWORD,
            "sign_out_others": False,
            "errors": [
                {"field": "password", "message": texts.PASSWORD_INCORRECT},
                {"field": "new_password", "message": "Password must be 15 characters or more"},
            ],
        },
    ),
    Variant("account-password-de", "account/password.html", _PASSWORD, "de"),
    Variant("account-password-rtl", "account/password.html", {**_PASSWORD, "person": RTL_USER}, "he"),
    Variant("account-sessions", "account/sessions.html", _SESSIONS),
    Variant(
        "account-sessions-alone",
        "account/sessions.html",
        {**_SESSIONS, "sessions": _SESSIONS["sessions"][:1], "others": 0},
        "de",
    ),
    Variant("account-sessions-rtl", "account/sessions.html", {**_SESSIONS, "person": RTL_USER, "not_shown": 12}, "he"),
    *profile_variants(account),
    *email_variants(account),
)
