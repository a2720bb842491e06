"""The house rules that no linter knows."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.signin.dispatcher import PAGES
from tests.architecture.markdown import ROOT

LONGEST_FILE = 350
MODULES = sorted((ROOT / "idp").rglob("*.py"))
TEMPLATES = ROOT / "templates"
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "shared", "base_utils"}
TEMPLATE_NAME = re.compile(r'"((?:account|oauth|signin|web)/\w+\.html)"')

MAIL_NAME = re.compile(r"""mail\.put\(\s*"(\w+)"|\.tell\(\s*[\w.]+,\s*"(\w+)\"""")


def trees() -> Iterator[tuple[Path, ast.Module]]:
    """Every module of the product, parsed."""
    for path in MODULES:
        yield path, ast.parse(path.read_text())


def at(path: Path, node: ast.AST) -> str:
    """Where something stands, for people."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def imported(node: ast.AST) -> list[str]:
    """The modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def is_ours(module: str) -> bool:
    return module.split(".")[0] == "idp"


def test_the_import_contracts_are_kept() -> None:
    """Floors, independent rooms, pure modules and no cycles, as pyproject.toml has them."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(lint)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_stand_at_the_top() -> None:
    """An import inside a function hides a cycle."""
    hidden = [
        at(path, node)
        for path, tree in trees()
        for scope in ast.walk(tree)
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for node in ast.walk(scope)
        if any(is_ours(module) for module in imported(node))
    ]
    assert hidden == []


def test_no_import_is_for_type_checkers_alone() -> None:
    """Nor does `if TYPE_CHECKING` hide one."""
    hidden = [
        at(path, node)
        for path, tree in trees()
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for node in ast.walk(branch)
        if any(is_ours(module) for module in imported(node))
    ]
    assert hidden == []


def test_ky5_nothing_relies_on_assert() -> None:
    """`python -O` removes assertions, and with them whatever they guarded."""
    assert [at(path, n) for path, tree in trees() for n in ast.walk(tree) if isinstance(n, ast.Assert)] == []


def test_files_are_short() -> None:
    long = {str(p.relative_to(ROOT)): n for p in MODULES if (n := len(p.read_text().splitlines())) > LONGEST_FILE}
    assert long == {}


def test_there_is_no_drawer() -> None:
    """Every module is named for what it is about."""
    assert [str(path) for path in MODULES if path.stem in DRAWERS or path.parent.name in DRAWERS] == []


def test_every_module_and_public_name_is_described() -> None:
    bare = []
    for path, tree in trees():
        if tree.body and not ast.get_docstring(tree):
            bare.append(at(path, tree))
        for node in tree.body:
            named = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if named and not ast.get_docstring(node):
                bare.append(f"{at(path, node)} {node.name}")
    assert bare == []


def rendered() -> dict[str, set[str]]:
    """Template → the rooms whose code names it."""
    found: dict[str, set[str]] = {}
    for path in MODULES:
        for name in TEMPLATE_NAME.findall(path.read_text()):
            found.setdefault(name, set()).add(path.relative_to(ROOT / "idp").parts[0])
    return found


def test_every_template_is_rendered_by_its_own_room() -> None:
    assert {name: rooms for name, rooms in rendered().items() if rooms != {name.partition("/")[0]}} == {}


def test_no_template_is_left_over_and_none_is_missing() -> None:
    files = {str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html") if path.parent.name != "mail"}
    used = {name for path in TEMPLATES.rglob("*.html") for name in TEMPLATE_NAME.findall(path.read_text())}
    assert files == set(rendered()) | used


def test_every_mail_that_is_sent_has_its_template() -> None:
    """`templates/mail/…`, each dressed by two files that all of them share."""
    sent = {name for path in MODULES for pair in MAIL_NAME.findall(path.read_text()) for name in pair if name}
    files = {path.name for path in (TEMPLATES / "mail").iterdir()}
    assert {f"_{part}.{dress}" for part in ("layout", "parts") for dress in ("html", "txt")} <= files
    assert {f"{name}.jinja" for name in sent} - files == set()
    assert "password_changed" in sent


@pytest.mark.parametrize("endpoint", PAGES.values())
def test_the_page_of_a_step_has_its_file_and_its_template(endpoint: str) -> None:
    """`templates/signin/totp.html` is `idp/signin/totp.py`."""
    room, _, name = endpoint.partition(".")
    module = ROOT / "idp" / room / f"{name}.py"
    assert f'"{room}/{name}.html"' in module.read_text()
    assert (TEMPLATES / room / f"{name}.html").is_file()


def test_every_check_of_the_pipeline_is_a_file_and_every_file_a_check() -> None:
    pipeline = (ROOT / "idp/oauth/pipeline.py").read_text()
    listed = set(re.findall(r"^    (\w+)\.check,$", pipeline, re.M))
    files = {path.stem for path in (ROOT / "idp/oauth/checks").glob("*.py")} - {"__init__", "draft"}
    assert listed == files
