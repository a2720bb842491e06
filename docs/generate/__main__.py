"""`python -m docs.generate` writes the generated pages; `--check` only says which are out of date."""

import sys
from collections.abc import Callable
from pathlib import Path

from docs.generate.cli import cli_page
from docs.generate.clients import clients_page
from docs.generate.endpoints import endpoints_page
from docs.generate.errors import errors_page
from docs.generate.events import events_page
from docs.generate.mails import mails_page
from docs.generate.markdown import replace_block
from docs.generate.metrics import metrics_page
from docs.generate.pipeline import checks_table
from docs.generate.policy import decision_table
from docs.generate.privacy import export_page, export_schema, record_page
from docs.generate.requirements import requirements_page
from docs.generate.settings import settings_page
from docs.generate.tables import tables_page

DOCS = Path(__file__).resolve().parent.parent

PAGES: dict[str, Callable[[], str]] = {
    "reference/settings.md": settings_page,
    "reference/cli.md": cli_page,
    "reference/audit-events.md": events_page,
    "reference/metrics.md": metrics_page,
    "reference/http-endpoints.md": endpoints_page,
    "reference/error-codes.md": errors_page,
    "reference/client-metadata.md": clients_page,
    "reference/database-tables.md": tables_page,
    "reference/mails.md": mails_page,
    "reference/requirements/README.md": requirements_page,
    "reference/record-of-processing.md": record_page,
    "reference/personal-data-export.md": export_page,
    "reference/personal-data-export.schema.json": export_schema,
}
BLOCKS: dict[str, tuple[str, Callable[[], str]]] = {
    "explanation/sign-in-policy.md": ("decision table", decision_table),
    "explanation/architecture.md": ("checks", checks_table),
}


def wanted() -> dict[Path, str]:
    """Every file that is written, wholly or in part, with what it should contain."""
    files = {DOCS / name: make() for name, make in PAGES.items()}
    for name, (block, make) in BLOCKS.items():
        path = DOCS / name
        files[path] = replace_block(path.read_text(), block, make())
    return files


def main(arguments: list[str]) -> int:
    """Write, or with --check compare. 1 if something is out of date."""
    stale = {path: text for path, text in wanted().items() if not path.exists() or path.read_text() != text}
    if arguments == ["--check"]:
        for path in stale:
            print(f"out of date: {path.relative_to(DOCS.parent)}; run: make docs", file=sys.stderr)
        return 1 if stale else 0
    for path, text in stale.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"written: {path.relative_to(DOCS.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
