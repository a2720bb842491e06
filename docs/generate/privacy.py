"""reference/record-of-processing.md, reference/personal-data-export.md and its JSON Schema"""

import json
from typing import Any, Final

from sqlalchemy import JSON, Boolean, Column, DateTime, Integer, LargeBinary
from sqlalchemy.types import TypeDecorator

from docs.generate.markdown import code, page, table
from idp.core.settings import Settings
from idp.engine.privacy.document import FORMAT, VERSION
from idp.engine.privacy.map import OTHER_TABLES, PERSONAL
from idp.engine.privacy.record import as_markdown, record_of_processing
from idp.engine.privacy.vocabulary import PersonalTable

_RECORD = """
What a record of processing activities (GDPR article 30) says of idp, with the default settings. `idp privacy record`
prints it for an installation, with its own settings and the names that these give; `--json` for programs. It follows
from the map in `idp/engine/privacy/map/`, from which exports and erasure follow as well.
"""
_EXPORT = f"""
The copy of everything held about one person, as `idp user export` prints it and people download it themselves (GDPR
articles 15 and 20). It is one JSON document in UTF-8, described by a
[JSON Schema](personal-data-export.schema.json). `format` is `{FORMAT}` and `version` is {VERSION}: the number goes up
when a member changes its meaning or goes away, and new members may come at any time.

| member | what it is |
|---|---|
| `format`, `version` | which format this is |
| `issuer` | which installation it comes from |
| `created_at` | when it was asked for (RFC 3339) |
| `person` | the identifier, the `sub` values by which applications know the person, and the e-mail addresses |
| `information` | who answers for the processing, who else gets data, and which rights there are |
| `sections` | for each section of `data`: what it is, why, on which legal basis, for whom, how long, what is left out |
| `data` | the sections, each a list of records; an empty list says that there is nothing |
| `files` | the picture that the person uploaded, if there is one, in Base64 |

Times are RFC 3339. Secrets are never in it: no password or its hash, no seed, no token, no code. Each record of `data`
stands on a line of its own.
"""
_PROSE: Final = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Personal data export",
    "description": "Everything that idp holds about one person. See personal-data-export.md.",
    "type": "object",
}


def record_page() -> str:
    """The record of processing, with the default settings."""
    others = table(("table", "what it holds"), [(code(other.table.name), other.why) for other in OTHER_TABLES])
    return page(
        "Record of processing",
        _RECORD,
        *as_markdown(record_of_processing(Settings(environment="development"))),
        "## Tables without data about people who sign in",
        others,
    )


def export_page() -> str:
    """Every section of an export."""
    parts = []
    for entry in PERSONAL:
        rows = [(code(name), "in the export") for name in (*entry.exported, *entry.also)]
        rows += [(code(name), f"left out: {why}") for name, why in entry.withheld.items()]
        parts += [
            f"## {entry.section}\n\n{entry.what} From the table `{entry.table.name}`.",
            table(("field", ""), rows),
        ]
    return page("Export of personal data", _EXPORT, *parts)


def export_schema() -> str:
    """The JSON Schema of an export."""
    sections = [entry.section for entry in PERSONAL]
    members = {
        "format": {"const": FORMAT},
        "version": {"const": VERSION},
        "issuer": {"type": "string", "format": "uri"},
        "created_at": {"type": "string", "format": "date-time"},
        "person": _object(id=_TEXT, subjects=_TEXTS, addresses=_TEXTS),
        "information": _object(
            controller=_MAYBE, data_protection_officer=_MAYBE, recipients=_MAYBE, transfers=_MAYBE, rights=_TEXTS
        ),
        "sections": _object(**dict.fromkeys(sections, _EXPLANATION)),
        "files": {"type": "array", "items": _object(name=_TEXT, media_type=_TEXT, content=_BYTES)},
        "data": _object(**{entry.section: {"type": "array", "items": _rows(entry)} for entry in PERSONAL}),
    }
    return json.dumps({**_PROSE, "required": list(members), "properties": members}, indent=2) + "\n"


_TEXT: Final = {"type": "string"}
_BYTES: Final = {"type": "string", "contentEncoding": "base64"}
_TEXTS: Final = {"type": "array", "items": _TEXT}
_MAYBE: Final = {"type": ["string", "null"]}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


_EXPLANATION: Final = _object(
    what=_TEXT, purpose=_TEXT, legal_basis=_TEXT, recipients=_TEXT, retention=_TEXT,
    not_included={"type": "object", "additionalProperties": _TEXT},
)  # fmt: skip


def _rows(entry: PersonalTable) -> dict[str, Any]:
    columns = {name: _value(entry.table.c[name]) for name in entry.exported}
    return _object(**columns, **dict.fromkeys(entry.also, _MAYBE)) | {"additionalProperties": False}


def _value(column: Column[Any]) -> dict[str, Any]:
    kind = column.type.impl if isinstance(column.type, TypeDecorator) else column.type
    if isinstance(kind, JSON):
        return {}
    described: dict[str, Any] = {"type": "string"}
    if isinstance(kind, Boolean):
        described = {"type": "boolean"}
    elif isinstance(kind, Integer):
        described = {"type": "integer"}
    elif isinstance(kind, DateTime):
        described["format"] = "date-time"
    elif isinstance(kind, LargeBinary):
        described["contentEncoding"] = "base64"
    if column.nullable:
        described["type"] = [described["type"], "null"]
    return described
