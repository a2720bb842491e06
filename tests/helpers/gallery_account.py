"""Sample data for the account pages."""

from typing import Any

from idp.account import notices
from idp.account.pages import OVERVIEW, SECTIONS
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


_OVERVIEW = account(OVERVIEW.endpoint, about=OVERVIEW.about, sections=_SECTIONS)

ACCOUNT_VARIANTS = (
    Variant("account-overview", "account/overview.html", _OVERVIEW),
    Variant("account-overview-long", "account/overview.html", {**_OVERVIEW, "person": LONG}),
    Variant("account-overview-notice", "account/overview.html", {**_OVERVIEW, "notice": notices.SENT_IN_VAIN}, "de"),
    Variant("account-overview-rtl", "account/overview.html", {**_OVERVIEW, "person": RTL_USER}, "he"),
)
