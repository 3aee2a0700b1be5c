"""What `nebctl dose estimate` is given: the trace, volumes in mL, limits, and a simulator's truth."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from nebctl.core.dose import Charge, Interval, Method, Residual
from nebctl.core.faults import Fault, FieldError
from nebctl.core.trace_field import whole_units
from nebctl.core.trace_text import LONGEST_LINE, TraceText, read_trace
from nebctl.core.units import NL_PER_ML
from nebctl.core.verify import Limits

DECLARED_PPM = 20_000
"""A charge given as one number: filled by a syringe and read to 2 %; a planning figure, so give the ends you know."""
DRAWN_NL = 50_000
"""A residual given as one number: a 1 mL syringe is read to 0.05 mL, as at the bedside."""
MOST_ML = 50


class Faulty(Exception):  # noqa: N818 - of the file, not of the program
    """Files or values that cannot be used: everything that is wrong with them."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be estimated: files, the device's class, and volumes; None for what was not given."""

    trace: Path
    preset: str
    charge: Interval
    calibration: Path | None = None
    residual: Interval | None = None
    truth: Path | None = None


def load_trace(path: Path) -> TraceText:
    """Return the trace in a file, read line by line.

    Raises: `Faulty` with everything that is wrong with it.
    """
    try:
        read = read_trace(_lines(path), path.name)
    except OSError as error:
        raise Faulty((_unreadable(path, error),)) from None
    if isinstance(read, tuple):
        raise Faulty(read)
    return read


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE + 1):
            yield line


def _unreadable(path: Path, error: OSError) -> Fault:
    problem = f"it cannot be read: {error.strerror}"
    return Fault(
        file=path.name, line=1, field="file", value=None, problem=problem, right="check the path and its owner"
    )


class Volume(click.ParamType[Interval]):
    """`BEST` or `LOW,BEST,HIGH` in mL; where one number stands alone, `half` says how far its ends lie."""

    name = "mL"

    def __init__(self, *, half_nl: int = 0, half_ppm: int = 0, zero: bool = False) -> None:
        self._half_nl, self._half_ppm, self._zero = half_nl, half_ppm, zero

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 - click's own call
        """Return how the value is written in the help."""
        return "BEST|LOW,BEST,HIGH"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Interval:
        """Return the interval in nanolitres, or refuse the text and say what would be right."""
        if isinstance(value, Interval):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if len(parts) not in (1, 3):
            self.fail(f"{value!r} has {len(parts)} numbers; write 3, or 2.94,3,3.06 for low, best and high", param, ctx)
        try:
            return self._interval([_volume(part) for part in parts])
        except FieldError as error:
            self.fail(f"{value!r}: {error}", param, ctx)

    def _interval(self, nl: list[int]) -> Interval:
        if not (0 if self._zero else 1) <= nl[0] <= nl[-1] <= MOST_ML * NL_PER_ML:
            raise FieldError(
                "no such volume fits a cup", f"write mL, {'from' if self._zero else 'above'} 0 to {MOST_ML}"
            )
        if len(nl) == 3:
            if not nl[0] <= nl[1] <= nl[2]:
                raise FieldError("the three are out of order", "write low, best and high, such as 2.94,3,3.06")
            return Interval(low_nl=nl[0], best_nl=nl[1], high_nl=nl[2])
        half = max(self._half_nl, nl[0] * self._half_ppm // 1_000_000)
        return Interval(low_nl=max(0, nl[0] - half), best_nl=nl[0], high_nl=nl[0] + half)


def _volume(text: str) -> int:
    try:
        return whole_units(text, 6)
    except FieldError as error:  # a field of a trace may stay empty, a volume may not
        raise FieldError(error.problem, "write mL as digits with a decimal point, such as 0.15") from None


CHARGE = Volume(half_ppm=DECLARED_PPM)
RESIDUAL = Volume(half_nl=DRAWN_NL, zero=True)


def charge_of(volume: Interval) -> Charge:
    """Return the charge of a dose that is looked at from outside."""
    return Charge(volume=volume, method=Method.DECLARED, vial_emptied=True)


def residual_of(volume: Interval | None) -> Residual | None:
    """Return the residual, None where it was not measured."""
    return None if volume is None else Residual(volume=volume, method=Method.DRAWN)


def limits_of(site: Limits, lower: Interval | None, upper: Interval | None) -> Limits:
    """Return the study protocol's limits, or those that the caller gives in their place.

    Raises: `click.UsageError` where the lower one is above the upper one.
    """
    chosen = Limits(
        lower_nl=site.lower_nl if lower is None else lower.best_nl,
        upper_nl=site.upper_nl if upper is None else upper.best_nl,
    )
    if chosen.lower_nl > chosen.upper_nl:
        raise click.UsageError(
            f"the lower limit {chosen.lower_nl / NL_PER_ML:g} mL is above the upper one "
            f"{chosen.upper_nl / NL_PER_ML:g} mL; correct --lower-ml or --upper-ml"
        )
    return chosen


@dataclass(frozen=True, slots=True)
class Truth:
    """One row of a simulator's truth."""

    at_ms: int
    emitted_nl: int


def load_truth(path: Path) -> tuple[Truth, ...]:
    """Return what a simulator said was really emitted, in a file of `nebctl sim --truth`: `t_s` and `emitted_nl`.

    Raises: `Faulty` where it has no such columns, or something else in them.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "no UTF-8"
        raise Faulty((_truth_fault(path, 1, "file", None, f"it cannot be read: {problem}"),)) from None
    rows = csv.DictReader(text.splitlines())
    missing = [name for name in ("t_s", "emitted_nl") if name not in (rows.fieldnames or ())]
    if missing:
        raise Faulty((_truth_fault(path, 1, missing[0], None, "the column is missing"),))
    return tuple(_true_row(path, number, row) for number, row in enumerate(rows, start=2))


def _true_row(path: Path, number: int, row: dict[str, str | None]) -> Truth:
    name = "t_s"
    try:
        at_ms = whole_units((row[name] or "").strip(), 3)
        name = "emitted_nl"
        return Truth(at_ms, whole_units((row[name] or "").strip(), 0))
    except FieldError as error:
        raise Faulty((_truth_fault(path, number, name, row[name], error.problem),)) from None


def _truth_fault(path: Path, line: int, field: str, value: str | None, problem: str) -> Fault:
    right = "give the file that nebctl sim wrote with --truth"
    return Fault(file=path.name, line=line, field=field, value=value, problem=problem, right=right)
