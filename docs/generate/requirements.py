"""reference/requirements/README.md: what each specification demands of the server, counted."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.generate.markdown import page, table

DIRECTORY = Path(__file__).resolve().parents[1] / "reference" / "requirements"

COLUMNS = ("§", "requirement", "level", "shown by")
_HEADING = f"| {' | '.join(COLUMNS)} |"
TESTED = "tested"
NOT_APPLICABLE = "not applicable"
NOT_DONE = "not done"

_CELL = re.compile(r"(?<!\\)\|")
_TEST = re.compile(r"\[`(?P<function>\w+)`\]\((?P<path>[^)\s]+)\)")
_INTRODUCTION = """
What each specification demands of an authorization server, one requirement a row: *must* and *must not* as MUST,
*should* and *should not* as SHOULD, in our own words. What is left to choice is not listed, nor what concerns clients
alone. The pages are written by hand; this one counts them. [Specifications](../specifications.md) has the overview.

- **tested**: the row names the tests that show it.
- **not applicable**: it concerns something that this server does not have, or that lies outside of it.
- **not done**: it is not met, deliberately or not yet. The row says why, and all of them are listed below.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement; cells as they are written."""

    section: str
    requirement: str
    level: str
    shown_by: str

    @property
    def tests(self) -> list[tuple[str, str]]:
        """The path, as the page links it, and the function of each test that is named."""
        return [(match["path"], match["function"]) for match in _TEST.finditer(self.shown_by)]

    @property
    def kinds(self) -> list[str]:
        """Which of the three this row is; a sound one is exactly one of them."""
        exceptions = [kind for kind in (NOT_APPLICABLE, NOT_DONE) if self.shown_by.startswith(f"{kind}: ")]
        return [TESTED] * bool(self.tests) + exceptions

    @property
    def reason(self) -> str:
        """Why it is not applicable or not done."""
        return self.shown_by.partition(": ")[2]


def specification_pages() -> list[Path]:
    """The hand-written pages, one a specification: those that have a table of requirements."""
    return [path for path in _pages() if _HEADING in path.read_text()]


def _pages() -> list[Path]:
    return sorted(path for path in DIRECTORY.glob("*.md") if path.name != "README.md")


def title_of(path: Path) -> str:
    """The heading of a page."""
    return path.read_text().partition("\n")[0].removeprefix("# ").strip()


def rows_of(path: Path) -> list[Row]:
    """The requirements on a page. Raises ValueError if a row has too few cells or too many."""
    return list(_rows(path))


def _rows(path: Path) -> Iterator[Row]:
    is_inside = False
    for line in path.read_text().splitlines():
        is_inside = line == _HEADING or (is_inside and line.startswith("|"))
        if not is_inside or line == _HEADING or set(line) <= set("|-: "):
            continue
        cells = [cell.strip() for cell in _CELL.split(line.strip())[1:-1]]
        if len(cells) != len(COLUMNS):
            raise ValueError(f"{path.name}: a row has {len(cells)} cells, not {len(COLUMNS)}: {line}")
        yield Row(*cells)


def requirements_page() -> str:
    """The counts, and everything that is not done."""
    counted = [(path, rows_of(path)) for path in specification_pages()]
    lines = [_counts(f"[{title_of(path)}]({path.name})", rows) for path, rows in counted]
    total = _counts("**together**", [row for _, rows in counted for row in rows])
    headings = ("specification", "requirements", TESTED, NOT_APPLICABLE, NOT_DONE, "of these MUST")
    others = [path for path in _pages() if path not in {path for path, _ in counted}]
    beside = "\n".join(f"- [{title_of(path)}]({path.name})" for path in others)
    parts = [table(headings, [*lines, total]), beside and f"Beside them:\n\n{beside}", "## Not done"]
    for path, rows in counted:
        missing = [row for row in rows if row.kinds == [NOT_DONE]]
        if missing:
            listed = "\n".join(f"- §{row.section.lstrip('§')} {row.level}: {row.requirement}. {_sentence(row.reason)}"
                               for row in missing)  # fmt: skip
            parts.append(f"### {title_of(path)}\n\n{listed}")
    return page("Requirements", _INTRODUCTION, *parts)


def _counts(name: str, rows: list[Row]) -> tuple[str, ...]:
    missing = [row for row in rows if row.kinds == [NOT_DONE]]
    of = [sum(row.kinds == [kind] for row in rows) for kind in (TESTED, NOT_APPLICABLE)]
    return (name, *map(str, (len(rows), *of, len(missing), sum(row.level == "MUST" for row in missing))))


def _sentence(reason: str) -> str:
    return f"*{reason[:1].upper()}{reason[1:]}.*"
