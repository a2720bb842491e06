"""What is held about a person, in their words: one entry for each section of the map of personal data."""

from collections.abc import Mapping
from types import MappingProxyType

from flask_babel import LazyString, lazy_gettext

HELD: Mapping[str, tuple[LazyString, LazyString]] = MappingProxyType({
    "account": (
        lazy_gettext("Your account"), lazy_gettext("Its identifier and state, and your profile as you filled it in."),
    ),
    "email_addresses": (
        lazy_gettext("Email addresses"), lazy_gettext("By which you sign in and get mail."),
    ),
    "pairwise_subjects": (
        lazy_gettext("Names for apps"),
        lazy_gettext("Some apps know you by a name of their own, so that they cannot compare notes."),
    ),
    "pictures": (lazy_gettext("Picture"), lazy_gettext("The one that you uploaded, made smaller.")),
    "mail_choices": (lazy_gettext("Mail you want"), lazy_gettext("What you said about mail that nobody needs to get.")),
    "roles": (lazy_gettext("Roles"), lazy_gettext("The duties that you were given.")),
    "password": (
        lazy_gettext("Password"), lazy_gettext("Not the password: a value that can only tell whether one is right."),
    ),
    "former_passwords": (
        lazy_gettext("Former passwords"), lazy_gettext("The same of those before, so that none is chosen again."),
    ),
    "authenticator_apps": (
        lazy_gettext("Authenticator apps"), lazy_gettext("That one is set up, and the secret that it shares with us."),
    ),
    "mailed_codes": (
        lazy_gettext("Mailed codes and links"), lazy_gettext("What they are for, and whether they were used."),
    ),
    "sessions": (
        lazy_gettext("Sessions"), lazy_gettext("On which browsers you signed in, when, and from which address."),
    ),
    "session_applications": (
        lazy_gettext("Apps of a session"), lazy_gettext("Where those sessions signed you in, to sign you out as well."),
    ),
    "failed_attempts": (
        lazy_gettext("Failed sign-ins"), lazy_gettext("How many there were lately, to stop people who guess."),
    ),
    "unfinished_sign_ins": (
        lazy_gettext("Unfinished sign-ins"), lazy_gettext("What is under way at this moment, for some minutes."),
    ),
    "permissions": (lazy_gettext("Permissions"), lazy_gettext("What you allow apps at present.")),
    "permission_history": (
        lazy_gettext("History of permissions"), lazy_gettext("What you allowed and took back, and when."),
    ),
    "accepted_terms": (
        lazy_gettext("Accepted terms"), lazy_gettext("Which terms and privacy notices you accepted, and when."),
    ),
    "application_access": (
        lazy_gettext("Access of apps"), lazy_gettext("What apps were given, and until when. Not the keys themselves."),
    ),
    "messages": (
        lazy_gettext("Messages"), lazy_gettext("That there was mail to you, or a message about you to an app."),
    ),
    "security_log": (
        lazy_gettext("Security log"), lazy_gettext("What happened to your account and what you did."),
    ),
    "data_exports": (lazy_gettext("Copies of your data"), lazy_gettext("That you asked for one, and when.")),
    "data_export_files": (lazy_gettext("The files of those copies"), lazy_gettext("Sealed, until they are deleted.")),
})  # fmt: skip


def describe(section: str) -> dict[str, LazyString]:
    """A section as a page shows it."""
    title, text = HELD[section]
    return {"title": title, "text": text}
