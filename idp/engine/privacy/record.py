"""The record of processing activities (GDPR article 30), which follows from the map and the settings."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from idp.core.settings import Settings
from idp.engine.privacy.activities import ACTIVITIES
from idp.engine.privacy.map import PERSONAL
from idp.engine.privacy.vocabulary import Activity, PersonalTable

NOT_NAMED: Final = "(not named: set {})"
SUBJECTS: Final = "People who have an account or try to sign in."
SAFEGUARDS: Final = (
    "Passwords are kept as Argon2id hashes under a secret key; tokens, codes and session cookies as hashes.",
    "Seeds of one-time codes, private keys, the text of mail and copies of personal data are sealed with AES-256-GCM.",
    "Everything between browsers, applications and this server travels over TLS.",
    "Every security decision is in a log whose entries are chained, so that changes show.",
    "Failed attempts are counted and slowed down; what is over is deleted by itself.",
)


@dataclass(frozen=True, slots=True)
class Category:
    """A category of data within an activity: one table."""

    name: str
    what: str
    fields: tuple[str, ...]
    retention: str
    erasure: str


@dataclass(frozen=True, slots=True)
class RecordedActivity:
    """One activity with its particulars (article 30.1 b to f)."""

    title: str
    purpose: str
    legal_basis: str
    data_subjects: str
    recipients: str
    categories: tuple[Category, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """The whole record of one installation."""

    installation: str
    controller: str
    data_protection_officer: str
    further_recipients: str
    transfers: str
    activities: tuple[RecordedActivity, ...]
    safeguards: tuple[str, ...]


def record_of_processing(settings: Settings) -> Record:
    """The record of the installation that has these settings."""
    privacy = settings.privacy
    return Record(
        installation=settings.issuer,
        controller=privacy.controller or NOT_NAMED.format("IDP_PRIVACY__CONTROLLER"),
        data_protection_officer=(
            privacy.data_protection_officer or NOT_NAMED.format("IDP_PRIVACY__DATA_PROTECTION_OFFICER")
        ),
        further_recipients=privacy.recipients or NOT_NAMED.format("IDP_PRIVACY__RECIPIENTS"),
        transfers=privacy.transfers or NOT_NAMED.format("IDP_PRIVACY__TRANSFERS"),
        activities=tuple(_recorded(activity, settings) for activity in ACTIVITIES),
        safeguards=SAFEGUARDS,
    )


def as_markdown(record: Record, level: int = 1) -> Iterator[str]:
    """The record as paragraphs of Markdown, under headings from that level on."""
    top, sub = "#" * (level + 1), "#" * (level + 2)
    yield "\n".join(
        [
            f"- Installation: {record.installation}",
            f"- Controller: {record.controller}",
            f"- Data protection officer: {record.data_protection_officer}",
            f"- Recipients beside those below: {record.further_recipients}",
            f"- Transfers to third countries: {record.transfers}",
        ]
    )
    for activity in record.activities:
        yield f"{top} {activity.title}"
        yield "\n".join(
            [
                f"- Purpose: {activity.purpose}",
                f"- Legal basis: {activity.legal_basis}",
                f"- Data subjects: {activity.data_subjects}",
                f"- Recipients: {activity.recipients}",
            ]
        )
        for category in activity.categories:
            yield f"{sub} {category.name}"
            yield category.what
            yield "\n".join(
                [
                    f"- Data: {', '.join(f'`{field}`' for field in category.fields)}.",
                    f"- Kept: {category.retention}",
                    f"- On erasure: {category.erasure}.",
                ]
            )
    yield f"{top} Security of processing"
    yield "\n".join(f"- {safeguard}" for safeguard in record.safeguards)


def _recorded(activity: Activity, settings: Settings) -> RecordedActivity:
    return RecordedActivity(
        title=activity.title,
        purpose=activity.purpose,
        legal_basis=activity.legal_basis,
        data_subjects=SUBJECTS,
        recipients=activity.recipients,
        categories=tuple(_category(entry, settings) for entry in PERSONAL if entry.activity is activity),
    )


def _category(entry: PersonalTable, settings: Settings) -> Category:
    return Category(
        name=entry.section.replace("_", " ").capitalize(),
        what=entry.what,
        fields=tuple(column.name for column in entry.table.columns),
        retention=entry.retention(settings),
        erasure=entry.erasure.value,
    )
