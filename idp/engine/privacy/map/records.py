"""The map of personal data: messages, the audit trail, and copies of one's data."""

from typing import Final, cast

from sqlalchemy import Table

from idp.core.settings import Settings
from idp.engine.privacy.activities import MESSAGES, RIGHTS, SECURITY
from idp.engine.privacy.owners import by_event, by_export, by_recipient, by_user
from idp.engine.privacy.vocabulary import OWN_KEY, ROW, Erasure, PersonalTable
from idp.storage.tables import AuditEvent, DataExport, DataExportPart, OutboxMessage

_outbox = cast(Table, OutboxMessage.__table__)
_events = cast(Table, AuditEvent.__table__)
_exports = cast(Table, DataExport.__table__)
_parts = cast(Table, DataExportPart.__table__)

_WHAT_HAPPENED: Final = "says what happened; who it was is a pseudonym, and where from is gone"


def _messages_last(settings: Settings) -> str:
    return f"Until {settings.retention.message_days} days after delivery, or after it was given up."


def _trail_lasts(settings: Settings) -> str:
    days = settings.retention.audit_days
    return f"{days} days." if days else "For ever; under a pseudonym once the person was erased."


def _exports_last(settings: Settings) -> str:
    return f"{settings.privacy.export_lifetime // 3600} hours after the copy was made."


RECORD_TABLES: Final = (
    PersonalTable(
        table=_outbox,
        section="messages",
        what="Mail to the person, and what applications were told of them: that there was a message, not its text.",
        activity=MESSAGES,
        owner=by_recipient(_outbox),
        exported=(
            "kind", "recipient", "state", "attempts", "last_error", "created_at", "next_attempt_at", "settled_at",
        ),
        withheld={
            "id": ROW,
            "user_id": OWN_KEY,
            "payload": "what an application was told: which session is over",
            "sealed_payload": "may carry codes and links that open the account",
        },
        retention=_messages_last,
        erasure=Erasure.AFTER_DELIVERY,
    ),
    PersonalTable(
        table=_events,
        section="security_log",
        what="What happened to the account, and what the person did, as the security log has it.",
        activity=SECURITY,
        owner=by_event,
        exported=(
            "at", "event", "actor", "client_id", "session_id", "ip_address", "user_agent", "request_id", "details",
        ),
        withheld={
            "id": ROW,
            "user_id": "mostly the person; otherwise somebody else, whom it would tell of",
            "stream": "the part of the log that the entry is in",
            "sealed_at": "when the entry was made unchangeable, some seconds after it was written",
        },
        retention=_trail_lasts,
        erasure=Erasure.PSEUDONYMISED,
        kept=dict.fromkeys(("id", "at", "event", "client_id", "stream", "sealed_at"), _WHAT_HAPPENED),
    ),
    PersonalTable(
        table=_exports,
        section="data_exports",
        what="Copies of one's data, such as this one.",
        activity=RIGHTS,
        owner=by_user(_exports),
        exported=("state", "size", "requested_at", "ready_at", "expires_at"),
        withheld={
            "id": ROW,
            "user_id": OWN_KEY,
            "position": "how far the work has come",
            "leased_until": "for how long one worker has it to itself",
        },
        retention=_exports_last,
        erasure=Erasure.CASCADE,
    ),
    PersonalTable(
        table=_parts,
        section="data_export_files",
        what="The files of those copies, sealed.",
        activity=RIGHTS,
        owner=by_export(_parts),
        exported=("number", "length"),
        withheld={
            "id": ROW,
            "export_id": ROW,
            "starts_at": "follows from the lengths before it",
            "sealed_content": "is the copy itself",
        },
        retention=_exports_last,
        erasure=Erasure.CASCADE,
    ),
)  # fmt: skip
