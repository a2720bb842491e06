"""The gettext catalogues. `python -m tests.helpers.catalogue` brings `.po` and `.mo` up to date.

New messages arrive untranslated in `idp/translations/<language>/LC_MESSAGES/messages.po`: fill them in and
run it again.
"""

import io
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from idp.core.resources import resource_dir, translations_dir

LANGUAGES = ("de",)
_KEYWORDS = {**DEFAULT_KEYWORDS, "lazy_gettext": None}
_FIXED_DATE = datetime(2026, 1, 1, tzinfo=UTC)


def extracted() -> Catalog:
    """Every message in the product's Python modules and templates."""
    with (translations_dir() / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    catalog = Catalog(project="idp", charset="utf-8", fuzzy=False)
    for directory in (translations_dir().parent, resource_dir("templates")):
        found = extract_from_dir(directory, methods, options, keywords=_KEYWORDS)
        for _filename, _line, message, comments, context in found:
            catalog.add(message, auto_comments=comments, context=context)
    return catalog


def po_path(language: str) -> Path:
    """The human-written catalogue of a language."""
    return translations_dir() / language / "LC_MESSAGES" / "messages.po"


def load(language: str) -> Catalog:
    """The catalogue of a language as written."""
    with po_path(language).open("rb") as file:
        return read_po(file, locale=language)


def compiled(catalog: Catalog) -> bytes:
    """What the `.mo` of a catalogue must contain."""
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def refresh(language: str) -> list[str]:
    """Add new messages, drop old ones, compile. Returns the messages that still lack a translation."""
    path = po_path(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    catalog = load(language) if path.exists() else Catalog(locale=language)
    catalog.update(extracted(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    catalog.fuzzy = False
    # Dates and names in the header would change with every run and mean nothing.
    catalog.project, catalog.version, catalog.copyright_holder = "idp", "1", "the authors of idp"
    catalog.header_comment = "# Translations of idp."
    catalog.creation_date = catalog.revision_date = _FIXED_DATE
    catalog.last_translator = catalog.language_team = catalog.msgid_bugs_address = "idp"
    with path.open("wb") as file:
        write_po(file, catalog, width=110, sort_output=True, omit_header=False, no_location=True)
    written = load(language)
    path.with_suffix(".mo").write_bytes(compiled(written))
    return [str(message.id) for message in written if message.id and not _is_translated(message.string)]


def _is_translated(string: str | tuple[str, ...] | list[str]) -> bool:
    return all(string) if isinstance(string, tuple | list) else bool(string)


if __name__ == "__main__":
    for name in LANGUAGES:
        for missing in refresh(name):
            print(f"{name}: not translated: {missing}")
