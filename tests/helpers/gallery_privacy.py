"""Sample data for the pages about one's data and about leaving."""

from idp.account.data_texts import HELD, describe
from idp.account.notices import COPY_READY
from tests.helpers.gallery_account import account, moment
from tests.helpers.gallery_variant import ALICE, LONG, RTL_USER, Variant

_COPY = {
    "is_ready": True,
    "requested_at": moment("Mar 14, 2026, 9:26:53 AM"),
    "expires_at": moment("Mar 17, 2026, 9:26:53 AM"),
    "kilobytes": 48,
    "url": "/account/data/copy/download",
}
_ALLOWED = {
    "name": "Meridian",
    "is_withdrawn": False,
    "by_operator": False,
    "scopes": ["Recognise you when you come back", "See your email address"],
    "at": moment("Mar 3, 2026, 8:12:03 PM"),
}
_TERMS = {
    "is_privacy": False,
    "version": "2026-01",
    "url": "https://example.com/terms",
    "at": moment("Jan 2, 2026, 8:12:03 PM"),
}
_DATA = account(
    "account.data",
    copy=None,
    request_url="/account/data/copy",
    held=[describe(section) for section in HELD],
    permissions=[],
    terms=[],
    officer=None,
    deactivate_url="/account/deactivate",
    delete_url="/account/delete",
    zone="Central European Time",
)
_FULL = {
    **_DATA,
    "copy": _COPY,
    "notice": COPY_READY,
    "officer": "Dr. Maxime Muster, privacy@example.com",
    "permissions": [
        {**_ALLOWED, "is_withdrawn": True, "by_operator": True},
        _ALLOWED,
        {**_ALLOWED, "name": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"},
    ],
    "terms": [_TERMS, {**_TERMS, "is_privacy": True, "version": "3", "url": None}],
}
_LEAVE = {"action": "/account/deactivate", "cancel_url": "/account/data"}
_DELETE = account(
    "account.data",
    erase_on=moment("March 28, 2026"),
    can_be_undone=True,
    proof_days=1095,
    application_count=3,
    action="/account/delete",
    cancel_url="/account/data",
    copy_url="/account/data",
)
_BACK = {
    "user": ALICE,
    "erase_on": None,
    "action": "/signin/come-back",
    "use_another_url": "/signin/other",
    "cancel_url": "/signin/cancel",
}

PRIVACY_VARIANTS = (
    Variant("account-data", "account/data.html", _FULL),
    Variant("account-data-empty", "account/data.html", {**_DATA, "person": LONG}),
    Variant(
        "account-data-soon",
        "account/data.html",
        {**_DATA, "copy": {**_COPY, "is_ready": False}, "errors": [{"field": None, "message": "Too soon"}]},
    ),
    Variant("account-data-de", "account/data.html", _FULL, "de"),
    Variant("account-data-rtl", "account/data.html", {**_FULL, "person": RTL_USER}, "he"),
    Variant("account-deactivate", "account/deactivate.html", account("account.data", **_LEAVE)),
    Variant("account-deactivate-de", "account/deactivate.html", account("account.data", **_LEAVE), "de"),
    Variant("account-delete", "account/delete.html", _DELETE),
    Variant(
        "account-delete-error",
        "account/delete.html",
        {**_DELETE, "errors": [{"field": "understood", "message": "Tick the box to say that you understand"}]},
    ),
    Variant("account-delete-de", "account/delete.html", _DELETE, "de"),
    Variant("account-delete-rtl", "account/delete.html", {**_DELETE, "person": RTL_USER}, "he"),
    Variant("come-back", "signin/come_back.html", _BACK),
    Variant("come-back-deleting", "signin/come_back.html", {**_BACK, "erase_on": "March 28, 2026"}),
    Variant("come-back-de", "signin/come_back.html", {**_BACK, "erase_on": "28. März 2026"}, "de"),
    Variant("come-back-rtl", "signin/come_back.html", {**_BACK, "user": RTL_USER}, "he"),
    Variant("account-kept", "signin/account_kept.html", {"sign_in_url": "/signin/"}),
    Variant("account-off", "signin/left.html", {"is_leaving": False, "sign_in_url": "/signin/"}),
    Variant(
        "account-leaving",
        "signin/left.html",
        {"is_leaving": True, "can_be_undone": True, "sign_in_url": "/signin/"},
        "de",
    ),
)
