"""Sample data for the pages that mailed links lead to, and for those of a forgotten password."""

from idp.web import texts
from tests.helpers.gallery_variant import ALICE, LONG, Variant

LINK = {
    "title": "Unlock your account",
    "text": "Then you can sign in with your password again.",
    "button": "Unlock",
    "button_id": "unlock-submit",
    "address": "a•••@example.com",
    "token": "token",
    "action": "/link/unlock",
}
LONG_LINK = {**LINK, "address": "m•••@department.of.correspondence.subsidiary-with-a-long-name.example.org"}
LINK_OVER = {"another_url": "/recover", "words": "Get a new link"}
RECOVER = {"username": "", "action": "/signin/recover", "sign_in_url": "/signin/login"}
CODE = {
    "username": ALICE["email"],
    "was_sent_again": False,
    "most_mails": 3,
    "mailbox_url": None,
    "action": "/signin/recover-code",
    "sign_in_url": "/signin/login",
}
NEW_PASSWORD = {
    "username": ALICE["email"],
    "sign_out_others": True,
    "minimum_length": 15,
    "action": "/signin/new-password",
    "sign_in_url": "/signin/login",
}
TOO_SHORT = {"field": "new_password", "message": "Password must be 15 characters or more"}

RECOVERY_VARIANTS = (
    Variant("recover", "signin/forgot_password.html", RECOVER),
    Variant(
        "recover-empty",
        "signin/forgot_password.html",
        {**RECOVER, "errors": [{"field": "username", "message": texts.ENTER_EMAIL}]},
    ),
    Variant("recover-de", "signin/forgot_password.html", RECOVER, "de"),
    Variant("recover-code", "signin/reset_code.html", {**CODE, "mailbox_url": "/dev/mail"}),
    Variant("recover-code-sent", "signin/reset_code.html", {**CODE, "was_sent_again": True}),
    Variant(
        "recover-code-over",
        "signin/reset_code.html",
        {**CODE, "username": LONG["email"], "errors": [{"field": "code", "message": texts.MAILED_CODE_OVER}]},
    ),
    Variant("recover-code-de", "signin/reset_code.html", CODE, "de"),
    Variant("recover-code-rtl", "signin/reset_code.html", CODE, "he"),
    Variant("new-password", "signin/new_password.html", NEW_PASSWORD),
    Variant(
        "new-password-weak",
        "signin/new_password.html",
        {**NEW_PASSWORD, "username": LONG["email"], "sign_out_others": False, "errors": [TOO_SHORT]},
    ),
    Variant("new-password-de", "signin/new_password.html", NEW_PASSWORD, "de"),
    Variant("new-password-rtl", "signin/new_password.html", NEW_PASSWORD, "he"),
    Variant("mailed-link", "signin/mailed_link.html", LINK),
    Variant("mailed-link-long", "signin/mailed_link.html", LONG_LINK),
    Variant("mailed-link-rtl", "signin/mailed_link.html", LINK, "he"),
    Variant("mailed-link-over", "signin/mailed_link_over.html", LINK_OVER),
    Variant("unlocked", "signin/unlocked.html", {"sign_in_url": "/signin/"}),
)
