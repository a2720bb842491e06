"""The documentation is in step with the code: pages, links, commands, words."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

from docs.generate.__main__ import DOCS, wanted
from docs.generate.cli import leaves
from docs.generate.docstrings import attribute_docstrings
from docs.generate.endpoints import endpoints
from docs.generate.mails import TEMPLATES as MAILS
from docs.generate.mails import occasion
from docs.generate.settings import setting_names, walk
from idp.account import routes as account_routes
from idp.cli import main
from idp.core.events import Event
from idp.core.settings import PREFIX, Settings
from idp.identity.clients.members import Members
from idp.oauth import routes as oauth_routes
from idp.oauth.errors import OAuthError
from idp.signin import routes as signin_routes
from idp.storage.db import Base
from idp.web import routes as web_routes
from tests.architecture.markdown import ROOT, anchors, blocks, commands, links, name_of, pages

every_page = pytest.mark.parametrize("page", pages(), ids=name_of)


def reference(name: str) -> str:
    """The text of a reference page."""
    return (DOCS / "reference" / f"{name}.md").read_text()


# Generated pages


def test_the_generated_pages_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "docs.generate", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_generating_twice_gives_the_same() -> None:
    assert wanted() == wanted()


def test_every_setting_is_in_the_reference() -> None:
    assert [name for name in setting_names() if f"`{name}`" not in reference("settings")] == []


def test_every_setting_is_described() -> None:
    bare = [
        f"{section.__name__}.{name}"
        for section, rows in walk(Settings, PREFIX)
        for name in (row[0].rpartition("__")[2].removeprefix(PREFIX).lower() for row in rows)
        if name not in attribute_docstrings(section)
    ]
    assert bare == []


def test_every_command_is_in_the_reference() -> None:
    text = reference("cli")
    assert [path for path, _ in leaves() if f"# idp {path}\n" not in text] == []


def test_every_option_is_described() -> None:
    options = [
        (path, option.opts[0], option.help)
        for path, command in leaves()
        for option in command.params
        if isinstance(option, click.Option)
    ]
    assert [option for option in options if not option[2]] == []


def test_every_event_is_described_and_in_the_reference() -> None:
    assert {event.name for event in Event} == set(attribute_docstrings(Event))
    assert [event for event in Event if f"`{event.value}`" not in reference("audit-events")] == []


def test_every_event_is_recorded_somewhere() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "idp").rglob("*.py"))
    assert [event.name for event in Event if f"Event.{event.name}" not in code] == []


def test_every_endpoint_is_in_the_reference() -> None:
    text = reference("http-endpoints")
    found = [e for module in (oauth_routes, signin_routes, account_routes, web_routes) for e in endpoints(module)]
    assert [e.path for e in found if f"| `{e.path}` | {e.methods} |" not in text] == []
    assert [e.path for e in found if not e.text] == []


def test_every_protocol_endpoint_names_its_specification() -> None:
    bare = [e.path for e in endpoints(oauth_routes) if not e.specification and e.path != "/oauth2/authorize/resume"]
    assert bare == []


def test_every_error_says_when_it_is_used() -> None:
    assert [
        cls.__name__ for cls in OAuthError.__subclasses__() if not re.search(r"\w.*\(.*§?.*\)", cls.__doc__ or "")
    ] == []


def test_every_metadata_member_is_described() -> None:
    members = set(Members.model_fields)
    assert members == set(attribute_docstrings(Members))
    assert [name for name in members - {"localized"} if f"`{name}`" not in reference("client-metadata")] == []


def test_every_table_is_in_the_reference() -> None:
    assert [name for name in Base.metadata.tables if f"## {name}\n" not in reference("database-tables")] == []


# Pages


def test_every_page_can_be_found() -> None:
    """From docs/README.md or, for decision records and requirements, from their own index."""
    targets = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in (
            ROOT / "README.md",
            DOCS / "README.md",
            DOCS / "adr" / "README.md",
            DOCS / "reference" / "requirements" / "README.md",
        )
        for link in links(page)
        if not link.startswith("http")
    }
    lost = [
        name_of(page) for page in DOCS.rglob("*.md") if page.resolve() not in targets and page != DOCS / "README.md"
    ]
    assert lost == []


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, fragment = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (fragment and fragment not in anchors(target)):
            broken.append(link)
    assert broken == []


@every_page
def test_python_compiles(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            compile(block.code, name_of(page), "exec")


# Security

_BY_PROCEDURE = {"KY4"}
"""Restoring a backup is something that an operator does, as the guide says."""


def _defended() -> set[str]:
    """The ids of attacks that the security model says are defended against, ranges spelled out."""
    found = set()
    for cell in re.findall(
        r"^\| ([A-Z]+\d+(?:–[A-Z]*\d+)?) \|", (DOCS / "explanation/security-model.md").read_text(), re.M
    ):
        first, _, last = cell.partition("–")
        letters, start = re.fullmatch(r"([A-Z]+)(\d+)", first).groups()  # type: ignore[union-attr]
        end = re.sub(r"\D", "", last) or start
        found |= {f"{letters}{number}" for number in range(int(start), int(end) + 1)}
    return found


def test_every_defence_is_tried() -> None:
    tests = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py") if path.parent.name != "node_modules"]
    text = "\n".join(tests).upper()
    ranges = {
        f"{letters}{number}"
        for letters, start, end in re.findall(r"\b([A-Z]{2})(\d+)–[A-Z]*(\d+)", text)
        for number in range(int(start), int(end) + 1)
    }
    spoken = set(re.findall(r"(?<![A-Z0-9])([A-Z]{2}\d+)(?!\d)", text)) | ranges
    assert sorted(_defended() - spoken - _BY_PROCEDURE) == []


# Commands


def test_the_documented_idp_commands_exist() -> None:
    wrong = []
    for page in pages():
        for words in commands(page):
            words = _of_idp(words)
            if words and (problem := _problem(words)):
                wrong.append(f"{name_of(page)}: idp {' '.join(words)}: {problem}")
    assert wrong == []


def test_the_documented_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    used = {word for page in pages() for words in commands(page) if words[0] == "make" for word in words[1:2]}
    assert {word for word in used if re.fullmatch(r"[a-z-]+", word)} - targets == set()


def test_the_documented_modules_exist() -> None:
    modules = {
        words[2]
        for page in pages()
        for words in commands(page)
        if re.search(r"python3?$", words[0]) and words[1:2] == ["-m"] and len(words) > 2
    }
    assert [name for name in modules - {"venv", "pip"} if find_spec(name) is None] == []


def test_the_documented_settings_exist() -> None:
    """Every `IDP_…` on any page is a setting, or the file form of one."""
    known = set(setting_names())
    known |= {f"{name}_FILE" for name in known}
    mentioned = {
        (name_of(page), name)
        for page in pages()
        for name in re.findall(r"\bIDP_[A-Z][A-Z0-9_]*[A-Z0-9]\b(?!…|__)", page.read_text())
    }
    assert sorted(item for item in mentioned if item[1] not in known) == []


def _of_idp(words: list[str]) -> list[str]:
    """The words after `idp`, if this is a call of it."""
    if words[:2] == ["docker", "compose"] and words[2:3] == ["exec"]:
        words = [word for word in words[3:] if word != "-T"][1:]
    if words and words[0].rpartition("/")[2] == "idp":
        return words[1:]
    return []


def _problem(words: list[str]) -> str | None:
    """What is wrong with a documented command, if anything."""
    command: click.Command = main
    rest = list(words)
    while isinstance(command, click.Group) and rest and re.fullmatch(r"[a-z][a-z-]*", rest[0]):
        found = command.commands.get(rest[0])
        if found is None:
            return f"there is no '{rest[0]}'"
        command, rest = found, rest[1:]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {
        "-h",
        "--help",
        "--version",
    }
    unknown = [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known]
    return f"no option {unknown[0]}" if unknown else None


# Words

_FOREIGN = (
    "/" + "work/",
    "/tmp" + "/plan",
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry.npm" + "js.org",
    "repo.maven" + ".apache.org",
    "repo1." + "maven.org",
    "proxy.golang" + ".org",
    "work " + "session",
    "session of " + "work",
)
_TEXTS = {".py", ".md", ".toml", ".yml", ".html", ".css", ".js", ".mjs", ".go", ".java", ".json", ".lock", ".po", ""}
_OURS = ("idp", "docs", "examples", "tests", "bench", "migrations", "templates", "static", "keys", ".ci")


def test_nothing_tells_where_it_was_written() -> None:
    """No paths of a machine, no host names of registries."""
    found = []
    for path in [*ROOT.glob("*"), *(inner for name in _OURS for inner in (ROOT / name).rglob("*"))]:
        parts = set(path.relative_to(ROOT).parts)
        if (
            not path.is_file()
            or path.suffix not in _TEXTS
            or parts & {"node_modules", "target", "__pycache__", "results"}
        ):
            continue
        text = path.read_text(errors="replace").lower()
        found += [(str(path.relative_to(ROOT)), word) for word in _FOREIGN if word in text]
    assert found == []


def test_the_changelog_has_a_place_for_what_is_new() -> None:
    assert re.search(r"^## Unreleased$", (ROOT / "CHANGELOG.md").read_text(), re.M)


@pytest.mark.parametrize("path", sorted(MAILS.glob("*.jinja")), ids=lambda path: path.stem)
def test_every_mail_says_when_it_is_sent_and_to_whom(path: Path) -> None:
    when, to = occasion(path)
    assert when.endswith(".")
    assert to
    assert not to.endswith(".")
