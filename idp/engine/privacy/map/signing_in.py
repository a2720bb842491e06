"""The map of personal data: what people sign in with, and their sessions."""

from typing import Final, cast

from sqlalchemy import ColumnElement, Table, select

from idp.core.settings import Settings
from idp.engine.privacy.activities import SECURITY, SIGN_IN
from idp.engine.privacy.map.accounts import with_the_account
from idp.engine.privacy.owners import by_content, by_counter, by_session, by_user, by_user_or_address
from idp.engine.privacy.vocabulary import HASH, OWN_KEY, ROW, SECRET, Erasure, PersonalTable
from idp.storage.tables import (
    ClientRow,
    EphemeralEntry,
    FormerPassword,
    MailedProof,
    PasswordCredential,
    SessionParticipant,
    SessionRow,
    ThrottleRow,
    TotpCredential,
)

_passwords = cast(Table, PasswordCredential.__table__)
_former = cast(Table, FormerPassword.__table__)
_totp = cast(Table, TotpCredential.__table__)
_proofs = cast(Table, MailedProof.__table__)
_sessions = cast(Table, SessionRow.__table__)
_participants = cast(Table, SessionParticipant.__table__)
_throttles = cast(Table, ThrottleRow.__table__)
_ephemeral = cast(Table, EphemeralEntry.__table__)
_clients = ClientRow.__table__.c


def name_of_client(table: Table) -> ColumnElement[str | None]:
    """What the client of a row is called, while it exists."""
    return select(_clients.client_name).where(_clients.client_id == table.c.client_id).scalar_subquery()


def _sessions_last(settings: Settings) -> str:
    days = settings.retention.session_days
    return f"Until {days} days after the session was over; sessions end when the account does."


def _proofs_last(_settings: Settings) -> str:
    return "Minutes to days: until the code or link has expired."


def _counters_last(_settings: Settings) -> str:
    return "Up to a year after the last failed attempt, and no longer than the account; a right password clears them."


def _interactions_last(settings: Settings) -> str:
    return f"Minutes; at the longest {settings.lifetimes.interaction_restart // 60} after the sign-in was begun."


SIGN_IN_TABLES: Final = (
    PersonalTable(
        table=_passwords,
        section="password",
        what="That there is a password, and since when. If this is empty, there is none.",
        activity=SIGN_IN,
        owner=by_user(_passwords),
        exported=("changed_at",),
        withheld={
            "user_id": OWN_KEY,
            "hash": "nobody knows the password: only a hash of it is kept, which would help to guess it",
            "pepper_id": "says which key of the server the hash was made with",
            "scheme": "says which other system made the hash, if one did",
        },
        retention=with_the_account,
        erasure=Erasure.CASCADE,
    ),
    PersonalTable(
        table=_former,
        section="former_passwords",
        what="That there were other passwords before, kept so that none is chosen again.",
        activity=SIGN_IN,
        owner=by_user(_former),
        exported=("replaced_at",),
        withheld={
            "id": ROW,
            "user_id": OWN_KEY,
            "hash": "only a hash of the password is kept, which would help to guess it",
            "pepper_id": "says which key of the server the hash was made with",
        },
        retention=with_the_account,
        erasure=Erasure.CASCADE,
    ),
    PersonalTable(
        table=_totp,
        section="authenticator_apps",
        what="Generators of one-time codes that were set up.",
        activity=SIGN_IN,
        owner=by_user(_totp),
        exported=("confirmed_at", "created_at"),
        withheld={
            "id": ROW,
            "user_id": OWN_KEY,
            "sealed_seed": SECRET,
            "last_step": "the number of the last code that was used, so that it is not used twice",
        },
        retention=with_the_account,
        erasure=Erasure.CASCADE,
    ),
    PersonalTable(
        table=_proofs,
        section="mailed_codes",
        what="Codes and links that were mailed, to prove that the person reads mail at an address.",
        activity=SIGN_IN,
        owner=by_user_or_address(_proofs),
        exported=(
            "purpose", "address", "code_expires_at", "tries", "expires_at", "used_at", "created_at",
        ),
        withheld={
            "id": ROW,
            "subject": "what a newer code replaces",
            "user_id": OWN_KEY,
            "details": "what is to happen when the code comes back; it is elsewhere in this export once it has",
            "code_hash": HASH,
            "token_hash": HASH,
        },
        retention=_proofs_last,
        erasure=Erasure.DELETED,
    ),
    PersonalTable(
        table=_sessions,
        section="sessions",
        what="Browsers that the person signed in with: when, how, and from which address.",
        activity=SIGN_IN,
        owner=by_user(_sessions),
        exported=(
            "id", "auth_time", "amr", "acr", "ip_address", "user_agent", "created_at", "last_seen_at",
            "idle_expires_at", "expires_at", "ended_at", "end_reason",
        ),
        withheld={"user_id": OWN_KEY, "token_hash": HASH},
        retention=_sessions_last,
        erasure=Erasure.CASCADE,
    ),
    PersonalTable(
        table=_participants,
        section="session_applications",
        what="Applications that the person signed in to within those sessions.",
        activity=SIGN_IN,
        owner=by_session(_participants),
        exported=("session_id", "client_id", "subject", "has_back_channel", "joined_at"),
        withheld={},
        also={"client_name": name_of_client(_participants)},
        retention=_sessions_last,
        erasure=Erasure.CASCADE,
    ),
    PersonalTable(
        table=_throttles,
        section="failed_attempts",
        what="How often somebody failed to sign in to the account lately, counted to stop guessing.",
        activity=SECURITY,
        owner=by_counter(_throttles),
        exported=("failures", "window_started_at", "last_failure_at", "blocked_until", "expires_at"),
        withheld={"key": "names the account, and by its cookie the browser that was tried with"},
        retention=_counters_last,
        erasure=Erasure.DELETED,
    ),
    PersonalTable(
        table=_ephemeral,
        section="unfinished_sign_ins",
        what="Sign-ins under way, and access that is given out at this moment; there may be more of it in memory.",
        activity=SIGN_IN,
        owner=by_content(_ephemeral),
        exported=("expires_at",),
        withheld={
            "key": "whoever knows it can go on with the sign-in",
            "value": "the state of the sign-in, gone within minutes; everything in it is elsewhere in this export",
        },
        retention=_interactions_last,
        erasure=Erasure.DELETED,
    ),
)  # fmt: skip
