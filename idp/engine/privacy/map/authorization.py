"""The map of personal data: what people allowed applications, and what these got."""

from typing import Final, cast

from sqlalchemy import Table

from idp.core.settings import Settings
from idp.engine.privacy.activities import AUTHORIZATION, PROOF
from idp.engine.privacy.map.accounts import with_the_account
from idp.engine.privacy.map.signing_in import name_of_client
from idp.engine.privacy.owners import by_user
from idp.engine.privacy.vocabulary import HASH, OWN_KEY, ROW, Erasure, PersonalTable
from idp.storage.tables import ConsentRecord, ConsentRow, TermsAcceptance, TokenFamily

_consents = cast(Table, ConsentRow.__table__)
_records = cast(Table, ConsentRecord.__table__)
_terms = cast(Table, TermsAcceptance.__table__)
_families = cast(Table, TokenFamily.__table__)

_WHAT_WAS_DECIDED: Final = "says what was decided, and without the person's identifier not by whom"


def _proof_lasts(settings: Settings) -> str:
    days = settings.retention.consent_record_days
    if not days:
        return "As long as the account exists."
    return f"As long as the account exists, and {days} days more under a pseudonym."


def _tokens_last(settings: Settings) -> str:
    days = settings.retention.token_family_days
    return f"Until {days} days after the access has expired."


AUTHORIZATION_TABLES: Final = (
    PersonalTable(
        table=_consents,
        section="permissions",
        what="What the person allows applications at present.",
        activity=AUTHORIZATION,
        owner=by_user(_consents),
        exported=("client_id", "scopes", "resources", "declined", "claims", "granted_at", "updated_at"),
        withheld={"id": ROW, "user_id": OWN_KEY},
        also={"client_name": name_of_client(_consents)},
        retention=with_the_account,
        erasure=Erasure.CASCADE,
    ),
    PersonalTable(
        table=_records,
        section="permission_history",
        what="Each time that the person allowed an application something, or took it back.",
        activity=PROOF,
        owner=by_user(_records),
        exported=("client_id", "action", "scopes", "resources", "claims", "declined", "decided_by", "at"),
        withheld={"id": ROW, "user_id": OWN_KEY, "erased_at": "empty as long as there is an account"},
        also={"client_name": name_of_client(_records)},
        retention=_proof_lasts,
        erasure=Erasure.PSEUDONYMISED,
        kept=dict.fromkeys(
            ("id", "client_id", "action", "scopes", "resources", "claims", "declined", "decided_by", "at"),
            _WHAT_WAS_DECIDED,
        ),
    ),
    PersonalTable(
        table=_terms,
        section="accepted_terms",
        what="Terms of use and privacy notices that the person accepted.",
        activity=PROOF,
        owner=by_user(_terms),
        exported=("document", "version", "locale", "url", "accepted_at"),
        withheld={"id": ROW, "user_id": OWN_KEY, "erased_at": "empty as long as there is an account"},
        retention=_proof_lasts,
        erasure=Erasure.PSEUDONYMISED,
        kept=dict.fromkeys(("id", "document", "version", "locale", "url", "accepted_at"), _WHAT_WAS_DECIDED),
    ),
    PersonalTable(
        table=_families,
        section="application_access",
        what="Access that applications were given: to what, since when and until when. Not the tokens themselves.",
        activity=AUTHORIZATION,
        owner=by_user(_families),
        exported=(
            "id", "client_id", "subject", "session_id", "scopes", "resources", "claims_request", "auth_time", "acr",
            "amr", "offline", "generation", "rotated_at", "last_used_at", "idle_expires_at", "expires_at", "revoked_at",
            "revoke_reason", "created_at",
        ),
        withheld={"user_id": OWN_KEY, "code_hash": HASH, "salt": "a part of what tokens are made from"},
        also={"client_name": name_of_client(_families)},
        retention=_tokens_last,
        erasure=Erasure.CASCADE,
    ),
)  # fmt: skip
