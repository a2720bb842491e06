"""The settings of privacy, a section of `core/settings`: leaving, copies of one's data, the record of processing."""

from pathlib import Path

from pydantic import Field

from idp.core.setting_sections import Section


class Privacy(Section):
    """Leaving, copies of one's own data, and the record of processing. Durations in seconds."""

    deletion_delay: int = Field(14 * 86400, ge=0, le=90 * 86400)
    """How long an account that is to be deleted can still be kept by undoing that. 0 erases it with the next round of
    maintenance."""
    export_lifetime: int = Field(3 * 86400, ge=300)
    """How long a copy of one's data is kept for download."""
    export_interval: int = Field(86400, ge=0)
    """How long after one copy the next can be asked for."""
    erased_list: Path | None = None
    """File that remembers who was erased, as hashes. Keep it apart from the database and out of its backups: after an
    older backup was restored, the worker erases again whom it names."""
    controller: str | None = None
    """Who answers for the processing (GDPR article 30): name and contact details, for the record of processing."""
    data_protection_officer: str | None = None
    """Their name and contact details, for the record of processing and the account pages."""
    recipients: str | None = None
    """Processors and other recipients beside those that idp knows of, such as the hosting company."""
    transfers: str | None = None
    """Transfers to third countries and their safeguards (GDPR article 30.1 e)."""
