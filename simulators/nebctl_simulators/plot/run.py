"""What a picture is drawn from: the simulator's truth as CSV, and its injections as JSON."""

import csv
import json
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

NS_PER_S = 1_000_000_000
NL_PER_ML = 1_000_000
SHORTEST_S = 0.5
"""Rows nearer to each other give no rate: their times are rounded to 1 ms and their volumes to 1 nL."""
ABOUT = ("unit", "function", "address", "command")
NEEDED = ("t_s", "emitted_nl", "output")

_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")

Span = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the truth: plant time in s, volumes in mL, current in mA; None where the file has no such column."""

    t_s: float
    emitted_ml: float
    output: str
    cup_ml: float | None = None
    vapour_ml: float | None = None
    current_ma: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault as it happened: its name, plant time in s, and what else the injection says, for a person."""

    name: str
    t_s: float
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A stretch of time in one state of the output; `rate_ml_min` is its mean output rate."""

    from_s: float
    to_s: float
    output: str
    rate_ml_min: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is drawn; there are at least two rows, and the last is later than the first."""

    rows: tuple[Row, ...]
    faults: tuple[Fault, ...]

    @property
    def span(self) -> Span:
        """Its first and last plant time in s."""
        return self.rows[0].t_s, self.rows[-1].t_s


def read_run(path: Path, faults: Iterable[Fault] = (), span: Span | None = None) -> Run:
    """Return the run whose truth is in the file; of a `span` (from and to, in s), only that part.

    Raises: ValueError with file, line, column and value for what is no truth, OSError where it cannot be opened.
    """
    with _told_as(path, "the truth of a simulator (--truth FILE)"), path.open(encoding="utf-8", newline="") as stream:
        rows = tuple(_read_rows(path, stream))
    if span is not None:
        rows = _cut(rows, span)
    if len(rows) < 2 or rows[-1].t_s <= rows[0].t_s:
        part = "" if span is None else f" from {span[0]:g} s to {span[1]:g} s"
        raise ValueError(f"{path}: there are {len(rows)} rows{part}, expected two or more at different times: no run")
    first, last = rows[0].t_s, rows[-1].t_s
    return Run(rows=rows, faults=tuple(fault for fault in faults if first <= fault.t_s <= last))


def read_injections(path: Path) -> tuple[Fault, ...]:
    """Return the faults in a file: a JSON object a line as `--injections` writes, or a list as GET /injections gives.

    Raises: ValueError with file and line for anything else, OSError where it cannot be opened.
    """
    with _told_as(path, "what --injections or GET /injections gives"):
        text = path.read_text(encoding="utf-8")
    if text.lstrip().startswith("["):
        whole = _parse(path, 1, text)
        return tuple(_fault(path, number, item) for number, item in enumerate(whole, 1))
    lines = ((number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip())
    return tuple(_fault(path, number, _parse(path, number, line)) for number, line in lines)


def steps(rows: Sequence[Row]) -> list[Step]:
    """Return the run as stretches, each in one state of the output and long enough to give a rate where possible."""
    made: list[Step] = []
    start = rows[0]
    for row, after in zip(rows[1:], [*rows[2:], None], strict=True):
        changes = row.output != start.output or after is None
        if changes or row.t_s - start.t_s >= SHORTEST_S:
            made.append(_step(start, row))
            if len(made) > 1 and made[-1].output == made[-2].output and row.t_s - start.t_s < SHORTEST_S:
                made[-2:] = [_joined(made[-2], made[-1])]
            start = row
    return [step for step in made if step.to_s > step.from_s]


def on_s(rows: Sequence[Row]) -> float:
    """Return for how many seconds the output was not OFF."""
    return sum(after.t_s - row.t_s for row, after in pairwise(rows) if row.output != "OFF")


@contextmanager
def _told_as(path: Path, expected: str) -> Generator[None, None, None]:
    """Name the file, and what it should be, where it is no text or no table."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: byte {error.start} is no UTF-8 text; expected {expected}") from error
    except csv.Error as error:
        raise ValueError(f"{path}: no CSV ({error}); expected {expected}") from error


def _step(start: Row, end: Row) -> Step:
    minutes = (end.t_s - start.t_s) / 60
    rate = (end.emitted_ml - start.emitted_ml) / minutes if minutes > 0 else 0.0
    return Step(from_s=start.t_s, to_s=end.t_s, output=start.output, rate_ml_min=rate)


def _joined(one: Step, two: Step) -> Step:
    length = two.to_s - one.from_s
    weighed = one.rate_ml_min * (one.to_s - one.from_s) + two.rate_ml_min * (two.to_s - two.from_s)
    return replace(one, to_s=two.to_s, rate_ml_min=weighed / length if length else 0.0)


def _cut(rows: Sequence[Row], span: Span) -> tuple[Row, ...]:
    """Return the rows of the span; the last one before it stands at its beginning, so that no state is lost."""
    inside = [row for row in rows if span[0] <= row.t_s <= span[1]]
    before = [row for row in rows if row.t_s < span[0]]
    return (*(replace(row, t_s=span[0]) for row in before[-1:]), *inside)


def _read_rows(path: Path, stream: Iterable[str]) -> Iterator[Row]:
    reader = csv.DictReader(stream)
    names = reader.fieldnames or ()
    if missing := [name for name in NEEDED if name not in names]:
        raise ValueError(
            f"{path}:1: there is no column {missing[0]!r}; expected the truth of a simulator (--truth FILE), "
            f"which begins with t_s,emitted_nl,cup_nl,output"
        )
    latest = float("-inf")
    for fields in reader:
        row = _row(path, reader.line_num, fields)
        if row.t_s < latest:
            raise ValueError(f"{path}:{reader.line_num}: t_s: {row.t_s:g} is before the row above it, {latest:g}")
        latest = row.t_s
        yield row


def _row(path: Path, line: int, fields: dict[str, Any]) -> Row:
    def text(name: str) -> str:
        if fields[name] is None:
            raise ValueError(f"{path}:{line}: {name}: the row ends before it")
        return str(fields[name])

    def number(name: str, parts: int) -> float:
        if not _NUMBER.fullmatch(text(name)):
            raise ValueError(f"{path}:{line}: {name}: {fields[name]!r} is no number")
        return float(fields[name]) / parts

    def perhaps(name: str, parts: int) -> float | None:
        return number(name, parts) if fields.get(name) not in (None, "") else None

    return Row(
        t_s=number("t_s", 1),
        emitted_ml=number("emitted_nl", NL_PER_ML),
        output=text("output"),
        cup_ml=perhaps("cup_nl", NL_PER_ML),
        vapour_ml=perhaps("vapour_nl", NL_PER_ML),
        current_ma=perhaps("current_dma", 10),
    )


def _parse(path: Path, line: int, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"{path}:{line}: no JSON ({error}); expected what --injections or GET /injections gives"
        ) from error


def _fault(path: Path, line: int, item: Any) -> Fault:
    match item:
        case {"fault": str(name), "t_ns": int(t_ns)} if not isinstance(t_ns, bool):
            told = (f"{key} {item[key]}" for key in ABOUT if item.get(key) is not None)
            return Fault(name=name, t_s=t_ns / NS_PER_S, said=", ".join(told))
    raise ValueError(f"{path}:{line}: no injection: expected an object with fault (a name) and t_ns (plant time in ns)")
