"""THE MAP of personal data: every table and every column, whose it is, why it is there, and how it leaves.

Exports, erasure and the record of processing follow from it. A table or column that it does not speak of fails the
architecture tests: whoever adds one says here what it holds about people.
"""

from typing import Final

from idp.engine.privacy.map.accounts import ACCOUNT_TABLES, USERS
from idp.engine.privacy.map.authorization import AUTHORIZATION_TABLES
from idp.engine.privacy.map.others import OTHER_TABLES
from idp.engine.privacy.map.records import RECORD_TABLES
from idp.engine.privacy.map.signing_in import SIGN_IN_TABLES
from idp.engine.privacy.vocabulary import PersonalTable

PERSONAL: Final[tuple[PersonalTable, ...]] = (
    *ACCOUNT_TABLES,
    *SIGN_IN_TABLES,
    *AUTHORIZATION_TABLES,
    *RECORD_TABLES,
)
"""In the order of an export: what the person is likely to look for first."""

__all__ = ["OTHER_TABLES", "PERSONAL", "USERS"]
