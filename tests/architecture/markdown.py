"""Reading the project's Markdown: pages, code blocks, links, anchors, commands."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_BLOCK = re.compile(r"(?:<!-- tested: (?P<tested>\S+) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S)
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)|<img src=\"(?P<image>[^\"]+)\"")
_INLINE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of code; `tested` is the name in the comment before it."""

    page: Path
    language: str
    code: str
    tested: str | None


def pages() -> list[Path]:
    """Every page a reader may open, at the top and in docs/ and beside the code."""
    places = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "keys").glob("*.md")]
    return sorted([*places, *(ROOT / "bench").glob("*.md"), *(ROOT / "examples").glob("*.md")])


def name_of(page: Path) -> str:
    """The page's path in the repository, as test ids show it."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """The fenced code blocks of a page."""
    return [
        Block(page, match["language"], match["code"], match["tested"]) for match in _BLOCK.finditer(page.read_text())
    ]


def program_on(page: str, name: str) -> str:
    """The block of a page that a comment marks as tested under this name."""
    (code,) = (block.code for block in blocks(ROOT / page) if block.tested == name)
    return code


def links(page: Path) -> list[str]:
    """The targets of the links and images on a page, outside code."""
    return [match["target"] or match["image"] for match in _LINK.finditer(_prose(page))]


def anchors(page: Path) -> set[str]:
    """The anchors that headings make, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+ +(.+)$", _BLOCK.sub("", page.read_text()), re.M):
        plain = re.sub(r"[^\w\- ]", "", heading.strip().lower())
        found.add(plain.replace(" ", "-"))
    return found


def commands(page: Path) -> Iterator[list[str]]:
    """What the page tells people to type, in shell blocks and in running text, as words."""
    for block in blocks(page):
        if block.language == "sh":
            for line in block.code.replace("\\\n", " ").splitlines():
                yield from _words(line)
    for text in _INLINE.findall(_prose(page)):
        yield from _words(text)


def _words(line: str) -> Iterator[list[str]]:
    for part in re.split(r"\s[|;&]+\s|<<<", line.partition(" #")[0]):
        try:
            words = shlex.split(part)
        except ValueError:
            continue  # prose between backticks, or a here-document
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        if words:
            yield words


def _prose(page: Path) -> str:
    return _BLOCK.sub("", page.read_text())
