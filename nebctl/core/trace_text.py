"""A trace's text as readings: every number exact, every fault with its row and column.

What real devices do is taken and told of in a note: rows said twice, several answers within a millisecond, a sensor's
noise just below zero. What no device does is refused: time that runs backwards, NaN, a current far below zero.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from nebctl.core.dose.reading import Reading
from nebctl.core.faults import Fault, FieldError, show_value
from nebctl.core.trace import DRY, HEADER, NAMES, QUANTITIES, STATE, TIME, Column
from nebctl.core.trace_field import read_dry, read_quantity, read_state, read_time, without_noise

T = TypeVar("T")
MOST_FAULTS = 20
MOST_ROWS = 2_000_000
"""More than 100 hours at 5 Hz; a session ends after two."""
LONGEST_LINE = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceText:
    """A trace that could be read; `notes` are sentences about what was handled and is worth knowing."""

    readings: tuple[Reading, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Told:
    """How often something was handled, and the line where it was first."""

    line: int
    times: int = 0


@dataclass(slots=True)
class _Text:
    """A text while it is read."""

    file: str
    faults: list[Fault] = field(default_factory=list)
    told: dict[str, _Told] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)

    def blame(self, line: int, column: str, value: str | None, error: FieldError) -> None:
        shown = None if value is None else show_value(value)
        self.faults.append(
            Fault(file=self.file, line=line, field=column, value=shown, problem=error.problem, right=error.right)
        )

    def tell(self, line: int, what: str) -> None:
        self.told.setdefault(what, _Told(line)).times += 1


def read_trace(lines: Iterable[bytes], file: str) -> TraceText | tuple[Fault, ...]:
    """Return the readings of a trace in UTF-8, or everything that is wrong with it; `file` names it for people.

    Lines end with LF or CR LF. Columns are found by their names, in any order; an unknown one is told of and not read.
    Numbers may have any number of digits and an exponent; they are rounded half-even to whole units. No more than
    `MOST_FAULTS` faults are returned.
    """
    text = _Text(file)
    rows = _decoded(lines, text)
    header = next(rows, None)
    columns = None if header is None else _read_header(header[1], text)
    if header is None and not text.faults:
        text.blame(1, "header", None, FieldError("the file is empty", f"write the header {HEADER}"))
    if columns is not None:
        _read_rows(rows, columns, text)
        if not text.readings and not text.faults:
            text.blame(2, "row", None, FieldError("there is no row after the header", "record a trace first"))
    if text.faults:
        return tuple(text.faults)
    return TraceText(readings=tuple(text.readings), notes=tuple(_note(what, told) for what, told in text.told.items()))


def _decoded(lines: Iterable[bytes], text: _Text) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers and without their ends; a line that is no text ends the reading."""
    empty = 0
    for number, line in enumerate(lines, start=1):
        try:
            row = _decode(line, first=number == 1)
        except FieldError as error:
            text.blame(number, "line", None, error)
            return
        if row.strip():
            if empty:
                text.blame(empty, "row", None, FieldError("the line is empty", "take it out"))
                empty = 0
            yield number, row
        else:
            empty = empty or number


