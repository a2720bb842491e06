"""Reading export files entry by entry: a file of a million users is never in memory as a whole.

JSON comes as an array, as one object with an array in it, or with one object on each line; CSV with a header or not.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

LONGEST_ENTRY: Final = 1024 * 1024
"""Characters of one user."""
LONGEST_BESIDE: Final = 64 * 1024 * 1024
"""Characters of one of the other members of a realm export, which are skipped."""

_CHUNK = 64 * 1024
_SPACE = " \t\r\n"


class BrokenFile(Exception):
    """From here on nothing in the file can be understood. `number` is that of the entry."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number


@dataclass(frozen=True, slots=True)
class Row:
    """One entry: its line (CSV, JSON Lines) or its position in the array, from 1. Without `values`, `problem`."""

    number: int
    values: dict[str, Any] | None = None
    problem: str | None = None


def read_rows(
    file: IO[str], *, is_csv: bool = False, member: str | None = None, columns: Sequence[str] | None = None
) -> Iterator[Row]:
    """The entries of a file. Raises BrokenFile.

    `member` is where the array is if the file is one object; `columns` are those of CSV without a header.
    """
    if is_csv:
        yield from _csv_rows(file, columns)
        return
    start = _Text(file)
    if start.peek() == "[":
        yield from _array(start)
    elif start.peek() == "{" and member is not None:
        yield from _array_within(start, member)
    else:
        yield from _lines(start)


def _csv_rows(file: Iterable[str], columns: Sequence[str] | None) -> Iterator[Row]:
    reader = csv.reader(file)
    names = None if columns is None else list(columns)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(max(1, reader.line_num), problem=f"not CSV: {error}")
            continue
        if not any(cells):
            continue
        if names is None:
            names = [cell.strip().lower() for cell in cells]
            if len(set(names)) != len(names):
                raise BrokenFile(1, "a column occurs twice in the header")
            continue
        more = cells[len(names) :]
        if any(more):
            yield Row(reader.line_num, problem="there are more values than columns")
        else:
            yield Row(reader.line_num, dict(zip(names, cells, strict=False)))


def _lines(text: "_Text") -> Iterator[Row]:
    for number, line in text.lines():
        if line is None:
            yield Row(number, problem="the line is too long")
        elif line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                yield Row(number, problem="the line is not a JSON object")
            else:
                yield _entry(number, value)


def _array_within(text: "_Text", member: str) -> Iterator[Row]:
    """The array in one member of an object, whatever the other members are."""
    text.take("{", 1)
    while text.peek() != "}":
        name = text.value(1, LONGEST_ENTRY)
        text.take(":", 1)
        if name == member:
            yield from _array(text)
            return
        text.value(1, LONGEST_BESIDE)
        if text.peek() != ",":
            break
        text.take(",", 1)
    raise BrokenFile(1, f"the file has no array '{member}'")


def _array(text: "_Text") -> Iterator[Row]:
    text.take("[", 1)
    number = 0
    while text.peek() != "]":
        number += 1
        if number > 1:
            text.take(",", number)
        yield _entry(number, text.value(number, LONGEST_ENTRY))


def _entry(number: int, value: object) -> Row:
    if isinstance(value, dict):
        return Row(number, value)
    return Row(number, problem="the entry is not a JSON object")


class _Text:
    """The text of a file, as much of it as has to be looked at."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._seen = ""
        self._at = 0
        self._line = 1
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            while self._at < len(self._seen):
                character = self._seen[self._at]
                if character not in _SPACE:
                    return character
                self._line += character == "\n"
                self._at += 1
            if not self._more(_CHUNK):
                return ""

    def take(self, character: str, number: int) -> None:
        """Go past this character. Raises BrokenFile if it is another one."""
        found = self.peek()
        if found != character:
            raise BrokenFile(number, f"'{character}' was expected, and is not there")
        self._at += 1

    def value(self, number: int, longest: int) -> Any:
        """The next JSON value. Raises BrokenFile if there is none, or it is longer than `longest`."""
        self.peek()
        wanted = _CHUNK
        while True:
            try:
                value, end = self._decoder.raw_decode(self._seen, self._at)
            except json.JSONDecodeError:
                end = -1
            except (ValueError, RecursionError):
                raise BrokenFile(number, "the entry has a number too long, or is nested too deeply") from None
            # What ends with the text that was read may go on in what was not.
            if 0 <= end < len(self._seen):
                self._at = end
                return value
            if len(self._seen) - self._at > longest:
                raise BrokenFile(number, "the entry is not JSON, or too large")
            if not self._more(wanted):
                if end < 0:
                    raise BrokenFile(number, "the entry is not JSON, or the file ends in it")
                self._at = end
                return value
            wanted *= 2

    def lines(self) -> Iterator[tuple[int, str | None]]:
        """What is left, line by line with their numbers; None for a line that is too long."""
        rest, number = self._seen[self._at :], self._line
        while True:
            line, rest = rest, ""
            while "\n" not in line and len(line) <= LONGEST_ENTRY:
                more = self._file.readline(_CHUNK)
                line += more
                if not more:
                    break
            line, newline, rest = line.partition("\n")
            if not line and not newline:
                return
            if len(line) > LONGEST_ENTRY:
                yield number, None
                while not newline and (more := self._file.readline(_CHUNK)):
                    newline = more[-1:] if more.endswith("\n") else ""
            else:
                yield number, line
            number += 1

    def _more(self, characters: int) -> bool:
        read = self._file.read(characters)
        if self._at > 0:
            self._seen, self._at = self._seen[self._at :], 0
        self._seen += read
        return bool(read)
