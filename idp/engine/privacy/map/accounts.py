"""The map of personal data: people, their addresses, and their duties."""

from typing import Final, cast

from sqlalchemy import Table, select

from idp.core.settings import Settings
from idp.engine.privacy.activities import ACCOUNTS
from idp.engine.privacy.owners import by_user
from idp.engine.privacy.vocabulary import OWN_KEY, ROW, Erasure, PersonalTable
from idp.identity.directory.claims import CLAIM_NAMES
from idp.storage.tables import AvatarRow, MailOptIn, PairwiseSubject, Role, RoleAssignment, UserEmail, UserRow

_users = cast(Table, UserRow.__table__)
_emails = cast(Table, UserEmail.__table__)
_subjects = cast(Table, PairwiseSubject.__table__)
_pictures = cast(Table, AvatarRow.__table__)
_opt_ins = cast(Table, MailOptIn.__table__)
_assignments = cast(Table, RoleAssignment.__table__)
_roles = Role.__table__.c


def with_the_account(settings: Settings) -> str:
    """For as long as there is an account."""
    days = settings.retention.deactivated_days
    rest = f", or until it has been switched off for {days} days" if days else ""
    return f"As long as the account exists{rest}."


USERS: Final = PersonalTable(
    table=_users,
    section="account",
    what="The account: its identifier and status, and the profile as the person or the operator filled it in.",
    activity=ACCOUNTS,
    owner=by_user(_users, "id"),
    exported=(
        "id", "status", *CLAIM_NAMES, "theme", "created_at", "updated_at", "deactivated_at", "deactivated_by",
        "deletion_requested_at", "deletion_requested_by", "erase_after", "is_service_account",
    ),
    withheld={},
    retention=with_the_account,
    erasure=Erasure.DELETED,
)  # fmt: skip

ACCOUNT_TABLES: Final = (
    USERS,
    PersonalTable(
        table=_emails,
        section="email_addresses",
        what="E-mail addresses, by which the person signs in and gets mail.",
        activity=ACCOUNTS,
        owner=by_user(_emails),
        exported=("address", "canonical", "is_primary", "verified_at", "created_at"),
        withheld={"id": ROW, "user_id": OWN_KEY},
        retention=with_the_account,
        erasure=Erasure.CASCADE,
    ),
    PersonalTable(
        table=_subjects,
        section="pairwise_subjects",
        what="The names by which groups of applications know the person, so that they cannot compare notes.",
        activity=ACCOUNTS,
        owner=by_user(_subjects),
        exported=("sector", "subject", "created_at"),
        withheld={"user_id": OWN_KEY},
        retention=with_the_account,
        erasure=Erasure.CASCADE,
    ),
    PersonalTable(
        table=_pictures,
        section="pictures",
        what="The picture that the person uploaded. It is itself in this export, under `files`.",
        activity=ACCOUNTS,
        owner=by_user(_pictures),
        exported=("created_at",),
        withheld={
            "name": "the address of the picture, which is in the profile as well",
            "user_id": OWN_KEY,
            "collect_after": "when what is nobody's picture any more is deleted",
        },
        retention=with_the_account,
        erasure=Erasure.COLLECTED,
    ),
    PersonalTable(
        table=_opt_ins,
        section="mail_choices",
        what="Which mail that nobody needs to get the person wants or does not want.",
        activity=ACCOUNTS,
        owner=by_user(_opt_ins),
        exported=("topic", "is_wanted", "decided_at"),
        withheld={"user_id": OWN_KEY},
        retention=with_the_account,
        erasure=Erasure.CASCADE,
    ),
    PersonalTable(
        table=_assignments,
        section="roles",
        what="The duties that the person was given.",
        activity=ACCOUNTS,
        owner=by_user(_assignments),
        exported=("created_at",),
        withheld={"user_id": OWN_KEY, "role_id": "the role's name stands for it"},
        also={
            "role": select(_roles.name).where(_roles.id == _assignments.c.role_id).scalar_subquery(),
            "description": select(_roles.description).where(_roles.id == _assignments.c.role_id).scalar_subquery(),
        },
        retention=with_the_account,
        erasure=Erasure.CASCADE,
    ),
)
