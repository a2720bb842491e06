"""The pages of requirements are true: each test that they name exists, and each row says exactly one thing."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from docs.generate.__main__ import DOCS, wanted
from docs.generate.requirements import DIRECTORY, TESTED, Row, rows_of, specification_pages, title_of
from tests.architecture.markdown import ROOT

SECTION = re.compile(r"§?(\d+(\.\d+)*|[A-Z](\.\d+)*)")

every_specification = pytest.mark.parametrize("page", specification_pages(), ids=lambda page: page.stem)


@cache
def functions_of(path: Path) -> frozenset[str]:
    """The names of the test functions in a file, those in classes too."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds))


def missing_tests(page: Path, row: Row) -> list[str]:
    """Every test that a row names and that is not where the row says."""
    missing = []
    for link, function in row.tests:
        path = (page.parent / link.partition("#")[0]).resolve()
        is_test = path.name.startswith("test_") and path.is_file() and path.is_relative_to(ROOT / "tests")
        if not is_test or not function.startswith("test_") or function not in functions_of(path):
            missing.append(f"{link}: {function}")
    return missing


@every_specification
def test_each_named_test_exists(page: Path) -> None:
    assert [name for row in rows_of(page) for name in missing_tests(page, row)] == []


@every_specification
def test_each_row_says_one_thing(page: Path) -> None:
    assert [row for row in rows_of(page) if len(row.kinds) != 1] == []
    assert [row for row in rows_of(page) if row.kinds != [TESTED] and len(row.reason) < 10] == []


@every_specification
def test_all_links_of_a_row_are_read_as_tests(page: Path) -> None:
    """A link that is written otherwise would not be looked at."""
    assert [row for row in rows_of(page) if row.kinds == [TESTED] and row.shown_by.count("](") != len(row.tests)] == []


@every_specification
def test_levels_and_sections(page: Path) -> None:
    rows = rows_of(page)
    assert rows, "a page without requirements"
    assert {row.level for row in rows} <= {"MUST", "SHOULD"}
    sections = [section for row in rows for section in row.section.split(", ")]
    assert [section for section in sections if not SECTION.fullmatch(section)] == []


@every_specification
def test_no_row_comes_twice(page: Path) -> None:
    said = [(row.section, row.requirement.casefold()) for row in rows_of(page)]
    assert sorted(row for row in set(said) if said.count(row) > 1) == []


def test_each_page_has_a_title_of_its_own() -> None:
    titles = [title_of(page) for page in specification_pages()]
    assert len(set(titles)) == len(titles)
    assert all(titles)


def test_the_counts_are_current() -> None:
    readme = DIRECTORY / "README.md"
    assert readme == DOCS / "reference" / "requirements" / "README.md"
    assert readme.read_text() == wanted()[readme], "run: make docs"


def test_a_made_up_test_would_be_noticed() -> None:
    """So that the tests above mean something."""
    page = specification_pages()[0]
    for link in ("../../../tests/architecture/test_requirements.py", "../../../tests/nowhere.py", "README.md"):
        assert missing_tests(page, Row("1", "x", "MUST", f"[`test_that_nobody_wrote`]({link})"))
    real = "[`test_no_row_comes_twice`](../../../tests/architecture/test_requirements.py)"
    assert missing_tests(page, Row("1", "x", "MUST", real)) == []
