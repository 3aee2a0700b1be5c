"""TOML with line numbers: the parsed table, where each of its values stands, and what kept a line from being read."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from nebctl.core.faults import Fault, readable

Path: TypeAlias = tuple[str | int, ...]

_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_STATEMENT = re.compile(r"""\s*((?:[A-Za-z0-9_.\s-]|"[^"]*"|'[^']*')+?)\s*=\s*(.*)""")
_NO_SUCH_DATE = "Invalid date or datetime"
_TWICE = "Cannot overwrite a value"
_DEEPEST = 32
_SHALLOWER = f"write at most {_DEEPEST} tables and arrays inside one another"
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlText:
    """A TOML file as far as it could be read.

    `lost` are the fields of lines that could not be read; each has its fault, so that none is called missing as well.
    `table` None means that the text is no TOML at all.
    """

    file: str
    table: Mapping[str, Any] | None
    lines: Mapping[Path, int]
    faults: tuple[Fault, ...]
    lost: frozenset[str]

    def line_of(self, path: Path) -> int:
        """Return the line where a value stands, or where the nearest table around it begins."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_toml(text: str, file: str) -> TomlText:
    """Read a TOML text; a date that does not exist and a key given twice cost their own line only."""
    rows = text.split("\n")
    try:
        read = _read(rows, file)
    except RecursionError:
        return _unreadable(rows, file, "[{.", "nested too deeply", _SHALLOWER)
    except ValueError as error:  # tomllib lets it through where a number has thousands of digits
        return _unreadable(rows, file, "0123456789", str(error), "write a shorter number")
    if read.table is not None and _is_deep(read.table):
        return _unreadable(rows, file, "[{.", "nested too deeply", _SHALLOWER)
    return read


def _unreadable(rows: list[str], file: str, signs: str, problem: str, right: str) -> TomlText:
    """Return one fault about the whole text, at the line that has the most of `signs`."""
    line = max(range(len(rows)), key=lambda at: sum(map(rows[at].count, signs))) + 1
    fault = Fault(file=file, line=line, field="TOML", value=None, problem=problem, right=right)
    return TomlText(file=file, table=None, lines={}, faults=(fault,), lost=frozenset())


def _is_deep(table: Mapping[str, Any]) -> bool:
    """Return whether tables and arrays stand deeper in one another than any file of ours needs."""
    level: list[Any] = [table]
    for _ in range(_DEEPEST):
        level = [inner for value in level for inner in (value.values() if isinstance(value, dict) else value)]
        level = [value for value in level if isinstance(value, dict | list)]
        if not level:
            return False
    return True


def _read(rows: list[str], file: str) -> TomlText:
    faults: list[Fault] = []
    lost: set[str] = set()
    while True:
        try:
            table = tomllib.loads("\n".join(rows))
        except tomllib.TOMLDecodeError as error:
            fault, readable_without = _explain(error, rows, file)
            faults.append(fault)
            if not readable_without:
                return TomlText(file=file, table=None, lines={}, faults=tuple(faults), lost=frozenset())
            lost.add(fault.field)
            rows[fault.line - 1] = ""
        else:
            lines = dict(_locate(rows))
            return TomlText(file=file, table=table, lines=lines, faults=tuple(faults), lost=frozenset(lost))


def dotted(path: Path) -> str:
    """Return a path as a person writes it: `arms.treatment.content`, `notes[1].text`, `"2.0 mL"`."""
    text = "".join(f"[{step + 1}]" if isinstance(step, int) else f".{_write_key(step)}" for step in path)
    return text.removeprefix(".")


def _write_key(step: str) -> str:
    return step if _BARE.fullmatch(step) else f'"{readable(step)}"'


def _explain(error: tomllib.TOMLDecodeError, rows: list[str], file: str) -> tuple[Fault, bool]:
    """Return the error as a fault, and whether the rest can be read once its line is left out."""
    message = str(error)
    position = _POSITION.search(message)
    problem = _POSITION.sub("", message)
    line = int(position.group(1)) if position and position.group(1) else len(rows)
    statement = _STATEMENT.fullmatch(rows[line - 1])
    if statement is None:
        right = "write it as TOML: [table] lines, and lines of the form key = value"
        seen = rows[line - 1].strip() or None
        return Fault(file=file, line=line, field="TOML", value=seen, problem=problem, right=right), False
    field = dotted((*_table_at(rows, line), *_key(statement.group(1))))
    said, right, alone = _say(problem, statement.group(0), field, rows)
    return Fault(file=file, line=line, field=field, value=statement.group(2) or None, problem=said, right=right), alone


def _say(problem: str, statement: str, field: str, rows: list[str]) -> tuple[str, str, bool]:
    """Return the problem, what would be right, and whether the statement stands on one line of its own."""
    if problem == _NO_SUCH_DATE:
        return "this date does not exist", "write a date of the calendar, such as 2020-02-29", "\n" not in statement
    if problem == _TWICE:
        first = next((line for path, line in _locate(rows) if dotted(path) == field), None)
        where = f" (first on line {first})" if first else ""
        return f"this key stands twice{where}", "keep one of the two lines", _parses(statement)
    return f"this is no TOML: {problem}", 'write a string in quotes, such as "3 mL"', False


def _parses(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _locate(rows: list[str]) -> Iterator[tuple[Path, int]]:
    """Yield every path of a TOML text with the line on which it begins, in the order of the text."""
    table: Path = ()
    counts: dict[Path, int] = {}
    at = 0
    while at < len(rows):
        start, row = at, rows[at]
        at += 1
        if header := _HEADER.fullmatch(row):
            table = _open_table(header, counts)
            yield table, start + 1
        elif _STATEMENT.fullmatch(row):
            at, found = _read_statement(rows, start)
            yield from (((*table, *path), start + 1) for path in found)


def _open_table(header: re.Match[str], counts: dict[Path, int]) -> Path:
    path: Path = _key(header.group(2))
    if header.group(1) == "[[":
        counts[path] = counts.get(path, -1) + 1
    for depth in range(len(path), 0, -1):
        if path[:depth] in counts:
            path = (*path[:depth], counts[path[:depth]], *path[depth:])
    return path


def _read_statement(rows: list[str], start: int) -> tuple[int, list[Path]]:
    """Return the row after the statement that begins at `start`, and the paths that it sets."""
    for end in range(start + 1, len(rows) + 1):
        try:
            return end, list(_paths(tomllib.loads("\n".join(rows[start:end]))))
        except tomllib.TOMLDecodeError as error:
            if not str(error).endswith("(at end of document)"):
                break
    return start + 1, []


def _paths(value: object) -> Iterator[Path]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (key,)
            yield from ((key, *rest) for rest in _paths(inner))


def _table_at(rows: list[str], line: int) -> Path:
    """Return the table that a line belongs to."""
    counts: dict[Path, int] = {}
    headers = (_HEADER.fullmatch(row) for row in rows[: line - 1])
    paths = [_open_table(header, counts) for header in headers if header]
    return paths[-1] if paths else ()


def _key(text: str) -> tuple[str, ...]:
    """Return the steps of a dotted key as TOML reads it."""
    try:
        table: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return (text.strip(),)
    steps = []
    while isinstance(table, dict):
        [(step, table)] = table.items()
        steps.append(step)
    return tuple(steps)
