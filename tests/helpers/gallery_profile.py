"""Sample data for the profile and preference pages."""

from typing import Any

from idp.account import claim_forms, notices
from idp.account.claim_forms import field_label
from idp.account.pages import PREFERENCES, PROFILE
from idp.account.profile import DETAILS
from tests.helpers.gallery_variant import ALICE, LONG, Variant

PICTURE = "/sample-logo.svg"
WITH_PICTURE = {**ALICE, "picture": PICTURE}


def profile_variants(account: Any) -> tuple[Variant, ...]:
    """Every page with what `account` gives each of them."""
    shows = dict.fromkeys(("picture", "email", "phone_number", "address"), True)
    links = {name: f"/{name}" for name in ("details", "picture", "phone_number", "address", "email")}
    full = account(
        PROFILE.endpoint,
        about=PROFILE.about,
        person=WITH_PICTURE,
        picture=PICTURE,
        details=[("Full name", "Alice Liddell"), ("Date of birth", "4 May 1852"), ("Website", "https://alice.example")],
        email=ALICE["email"],
        email_verified=True,
        phone="+44 1865 276150",
        phone_verified=False,
        address_lines=["Christ Church", "Oxford OX1 1DP", "United Kingdom"],
        shows=shows,
        details_shown=True,
        links=links,
    )
    empty = {
        **full, "person": LONG, "picture": None, "details": [], "email": LONG["email"], "email_verified": False,
        "phone": None, "address_lines": [], "links": {"details": "/details", "picture": "/picture"},
    }  # fmt: skip
    entered = {
        "name": "Alice Liddell", "given_name": "Alice", "family_name": "Liddell", "birthdate_day": "4",
        "birthdate_month": "5", "birthdate_year": "1852", "gender": "other", "gender_own": "a girl in a story",
        "website": "alice", "preferred_username": "alice",
    }  # fmt: skip
    details = account(
        PROFILE.endpoint,
        seen="0",
        stored=[],
        fields={name: _field(name, entered.get(name, "")) for name in DETAILS},
        kept_by_others=[],
        entered=entered,
        genders=[("female", "Female"), ("male", "Male")],
        own_words="other",
        months=[(number, name) for number, name in enumerate(("January", "February", "March", "April", "May"), 1)],
        back="/account/profile",
    )  # fmt: skip
    address = account(
        PROFILE.endpoint,
        seen="0",
        stored_lines=None,
        fields={
            name: _field(name, value)
            for name, value in (
                ("street_address", "Christ Church\nSt Aldate's"), ("postal_code", "OX1 1DP"), ("locality", "Oxford"),
                ("region", ""), ("country", "United Kingdom"),
            )
        },
        back="/account/profile",
    )  # fmt: skip
    phone = account(
        PROFILE.endpoint,
        seen="0",
        stored=None,
        number="01865 276150",
        country="GB",
        countries=[("DE", "Germany (+49)"), ("GB", "United Kingdom (+44)")],
        back="/account/profile",
    )
    picture = account(
        PROFILE.endpoint,
        picture=PICTURE,
        has_picture=True,
        accept="image/png",
        megabytes=5,
        remove_url="/remove",
        back="/account/profile",
    )
    preferences = account(
        PREFERENCES.endpoint,
        about=PREFERENCES.about,
        chosen={"locale": "de", "zoneinfo": "Europe/Berlin", "theme": "system", "mail": ("tips",)},
        seen="0",
        tongues=[("en", "English"), ("de", "Deutsch")],
        zones={"Europe": [("Europe/Berlin", "Berlin"), ("Europe/Paris", "Paris")]},
        other_zones=["UTC"],
        may_change={"locale": True, "zoneinfo": False},
        themes=[("system", "As on this device"), ("light", "Light"), ("dark", "Dark")],
        topics=[("product_news", "News", "What is new."), ("tips", "Tips", "How to get more out of it.")],
    )  # fmt: skip
    wrong = [
        {"field": "birthdate", "message": "Date of birth must be in the past"},
        {"field": "website", "message": "Website must be a web address, like https://example.com"},
    ]
    late = {
        "errors": [{"field": None, "message": claim_forms.CHANGED_MEANWHILE}],
        "stored": [("Full name", "Alice Hargreaves"), ("Website", "nothing")],
    }
    no_picture = {**picture, "picture": None, "has_picture": False}
    bad_file = {"errors": [{"field": "picture", "message": "The picture must be a PNG, JPEG, WebP, GIF or AVIF file"}]}
    return (
        Variant("account-profile", "account/profile.html", full),
        Variant("account-profile-saved", "account/profile.html", {**full, "notice": notices.PROFILE_SAVED}, "de"),
        Variant("account-profile-empty", "account/profile.html", empty),
        Variant("account-profile-details", "account/profile_details.html", details),
        Variant("account-profile-details-failed", "account/profile_details.html", {**details, "errors": wrong}, "de"),
        Variant("account-profile-details-late", "account/profile_details.html", {**details, **late}),
        Variant("account-profile-details-rtl", "account/profile_details.html", details, "he"),
        Variant(
            "account-profile-details-kept",
            "account/profile_details.html",
            {
                **details,
                "fields": {"nickname": details["fields"]["nickname"]},
                "kept_by_others": [("Full name", "Alice Liddell")],
            },
        ),
        Variant("account-profile-address", "account/profile_address.html", address),
        Variant(
            "account-profile-address-late",
            "account/profile_address.html",
            {**address, "errors": late["errors"], "stored_lines": ["Westminster", "London"]},
        ),
        Variant("account-profile-phone", "account/profile_phone.html", phone),
        Variant("account-profile-picture", "account/profile_picture.html", picture),
        Variant("account-profile-picture-failed", "account/profile_picture.html", {**no_picture, **bad_file}, "de"),
        Variant("account-preferences", "account/preferences.html", preferences),
        Variant("account-preferences-dark", "account/preferences.html", {**preferences, "theme": "dark"}, "de"),
    )


def _field(name: str, value: str) -> dict[str, Any]:
    return {"label": field_label(name), "value": value, "autocomplete": None}


def email_variants(account: Any) -> tuple[Variant, ...]:
    """Another e-mail address, and what becomes of the account when the former one takes it back."""
    common = {"back": "/account/profile", "again_url": "/again", "action": "/here"}
    form = account(PROFILE.endpoint, typed="", present=ALICE["email"], **common)
    link = account(PROFILE.endpoint, address=LONG["email"], token="sample", **common)
    same = [{"field": "email", "message": "This is your address already"}]
    wrong = [{"field": "code", "message": "The code is incorrect. Look for it in the newest mail."}]
    code = account(PROFILE.endpoint, **common)
    return (
        Variant("account-email-change", "account/email_change.html", form),
        Variant("account-email-change-failed", "account/email_change.html", {**form, "errors": same}, "de"),
        Variant("account-email-change-code", "account/email_change_code.html", code),
        Variant("account-email-change-code-failed", "account/email_change_code.html", {**code, "errors": wrong}, "de"),
        Variant("account-email-change-link", "account/email_change_link.html", link),
        Variant("account-email-change-link-over", "account/email_change_link.html", {**link, "address": None}),
        Variant("email-disputed", "signin/email_disputed.html", {}),
    )
