"""The commands and answers of an Alicat controller in ASCII: values to bytes and lines to values, without any I/O.

Two commands cannot be made here at all. A unit id with digits straight after it (`A49408`) is the old integer
set-point, 64000 for full scale; and a bare `T` is a tare or a reset of the totalizer, depending on whom one asks.

Source: Alicat Serial Primer rev. 2 (February 2023) and DOC-MANUAL-MPL; docs/devices/alicat-gas-controller.md.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TypeAlias

from nebctl_drivers.lines import CR

LONGEST_FRAME = 62
"""Bytes that a data frame has as a rule: eleven columns, or six and three status codes.

A longer one takes its time from the thinking time: with more than this a set-point and its answer would not fit into
the 40 ms that the guard grants an exchange at 19200 baud.
"""
_LONGEST_ROW = 68
_UNIT = re.compile(r"[A-Z]")
_SAFE = re.compile(r"[A-Z](?:|VE|\?\?[DM]\*|LSS?|H?C|S [0-9]+\.[0-9]+)|@@[ =][A-Z]")
_SIGNED = r"[+-][0-9]+(?:\.[0-9]+)?"
_FRAME = re.compile(rf"(?:([A-Z@]) +)?({_SIGNED} +{_SIGNED}(?: +[!-~]+)*) *")
_SET_POINTS = re.compile(rf"([A-Z]) +({_SIGNED}) +({_SIGNED}) +([0-9]{{1,3}}) +([!-~]+) *")
_SOURCE = re.compile(r"([A-Z]) +([ASU]) *")
_FIRMWARE = re.compile(r"([A-Z]) +((?:GP|[0-9]+v[0-9])[!-~]*)(?: .*)?")
_ROW = re.compile(r"([A-Z]) +([DM])([0-9]{2}) ?.*")
_REFUSAL = re.compile(r"(?:([A-Z]) *)?\? *")


class Ask(Enum):
    """What a controller can be asked without any effect."""

    FRAME = ""
    FIRMWARE = "VE"
    MAKER = "??M*"
    COLUMNS = "??D*"
    SET_POINTS = "LS"
    SOURCE = "LSS"


class Valve(Enum):
    """What can be done to the valve past its control loop."""

    CLOSED = "HC"
    FREE = "C"


@dataclass(frozen=True, slots=True)
class Query:
    """A question to the unit `unit`, A to Z.

    Raises: `ValueError` for another id.
    """

    unit: str
    ask: Ask

    def __post_init__(self) -> None:
        _check_unit(self.unit)


@dataclass(frozen=True, slots=True)
class HoldValve:
    """Hold the valve closed, or leave it to the control loop again.

    Raises: `ValueError` for an id that is not A to Z.
    """

    unit: str
    valve: Valve

    def __post_init__(self) -> None:
        _check_unit(self.unit)


@dataclass(frozen=True, slots=True)
class SetPoint:
    """A set-point in the controller's own unit, at least 0 and with at least one decimal.

    The decimal point, and the space that `encode` puts before the number, are what tells it from the old integer form.
    Raises: `ValueError` for an id that is not A to Z, or another number.
    """

    unit: str
    value: Decimal

    def __post_init__(self) -> None:
        _check_unit(self.unit)
        exponent = self.value.as_tuple().exponent
        decimals = -exponent if isinstance(exponent, int) else 0  # NaN and infinity have letters there
        if not 1 <= decimals <= 6 or self.value.is_signed() or self.value >= 1_000_000:
            raise ValueError(f"{self.value} is no set-point: expected 0 or more, with one to six decimals")


@dataclass(frozen=True, slots=True)
class StopStream:
    """End the stream of the one controller that streams, whose id is @ meanwhile, and give it the id `unit`.

    `old` is the form of older firmware, with an equals sign.
    Raises: `ValueError` for an id that is not A to Z.
    """

    unit: str
    old: bool = False

    def __post_init__(self) -> None:
        _check_unit(self.unit)


Request: TypeAlias = Query | HoldValve | SetPoint | StopStream


@dataclass(frozen=True, slots=True)
class Refused:
    """The question mark; `unit` None where it came without an id."""

    unit: str | None


@dataclass(frozen=True, slots=True)
class Frame:
    """A data frame whose fields are not yet told apart; only the table of columns says what they are."""

    unit: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Streamed:
    """A data frame of a controller that streams: under the id @, or without any; the sources leave that open."""

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetPoints:
    """The set-point in force and the one asked for, which differ while a ramp runs, with their unit."""

    unit: str
    current: Decimal
    requested: Decimal
    code: int
    label: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where the set-point comes from: S serial, U front panel, A analog; with A serial set-points are ignored."""

    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class Firmware:
    """The version of the firmware, such as 10v20.0-R24."""

    unit: str
    version: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table, D for columns and M for the maker's data; `line` is all of it, because its places matter."""

    unit: str
    table: str
    number: int
    line: str


