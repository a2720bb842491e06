"""What people read, where Python and not a template chooses the words. Translated when shown.

The house style: say what happened and what to do, in plain words, and never whether an account exists.
"""

from collections.abc import Mapping
from types import MappingProxyType

from flask_babel import LazyString, gettext, lazy_gettext, ngettext

from idp.identity.credentials.password_policy import Violation

# ---- scopes (OpenID Connect Core §5.4, §11) --------------------------------------------------------------

SCOPE_DESCRIPTIONS: Mapping[str, LazyString] = MappingProxyType({
    "openid": lazy_gettext("Recognise you when you come back"),
    "profile": lazy_gettext("See your name and profile"),
    "email": lazy_gettext("See your email address"),
    "address": lazy_gettext("See your postal address"),
    "phone": lazy_gettext("See your phone number"),
    "offline_access": lazy_gettext("Keep access while you are away"),
})  # fmt: skip

ACCOUNT_GROUP_TITLE = lazy_gettext("Your account")
API_ACCESS = lazy_gettext("Use this service in your name")


def scope_description(scope: str) -> str:
    """What a scope lets an app do; the bare name of a scope that nobody described."""
    described = SCOPE_DESCRIPTIONS.get(scope)
    return scope if described is None else str(described)


# ---- claims (OpenID Connect Core §2, §5.1) ---------------------------------------------------------------

CLAIM_LABELS: Mapping[str, LazyString] = MappingProxyType({
    "sub": lazy_gettext("An identifier of your account"),
    "name": lazy_gettext("Full name"),
    "given_name": lazy_gettext("First name"),
    "family_name": lazy_gettext("Last name"),
    "middle_name": lazy_gettext("Middle name"),
    "nickname": lazy_gettext("Nickname"),
    "preferred_username": lazy_gettext("Username"),
    "profile": lazy_gettext("Profile page"),
    "picture": lazy_gettext("Picture"),
    "website": lazy_gettext("Website"),
    "email": lazy_gettext("Email address"),
    "email_verified": lazy_gettext("Whether your email address is confirmed"),
    "gender": lazy_gettext("Gender"),
    "birthdate": lazy_gettext("Date of birth"),
    "zoneinfo": lazy_gettext("Time zone"),
    "locale": lazy_gettext("Language"),
    "phone_number": lazy_gettext("Phone number"),
    "phone_number_verified": lazy_gettext("Whether your phone number is confirmed"),
    "address": lazy_gettext("Postal address"),
    "updated_at": lazy_gettext("When your profile last changed"),
    "auth_time": lazy_gettext("When you signed in"),
    "acr": lazy_gettext("How strongly you signed in"),
    "amr": lazy_gettext("How you signed in"),
    "roles": lazy_gettext("Roles"),
    "groups": lazy_gettext("Groups"),
})  # fmt: skip


def claim_label(claim: str) -> str:
    """What people call a claim; the bare name of a claim that nobody described."""
    label = CLAIM_LABELS.get(claim)
    return claim if label is None else str(label)


# ---- sign-in ---------------------------------------------------------------------------------------------

ENTER_EMAIL = lazy_gettext("Enter your email address")
ENTER_PASSWORD = lazy_gettext("Enter your password")
SIGN_IN_FAILED = lazy_gettext("Email or password is incorrect")
ENTER_CURRENT_PASSWORD = lazy_gettext("Enter your current password")
ENTER_NEW_PASSWORD = lazy_gettext("Enter a new password")
CHANGED_MEANWHILE = lazy_gettext("Your account was changed elsewhere in the meantime. Nothing was changed here.")
PASSWORD_INCORRECT = lazy_gettext("Password is incorrect")
ENTER_CODE = lazy_gettext("Enter the 6-digit code")
CODE_FORMAT = lazy_gettext("The code must be 6 digits, like 123456")
CODE_INCORRECT = lazy_gettext("The code is incorrect. Wait for the next one and enter it here.")
TOO_MANY_CODES = lazy_gettext("Too many codes were incorrect. Start again.")
AUTHENTICATOR_OFF = lazy_gettext(
    "Too many attempts. Open the account again with the link that was mailed to its address, or choose a new password."
)
ACCOUNT_OFF = lazy_gettext("This account is switched off. Use another account, or ask the people who run this service.")
ACCOUNT_CHANGED = lazy_gettext("Your account was changed while you were signing in. Sign in again.")
ENTER_NAME = lazy_gettext("Enter your name")
NAME_FORMAT = lazy_gettext("The name has a character that cannot be used, or is too long")
ENTER_FIRST_PASSWORD = lazy_gettext("Enter a password")
EMAIL_FORMAT = lazy_gettext("Enter an email address in the correct format, like name@example.com")
DOMAIN_NOT_ADMITTED = lazy_gettext("Accounts cannot be created with an email address of this domain. Use another one.")
ADDRESS_TAKEN = lazy_gettext("You have an account with this address already. Sign in.")
MAILED_CODE_INCORRECT = lazy_gettext("The code is incorrect. Enter the code from the latest message.")
MAILED_CODE_OVER = lazy_gettext("This code does not work any more. Ask for a new one.")
ACCEPT_DOCUMENT: Mapping[str, LazyString] = MappingProxyType({
    "terms": lazy_gettext("Accept the terms of service to go on"),
    "privacy": lazy_gettext("Confirm that you have read the privacy notice to go on"),
})  # fmt: skip
CHOOSE_DECISION = lazy_gettext("Choose Cancel or Allow")


