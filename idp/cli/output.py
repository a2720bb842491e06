"""How commands answer: a table or lines for people, JSON for programs, and nothing that fools a terminal."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

AnyFunction = Callable[..., Any]

_GAP = "  "


def json_option(function: AnyFunction) -> AnyFunction:
    """The `--json` flag, passed on as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def print_json(value: Any) -> None:
    """Print any record, or list of records, as indented JSON."""
    click.echo(_json(value, indent=2))


def print_json_line(value: Any) -> None:
    """Print one record on one line, as streams are read (JSON Lines)."""
    click.echo(_json(value))


def _json(value: Any, indent: int | None = None) -> str:
    """Half a surrogate, as files of strangers have them, cannot be printed: it is escaped, which JSON knows too."""
    written = json.dumps(value, indent=indent, ensure_ascii=False, default=_plain)
    return written.encode("utf-8", "backslashreplace").decode()


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print aligned columns; says so if there is nothing to print."""
    texts = [[text(cell) for cell in row] for row in rows]
    if not texts:
        click.echo("(none)")
        return
    widths = [max(len(row[column]) for row in [headings, *texts]) for column in range(len(headings))]
    for row in [headings, *texts]:
        click.echo(
            _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(),
            color=False,
        )


def print_fields(fields: Mapping[str, Any]) -> None:
    """Print one record, a line per field that has a value; what is nested takes a line for each part of it."""
    shown = {name: value for name, value in fields.items() if value not in (None, "", (), [], {})}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        for number, line in enumerate(_lines(value)):
            click.echo(f"{('' if number else name):<{width}}{_GAP}{line}".rstrip())


def _lines(value: Any) -> list[str]:
    """A value as a person reads it, records and lists of records unfolded in the manner of YAML."""
    if isinstance(value, Mapping):
        lines = []
        for name, inner in value.items():
            if _is_nested(inner):
                lines += [f"{text(name)}:", *(_GAP + line for line in _lines(inner))]
            else:
                lines.append(f"{text(name)}: {text(inner)}")
        return lines
    if _is_nested(value):
        lines = []
        for item in value:
            first, *rest = _lines(item) or ["-"]
            lines += [f"- {first}", *(_GAP + line for line in rest)]
        return lines
    return [text(value)]


def _is_nested(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_is_nested(item) for item in value)
    return isinstance(value, Mapping) and bool(value)


def text(value: Any) -> str:
    """A value on one line. Names and user agents are strangers' text: control characters are escaped."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, frozenset | set):
        value = sorted(value)
    if isinstance(value, list | tuple):
        return " ".join(text(item) for item in value) or "-"
    if isinstance(value, Mapping):
        value = json.dumps(value, ensure_ascii=False, default=_plain)
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(value))


def instant(value: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return instant(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