def _decode(line: bytes, *, first: bool) -> str:
    if len(line) > LONGEST_LINE:
        raise FieldError(f"longer than {LONGEST_LINE} bytes", "a trace is one row a line; check that it is a trace")
    try:
        row = line.decode("utf-8-sig" if first else "utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        seen = f"byte {error.start + 1} is 0x{line[error.start]:02x}, which is no UTF-8"
        raise FieldError(seen, "save the file as UTF-8") from None
    if "\0" in row:
        raise FieldError("it holds a NUL byte", "give the trace as text in UTF-8; this may be UTF-16 or no text at all")
    return row


def _read_header(row: str, text: _Text) -> tuple[str, ...] | None:
    """Return the columns in their order; None where one is missing or not clear."""
    names = tuple(_split(row))
    if len(names) == 1 and any(sign in row for sign in ";\t"):
        text.blame(1, "header", row, FieldError("no commas", "separate the columns by commas, with decimal points"))
        return None
    unknown = [name for name in names if name not in NAMES]
    for name in NAMES:
        near = next((seen for seen in unknown if seen.lower() == name.lower()), None)
        if name not in names:
            right = (
                f"write {name} instead of {near}" if near else f"add it, empty where there is none; header: {HEADER}"
            )
            text.blame(1, name, None, FieldError("the column is missing", right))
        elif names.count(name) > 1:
            text.blame(1, name, None, FieldError("the column stands there twice", "keep one of them"))
    if "" in names:
        error = FieldError(f"column {names.index('') + 1} has no name", "take out the comma, or name the column")
        text.blame(1, "header", None, error)
    if text.faults:
        return None
    for name in unknown:
        text.tell(1, f"column {show_value(name)} is not known and was not read")
    return names


def _read_rows(rows: Iterable[tuple[int, str]], columns: Sequence[str], text: _Text) -> None:
    for number, row in rows:
        if len(text.faults) >= MOST_FAULTS:
            return
        if len(text.readings) >= MOST_ROWS:
            text.blame(number, "row", None, FieldError(f"more than {MOST_ROWS} rows", "cut the trace to its session"))
            return
        fields = _split(row)
        if len(fields) != len(columns):
            text.blame(number, "row", row, _wrong_count(len(fields), len(columns)))
            continue
        named = dict(zip(columns, fields, strict=True))
        reading = _read_row(number, named, text)
        if reading is not None:
            _add(number, reading, named[TIME], text)


def _wrong_count(seen: int, right: int) -> FieldError:
    advice = "write numbers with a decimal point" if seen > right else "take the row out if it was cut off"
    return FieldError(f"{seen} fields", f"expected {right}, as in the header; {advice}")


def _read_row(number: int, fields: Mapping[str, str], text: _Text) -> Reading | None:
    """Return the reading of a row, None where a field is at fault."""
    before = len(text.faults)
    at_ms = _field(number, TIME, read_time, fields, text)
    doing = _field(number, STATE, read_state, fields, text)
    dry = _field(number, DRY, read_dry, fields, text)
    numbers = {column.member: _number(number, column, fields, text) for column in QUANTITIES}
    if at_ms is None or doing is None or len(text.faults) > before:
        return None
    return Reading(at_ms=at_ms, doing=doing, dry=dry, **numbers)


def _field(number: int, name: str, read: Callable[[str], T], fields: Mapping[str, str], text: _Text) -> T | None:
    """Return a field, None where it is at fault."""
    try:
        return read(fields[name])
    except FieldError as error:
        text.blame(number, name, fields[name], error)
        return None


def _number(number: int, column: Column, fields: Mapping[str, str], text: _Text) -> int | None:
    if not fields[column.name]:
        return None
    value = _field(number, column.name, partial(read_quantity, column=column), fields, text)
    settled = without_noise(value, column)
    if settled != value:
        text.tell(number, f"{column.name} is a little below 0, as noise makes it, and was read as 0")
    return settled


def _add(number: int, reading: Reading, t_s: str, text: _Text) -> None:
    """Add a reading in its order of time; what was said twice is counted once."""
    last = text.readings[-1] if text.readings else None
    if last is None or reading.at_ms > last.at_ms:
        text.readings.append(reading)
    elif reading.at_ms < last.at_ms:
        problem = f"the time runs backwards, from {last.at_ms / 1000:.3f} s"
        text.blame(number, TIME, t_s, FieldError(problem, "sort the rows by time, or take out what was joined on"))
    elif reading == last:
        text.tell(number, "a row repeats the one before it and was counted once")
    else:
        text.readings.append(reading)
        text.tell(number, "a row has the same time as the one before it, with other values; both were taken, in order")


def _split(row: str) -> list[str]:
    """Return the fields of a row; a field may stand in quotes, as some programs write them."""
    return [_unquoted(text.strip()) for text in row.split(",")]


def _unquoted(text: str) -> str:
    return text[1:-1].strip() if len(text) >= 2 and text[0] == text[-1] == '"' else text


def _note(what: str, told: _Told) -> str:
    more = "" if told.times == 1 else f" ({told.times} times, the first here)"
    return f"line {told.line}: {what}{more}"