Answer: TypeAlias = Refused | Frame | Streamed | SetPoints | Source | Firmware | Row


class AlicatGrammar:
    """What the lines of Alicat controllers mean, for the line dialect."""

    ending = CR

    def encode(self, request: Request) -> bytes:
        """Return the command as it goes out."""
        return encode(request)

    def longest(self, request: Request) -> int:
        """Return the bytes that a good answer's first line has at most as a rule."""
        return _LONGEST_ROW if isinstance(request, Query) and request.ask is Ask.COLUMNS else LONGEST_FRAME

    def fit(self, request: Request, line: str) -> Answer | None:
        """Return the line as an answer to `request`; a table is answered by its first row, the others come unasked."""
        answer = read_line(line)
        if answer is None or isinstance(answer, Streamed) or answer.unit not in (request.unit, None):
            return None
        if isinstance(answer, Refused):
            return answer
        if isinstance(answer, Row):
            fits = answer.number == 0 and _kind(request) is _TABLES[answer.table]
        else:
            fits = _kind(request) is _KINDS[type(answer)]
        return answer if fits else None

    def unasked(self, line: str) -> Answer | None:
        """Return a streamed frame, or a further row of a table."""
        answer = read_line(line)
        return answer if isinstance(answer, Streamed | Row) else None

    def probes(self, known: Request) -> Iterable[Request]:
        """Return questions that every firmware answers, each in a form of its own."""
        return [Query(known.unit, ask) for ask in (Ask.FRAME, Ask.FIRMWARE)]

    def alike(self, one: Request, other: Request) -> bool:
        """Return whether the answers have the same form; a set-point and a hold are answered with a data frame."""
        return one.unit == other.unit and _kind(one) is _kind(other) and (_kind(one) is not None or one == other)


_KINDS = {Frame: Ask.FRAME, SetPoints: Ask.SET_POINTS, Source: Ask.SOURCE, Firmware: Ask.FIRMWARE}
_TABLES = {"D": Ask.COLUMNS, "M": Ask.MAKER}


def encode(request: Request) -> bytes:
    """Return the command as it goes out.

    Raises: `ValueError` where the line would be another than those of this module; the types leave no way to that.
    """
    line = _line(request)
    if not _SAFE.fullmatch(line):
        raise ValueError(f"{line!r} is no command that may be sent")
    return line.encode("ascii") + CR


def read_line(line: str) -> Answer | None:
    """Return what a line says by itself; None means that it is none of these answers."""
    if match := _REFUSAL.fullmatch(line):
        return Refused(match[1])
    if match := _SET_POINTS.fullmatch(line):
        return SetPoints(match[1], Decimal(match[2]), Decimal(match[3]), int(match[4]), match[5])
    if match := _FRAME.fullmatch(line):
        fields = tuple(match[2].split())
        return Streamed(fields) if match[1] in (None, "@") else Frame(match[1], fields)
    if match := _SOURCE.fullmatch(line):
        return Source(match[1], match[2])
    if match := _FIRMWARE.fullmatch(line):
        return Firmware(match[1], match[2])
    if match := _ROW.fullmatch(line):
        return Row(match[1], match[2], int(match[3]), line)
    return None


def _line(request: Request) -> str:
    match request:
        case Query():
            return f"{request.unit}{request.ask.value}"
        case HoldValve():
            return f"{request.unit}{request.valve.value}"
        case SetPoint():
            return f"{request.unit}S {request.value:f}"
        case StopStream():
            return f"@@{'=' if request.old else ' '}{request.unit}"


def _kind(request: Request) -> Ask | None:
    """Return what is answered in the same form; None for the end of a stream, of which no answer is known."""
    if isinstance(request, StopStream):
        return None
    return request.ask if isinstance(request, Query) else Ask.FRAME


def _check_unit(unit: str) -> None:
    if not _UNIT.fullmatch(unit):
        raise ValueError(f"{unit!r} is no unit id: expected one letter, A to Z")
