"""Sample data for the pages of registration, and for the development mailbox."""

from datetime import UTC, datetime
from typing import Any

from idp.core.sign_up_settings import LegalDocument
from idp.services.notify.rendering import render_mail
from idp.web import texts
from idp.web.mailbox import DeliveredMail
from tests.helpers.gallery_variant import LONG, Variant

CLIENT = {
    "name": "Meridian",
    "host": "app.meridian.example",
    "logo_uri": None,
    "initial": "M",
    "policy_uri": "https://app.meridian.example/privacy",
    "tos_uri": "https://app.meridian.example/terms",
}
DOCUMENTS = (
    LegalDocument("terms", "https://id.example.com/terms", "2026-01"),
    LegalDocument("privacy", "https://id.example.com/privacy", "3"),
)
REGISTER: dict[str, Any] = {
    "client": CLIENT,
    "email": "",
    "email_is_proven": False,
    "name": "",
    "name_field": "optional",
    "documents": (),
    "accepted": {},
    "minimum_length": 15,
    "action": "/signin/register",
    "sign_in_url": "/signin/login",
    "cancel_url": "/signin/cancel",
}
WAITING: dict[str, Any] = {
    "client": CLIENT,
    "email": "alice@example.com",
    "was_sent_again": False,
    "most_mails": 3,
    "mailbox_url": None,
    "action": "/signin/verify-email",
    "sign_in_url": "/signin/login",
    "cancel_url": "/signin/cancel",
}
TERMS: dict[str, Any] = {
    "client": CLIENT,
    "account": "alice",
    "documents": DOCUMENTS,
    "has_changed": True,
    "action": "/signin/accept-terms",
    "cancel_url": "/signin/cancel",
    "sign_out_url": "/oauth2/logout",
}
PROBLEMS = [
    {"field": "email", "message": texts.EMAIL_FORMAT},
    {"field": "name", "message": texts.ENTER_NAME},
    {"field": "new_password", "message": "Password must be 15 characters or more"},
    {"field": "terms", "message": texts.ACCEPT_DOCUMENT["terms"]},
]
_AT = datetime(2026, 3, 14, 9, 26, tzinfo=UTC)


def _mail(locale: str) -> DeliveredMail:
    values = {
        "to": "alice@example.com",
        "product_name": "idp",
        "issuer": "https://id.example.com",
        "support_url": None,
        "code": "482915",
        "minutes": 10,
        "url": "https://id.example.com/link/registration?token=pY4nTe9RkQ2-Xb7wZ0mVd8JfLs6uHcGa1oNiKxErB3t",
    }
    return DeliveredMail("m", _AT, values["to"], render_mail("registration_code", locale, values))


SIGN_UP_VARIANTS = (
    Variant("register", "signin/register.html", REGISTER),
    Variant("register-plain", "signin/register.html", {**REGISTER, "client": None, "cancel_url": None}),
    Variant("register-documents", "signin/register.html", {**REGISTER, "documents": DOCUMENTS}),
    Variant(
        "register-problems",
        "signin/register.html",
        {**REGISTER, "documents": DOCUMENTS, "email": "alice@", "name_field": "required", "errors": PROBLEMS},
    ),
    Variant(
        "register-invited",
        "signin/register.html",
        {
            **REGISTER,
            "client": None,
            "cancel_url": None,
            "email": LONG["email"],
            "email_is_proven": True,
            "name": LONG["name"],
        },
    ),
    Variant("register-de", "signin/register.html", {**REGISTER, "documents": DOCUMENTS}, "de"),
    Variant("register-rtl", "signin/register.html", {**REGISTER, "documents": DOCUMENTS, "name": "ליאור כהן"}, "he"),
    Variant("verify-email", "signin/verify_email.html", WAITING),
    Variant(
        "verify-email-failed",
        "signin/verify_email.html",
        {**WAITING, "email": LONG["email"], "errors": [{"field": "code", "message": texts.MAILED_CODE_INCORRECT}]},
    ),
    Variant(
        "verify-email-again",
        "signin/verify_email.html",
        {**WAITING, "client": None, "cancel_url": None, "was_sent_again": True, "mailbox_url": "/dev/mail"},
    ),
    Variant("verify-email-de", "signin/verify_email.html", WAITING, "de"),
    Variant("accept-terms", "signin/accept_terms.html", TERMS),
    Variant(
        "accept-terms-problem",
        "signin/accept_terms.html",
        {
            **TERMS,
            "client": None,
            "cancel_url": None,
            "has_changed": False,
            "errors": [{"field": "terms", "message": texts.ACCEPT_DOCUMENT["terms"]}],
        },
    ),
    Variant("accept-terms-de", "signin/accept_terms.html", TERMS, "de"),
    Variant("registration-closed", "signin/registration_closed.html", {"sign_in_url": "/signin"}),
    Variant(
        "mailbox",
        "web/mailbox.html",
        {"mails": [_mail("en"), _mail("de")], "mailbox_url": "/dev/mail", "wanted": None},
    ),
    Variant(
        "mailbox-of-one",
        "web/mailbox.html",
        {"mails": [_mail("en")], "mailbox_url": "/dev/mail", "wanted": LONG["email"]},
    ),
    Variant("mailbox-empty", "web/mailbox.html", {"mails": [], "mailbox_url": "/dev/mail", "wanted": "a@example.com"}),
    Variant("mail", "web/one_mail.html", {"mail": _mail("en"), "mailbox_url": "/dev/mail"}),
)