def too_many_copies(retry_after: int) -> str:
    """For somebody who had a copy of their data a short while ago; `retry_after` is in seconds."""
    hours = -(-retry_after // 3600)
    return str(
        ngettext(
            "You asked for a copy a short while ago. You can ask for the next one in %(num)d hour.",
            "You asked for a copy a short while ago. You can ask for the next one in %(num)d hours.",
            hours,
        )
    )


def enough_mailed(retry_after: int) -> str:
    """For an address that had all its messages; `retry_after` is in seconds."""
    return str(
        ngettext(
            "This address was sent several messages already. Go on with the newest one, or try again "
            "in %(num)d minute.",
            "This address was sent several messages already. Go on with the newest one, or try again "
            "in %(num)d minutes.",
            -(-retry_after // 60),
        )
    )


def too_many_attempts(retry_after: int) -> str:
    """For a throttled attempt; `retry_after` is in seconds."""
    if retry_after <= 60:
        return str(gettext("Too many attempts. Try again in a minute."))
    minutes = -(-retry_after // 60)
    if minutes <= 90:
        return str(
            ngettext(
                "Too many attempts. Try again in %(num)d minute.",
                "Too many attempts. Try again in %(num)d minutes.",
                minutes,
            )
        )
    hours = -(-minutes // 60)
    return str(
        ngettext(
            "Too many attempts. Try again in %(num)d hour.",
            "Too many attempts. Try again in %(num)d hours.",
            hours,
        )
    )


def too_many_unfinished(retry_after: int) -> str:
    """What to do about too many unfinished sign-ins; `retry_after` is in seconds."""
    return str(
        ngettext(
            "Finish one that is still open in another tab, or try again in %(num)d minute.",
            "Finish one that is still open in another tab, or try again in %(num)d minutes.",
            -(-retry_after // 60),
        )
    )


# ---- choosing a password ---------------------------------------------------------------------------------

_PASSWORD_PROBLEMS: Mapping[str, LazyString] = MappingProxyType({
    "too_short": lazy_gettext("Password must be %(minimum)d characters or more"),
    "too_long": lazy_gettext("Password must be %(maximum)d characters or fewer"),
    "invalid_characters": lazy_gettext("Password contains a character that cannot be used. Type another one instead."),
    "common": lazy_gettext("This password is among the first that attackers try. Choose another one."),
    "repetitive": lazy_gettext("Password must not repeat a few characters over and over"),
    "sequence": lazy_gettext("Password must not follow the alphabet, the digits or the keyboard"),
    "context": lazy_gettext("Password must not be made of your name, your address or the name of this service"),
    "guessable": lazy_gettext("This password is too easy to guess. Add another word or two."),
    "breached": lazy_gettext(
        "This password is known from a data breach. Choose another one, and change it wherever else you use it."
    ),
    "reused": lazy_gettext("You have used this password here before. Choose another one."),
})  # fmt: skip

_PASSWORD_WARNINGS: Mapping[str, LazyString] = MappingProxyType({
    "keyboard_row": lazy_gettext("A row of keys is easy to guess."),
    "keyboard_pattern": lazy_gettext("Short patterns on the keyboard are easy to guess."),
    "repeated_character": lazy_gettext("Repeats like “aaa” are easy to guess."),
    "repeated_unit": lazy_gettext("Repeats like “abcabcabc” are hardly harder to guess than “abc”."),
    "common": lazy_gettext("Many people use this password."),
    "like_a_common_one": lazy_gettext("This is much like a password that many people use."),
    "sequence": lazy_gettext("Sequences like “abc” or “6543” are easy to guess."),
    "recent_year": lazy_gettext("Recent years are easy to guess."),
    "single_word": lazy_gettext("A word by itself is easy to guess."),
    "date": lazy_gettext("Dates are often easy to guess."),
    "name": lazy_gettext("Names are easy to guess."),
})  # fmt: skip

_PASSWORD_SUGGESTIONS: Mapping[str, LazyString] = MappingProxyType({
    "use_a_few_words": lazy_gettext("Use several words that do not belong together."),
    "no_need_for_symbols": lazy_gettext("Symbols, digits and capital letters are not needed."),
    "add_another_word": lazy_gettext("Add another word or two, uncommon ones best."),
    "capitals_help_little": lazy_gettext("Capital letters hardly help."),
    "all_capitals_help_little": lazy_gettext("All capital letters are hardly harder to guess than all small ones."),
    "reversed_words_help_little": lazy_gettext("Words spelled backwards are hardly harder to guess."),
    "substitutions_help_little": lazy_gettext("Replacing letters in well-known ways, like “@” for “a”, hardly helps."),
    "longer_keyboard_pattern": lazy_gettext("Use a longer pattern on the keyboard, with more turns."),
    "avoid_repeats": lazy_gettext("Avoid repeated words and characters."),
    "avoid_sequences": lazy_gettext("Avoid sequences."),
    "avoid_recent_years": lazy_gettext("Avoid recent years."),
    "avoid_your_years": lazy_gettext("Avoid years that have to do with you."),
    "avoid_your_dates": lazy_gettext("Avoid dates and years that have to do with you."),
})  # fmt: skip


def password_problem(violation: Violation) -> str:
    """The sentence for a rule that a new password breaks."""
    return str(_PASSWORD_PROBLEMS[violation.code]) % violation.params


def password_warning(warning: str) -> str:
    """The sentence for what `password_strength` found weak about a password."""
    return str(_PASSWORD_WARNINGS[warning])


def password_suggestion(suggestion: str) -> str:
    """The sentence for what `password_strength` suggests."""
    return str(_PASSWORD_SUGGESTIONS[suggestion])
