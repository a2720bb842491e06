"""The security log in sentences: every audit event has one here, or is left out on purpose."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from flask_babel import LazyString, lazy_gettext

from idp.core.events import Event

_APP_UNKNOWN = lazy_gettext("an app that is gone")
_SOMEBODY_ELSE = lazy_gettext("an administrator")
_NOBODY = lazy_gettext("the service itself")

#: What happened. `%(app)s` is the app in question.
SENTENCES: Final[Mapping[Event, LazyString]] = MappingProxyType({
    Event.SIGN_IN_SUCCEEDED: lazy_gettext("Signed in"),
    Event.SIGN_IN_FAILED: lazy_gettext("Sign-in failed: wrong password"),
    Event.SIGN_IN_THROTTLED: lazy_gettext("Sign-in not looked at: too many attempts before it"),
    Event.MFA_FAILED: lazy_gettext("Sign-in failed: wrong code"),
    Event.MFA_THROTTLED: lazy_gettext("Code not looked at: too many attempts before it"),
    Event.SESSION_ENDED: lazy_gettext("Signed out"),
    Event.SESSION_REVOKED: lazy_gettext("A browser was signed out"),
    Event.AUTHORIZATION_GRANTED: lazy_gettext("Signed in to %(app)s"),
    Event.AUTHORIZATION_DENIED: lazy_gettext("Sign-in to %(app)s cancelled"),
    Event.CONSENT_GRANTED: lazy_gettext("%(app)s allowed to use the account"),
    Event.CONSENT_DENIED: lazy_gettext("%(app)s not allowed to use the account"),
    Event.CONSENT_REVOKED: lazy_gettext("Access of %(app)s removed"),
    Event.TERMS_ACCEPTED: lazy_gettext("Terms accepted"),
    Event.TOKEN_REVOKED: lazy_gettext("Access of %(app)s ended"),
    Event.TOKEN_REUSED: lazy_gettext("Access of %(app)s ended: a token of it seems to have been copied"),
    Event.CODE_REUSED: lazy_gettext("Access of %(app)s ended: a code for it seems to have been copied"),
    Event.ACCOUNT_LOCKED: lazy_gettext("Password sign-in switched off after many wrong passwords"),
    Event.ACCOUNT_UNLOCKED: lazy_gettext("Wrong passwords forgotten, password sign-in open again"),
    Event.PASSWORD_RESET_REQUESTED: lazy_gettext("A new password asked for by mail"),
    Event.PASSWORD_RESET_REFUSED: lazy_gettext("No new password: the code from the mail was wrong or too old"),
    Event.PASSWORD_RESET_COMPLETED: lazy_gettext("New password chosen with a code from a mail"),
    Event.INVITATION_SENT: lazy_gettext("Invitation sent"),
    Event.USER_CREATED: lazy_gettext("Account created"),
    Event.USER_REGISTERED: lazy_gettext("Account registered"),
    Event.USER_IMPORTED: lazy_gettext("Account taken over from another system"),
    Event.USER_UPDATED: lazy_gettext("Profile changed"),
    Event.USER_DEACTIVATED: lazy_gettext("Account switched off"),
    Event.USER_REACTIVATED: lazy_gettext("Account switched on again"),
    Event.USER_DELETION_SCHEDULED: lazy_gettext("Deletion of the account scheduled"),
    Event.USER_DELETION_UNDONE: lazy_gettext("Deletion of the account called off"),
    Event.EMAIL_CHANGE_REQUESTED: lazy_gettext("Another email address asked for"),
    Event.EMAIL_CHANGE_REFUSED: lazy_gettext("Email address not changed"),
    Event.EMAIL_CHANGED: lazy_gettext("Email address changed"),
    Event.EMAIL_CHANGE_UNDONE: lazy_gettext("Former email address taken back, password and sign-ins ended"),
    Event.PASSWORD_DISCARDED: lazy_gettext("Password discarded"),
    Event.PREFERENCES_CHANGED: lazy_gettext("Preferences changed"),
    Event.DATA_EXPORT_REQUESTED: lazy_gettext("Copy of your data asked for"),
    Event.DATA_EXPORT_DOWNLOADED: lazy_gettext("Copy of your data downloaded"),
    Event.PASSWORD_SET: lazy_gettext("Password set"),
    Event.PASSWORD_NOT_CONFIRMED: lazy_gettext("A change was not made: wrong current password"),
    Event.TOTP_ENROLLED: lazy_gettext("Authenticator app set up"),
    Event.ROLE_ASSIGNED: lazy_gettext("Role given"),
    Event.ROLE_UNASSIGNED: lazy_gettext("Role taken away"),
})  # fmt: skip

#: Left out: what always comes with an event above, what is between an app and us, and what is about nobody.
HIDDEN: Final = frozenset({
    # With every sign-in.
    Event.MFA_SUCCEEDED, Event.SESSION_STARTED, Event.SESSION_REFRESHED, Event.PASSWORD_REHASHED,
    # Between an app and us, many times a day.
    Event.AUTHORIZATION_REFUSED, Event.CLIENT_AUTHENTICATION_FAILED,
    Event.TOKEN_ISSUED, Event.TOKEN_REFUSED, Event.TOKEN_REFRESHED,
    # Before there is an account, or when it is gone.
    Event.REGISTRATION_STARTED, Event.REGISTRATION_CODE_REFUSED, Event.REGISTRATION_REFUSED,
    Event.USER_DELETED, Event.AUDIT_ERASED,
    # About the installation.
    Event.ROLE_CREATED, Event.ROLE_DELETED, Event.SIGN_IN_ANOMALY,
    Event.CLIENT_CREATED, Event.CLIENT_REGISTERED, Event.CLIENT_REGISTRATION_REFUSED, Event.CLIENT_UPDATED,
    Event.CLIENT_DELETED, Event.CLIENT_SECRET_ROTATED, Event.INITIAL_ACCESS_CREATED, Event.INITIAL_ACCESS_REVOKED,
    Event.RESOURCE_SERVER_CREATED, Event.RESOURCE_SERVER_UPDATED, Event.MESSAGE_FAILED,
    Event.KEY_CREATED, Event.KEY_ACTIVATED, Event.KEY_RETIRING, Event.KEY_RETIRED, Event.KEY_RESEALED,
})  # fmt: skip

_Details = Mapping[str, Any]
#: Events that are told more exactly where their details allow it: the sentence, and when it applies. The first counts.
_MORE_EXACTLY: Final[Mapping[Event, tuple[tuple[Callable[[_Details], bool], LazyString], ...]]] = MappingProxyType({
    Event.SIGN_IN_SUCCEEDED: (
        (lambda details: bool(details.get("new_device")), lazy_gettext("Signed in on a new device")),
    ),
    Event.SIGN_IN_FAILED: (
        (lambda details: details.get("reason") == "not_active", lazy_gettext("Sign-in failed: account switched off")),
    ),
    Event.SESSION_REVOKED: (
        (
            lambda details: details.get("reason") == "password_changed",
            lazy_gettext("A browser was signed out because the password changed"),
        ),
    ),
    Event.TERMS_ACCEPTED: (
        (lambda details: details.get("document") == "privacy", lazy_gettext("Privacy notice accepted")),
    ),
    Event.USER_UPDATED: (
        (lambda details: "email" in details.get("fields", ()), lazy_gettext("Email address changed")),
        (lambda details: "email_verified" in details.get("fields", ()), lazy_gettext("Email address confirmed")),
    ),
    Event.PASSWORD_SET: (
        (lambda details: bool(details.get("replaced")), lazy_gettext("Password changed")),
    ),
})  # fmt: skip


def sentence(event: Event, details: Mapping[str, Any], app: str | None) -> str:
    """What happened. `app` is the name of the app in question; None if it is not known any more."""
    candidates = _MORE_EXACTLY.get(event, ())
    found = next((text for applies, text in candidates if applies(details)), SENTENCES[event])
    return str(found) % {"app": app or str(_APP_UNKNOWN)}


def doer(actor: str, user_id: str, app: str | None) -> str | None:
    """Who did it, if not the person themselves; who exactly runs the service is none of their business."""
    if actor in (f"user:{user_id}", "anonymous"):
        return None
    if actor == "system":
        return str(_NOBODY)
    return app or str(_APP_UNKNOWN) if actor.startswith("client:") else str(_SOMEBODY_ELSE)
