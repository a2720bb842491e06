"""Sample data for the pages that mailed links lead to, and for those of a forgotten password."""

from tests.helpers.gallery_variant import Variant

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

RECOVERY_VARIANTS = (
    Variant("mailed-link", "signin/mailed_link.html", LINK),
    Variant("mailed-link-long", "signin/mailed_link.html", LONG_LINK),
    Variant("mailed-link-rtl", "signin/mailed_link.html", LINK, "he"),
    Variant("mailed-link-over", "signin/mailed_link_over.html", LINK_OVER),
    Variant("unlocked", "signin/unlocked.html", {"sign_in_url": "/signin/"}),
)
