"""Quantities with units: exact integers inside, and one strict text form at every boundary.

Inside, volumes are integer nanolitres, times integer nanoseconds, contents integer vesicles and fractions integer parts
per million. A text form is a number, one space and a unit of a closed set: `3 mL`, `2.0e8 vesicles`, `20 h`, `90 %`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias, assert_never

from nebctl.core.unit_advice import advise, advise_exponent

Nanolitres: TypeAlias = int
Nanoseconds: TypeAlias = int
Vesicles: TypeAlias = int
PartsPerMillion: TypeAlias = int
Rounding: TypeAlias = Literal["nearest", "down", "up"]

NL_PER_UL = 1_000
NL_PER_ML = 1_000_000
NS_PER_MIN = 60 * 10**9
NS_PER_H = 60 * NS_PER_MIN
WHOLE_PPM = 1_000_000

LARGEST = 2**53 - 1  # the largest integer that a record can carry
LARGEST_NS = 2**63 - 1  # durations travel as milliseconds, so they may be longer


class UnitError(ValueError):
    """A text that is no quantity: what was seen, what was expected and what to write instead."""

    def __init__(self, seen: str, expected: str, advice: str) -> None:
        super().__init__(f"saw {seen!r}, expected {expected}. {advice}")
        self.seen = seen
        self.expected = expected
        self.advice = advice


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One kind of quantity: its name, a right example, its units in base units, and the largest value it may have."""

    name: str
    example: str
    units: Mapping[str, int]
    largest: int = LARGEST
    scientific: bool = False

    def expected(self) -> str:
        listed = ", ".join(self.units)
        return f"{self.name} as a number, one space and a unit ({listed})"


_VOLUME = _Kind(
    name="a volume",
    example="3 mL",
    units={"mL": NL_PER_ML, "uL": NL_PER_UL, "µL": NL_PER_UL},
)
_CONTENT = _Kind(name="a content", example="2.0e8 vesicles", units={"vesicles": 1}, scientific=True)
_DURATION = _Kind(
    name="a duration",
    example="20 h",
    units={"ns": 1, "ms": 10**6, "s": 10**9, "min": NS_PER_MIN, "h": NS_PER_H, "d": 24 * NS_PER_H},
    largest=LARGEST_NS,
)
_FRACTION = _Kind(name="a fraction", example="90 %", units={"%": 10_000, "ppm": 1})
_RATE = _Kind(
    name="a rate",
    example="0.38 mL/min",
    units={"mL/min": NL_PER_ML, "uL/min": NL_PER_UL, "µL/min": NL_PER_UL},
)

_NUMBER = re.compile(r"(0|[1-9][0-9]{0,18})(?:\.([0-9]{1,18}))?(?:e(0|[1-9][0-9]?))?")
_GREEK_MU, _MICRO_SIGN = "\u03bc", "\u00b5"  # keyboards give either; they look alike


def parse_volume(text: str) -> Nanolitres:
    """Read a volume such as `3 mL` or `20 uL` as nanolitres.

    Raises: `UnitError` for anything but an exact number of nanolitres with its unit.
    """
    return _parse(text, _VOLUME)


def parse_content(text: str) -> Vesicles:
    """Read a content such as `2.0e8 vesicles` as a count; an exponent follows a number from 1 to below 10.

    Raises: `UnitError`, also for `2.0*10E8`, which read literally is ten times 2.0e8.
    """
    return _parse(text, _CONTENT)


def parse_duration(text: str) -> Nanoseconds:
    """Read a duration such as `20 h`, `10 min` or `500 ms` as nanoseconds.

    Raises: `UnitError` for anything but an exact number of nanoseconds with its unit.
    """
    return _parse(text, _DURATION)


def parse_fraction(text: str) -> PartsPerMillion:
    """Read a fraction such as `90 %` as parts per million; more than the whole is a fraction too.

    Raises: `UnitError` for anything but an exact number of parts per million with its unit.
    """
    return _parse(text, _FRACTION)


def parse_rate(text: str) -> Nanolitres:
    """Read a rate such as `0.38 mL/min` as nanolitres a minute.

    Raises: `UnitError` for anything but an exact number of nanolitres a minute with its unit.
    """
    return _parse(text, _RATE)


def format_ml(nl: Nanolitres, digits: int = 2, rounding: Rounding = "nearest") -> str:
    """Return nanolitres as millilitres with 0 to 6 decimals and no unit, rounded as asked (a tie goes up).

    Raises: `ValueError` for other numbers of digits.
    """
    if not 0 <= digits <= 6:
        raise ValueError(f"digits is {digits}, expected 0 to 6: a nanolitre is the sixth decimal of a millilitre")
    steps = _divide(nl, 10 ** (6 - digits), rounding)
    return _decimal(steps, digits)


def format_volume(nl: Nanolitres) -> str:
    """Return a volume in its shortest exact form, such as `3 mL` or `0.05 mL`; `parse_volume` reads it back."""
    return f"{_shortest(nl, 6)} mL"


def format_content(vesicles: Vesicles) -> str:
    """Return a content in its shortest exact form, such as `2.0e8 vesicles`; `parse_content` reads it back."""
    return f"{_scientific(vesicles)} vesicles"


def format_concentration(vesicles_per_ml: Fraction) -> str:
    """Return a concentration to three significant digits, such as `6.67e7 per mL`; zero is `0 per mL`.

    It is for reading back, so it is rounded to nearest and is no exact form.
    """
    whole = round(vesicles_per_ml)
    excess = max(len(str(whole)) - 3, 0)
    return f"{_scientific(round(vesicles_per_ml / 10**excess) * 10**excess)} per mL"


def format_duration(ns: Nanoseconds) -> str:
    """Return a duration in the largest unit that holds it exactly, such as `20 h`; `parse_duration` reads it back."""
    for unit, size in (("h", NS_PER_H), ("min", NS_PER_MIN), ("s", 10**9), ("ms", 10**6)):
        if ns % size == 0:
            return f"{ns // size} {unit}"
    return f"{ns} ns"


def format_fraction(ppm: PartsPerMillion) -> str:
    """Return a fraction in per cent in its shortest exact form, such as `90 %`; `parse_fraction` reads it back."""
    return f"{_shortest(ppm, 4)} %"


def _parse(text: str, kind: _Kind) -> int:
    number, space, unit = text.partition(" ")
    unit = unit.replace(_GREEK_MU, _MICRO_SIGN)
    match = _NUMBER.fullmatch(number)
    if not space or match is None or unit not in kind.units:
        raise UnitError(text, kind.expected(), advise(text, kind.example, kind.units, kind.scientific))
    whole, decimals, exponent = match.group(1), match.group(2) or "", match.group(3)
    if exponent is not None and (not kind.scientific or len(whole) > 1 or whole == "0"):
        raise UnitError(text, kind.expected(), advise_exponent(text, kind.example, kind.scientific))
    value = Fraction(int(whole + decimals), 10 ** len(decimals)) * 10 ** int(exponent or 0) * kind.units[unit]
    if value.denominator != 1:
        raise UnitError(text, kind.expected(), f"It has more digits than {kind.name} can hold; write fewer decimals.")
    if value > kind.largest:
        raise UnitError(text, kind.expected(), f"It is larger than any {kind.name.split()[-1]} that can be recorded.")
    return int(value)


def _divide(value: int, step: int, rounding: Rounding) -> int:
    match rounding:
        case "down":
            return value // step
        case "up":
            return -(-value // step)
        case "nearest":
            return (2 * value + step) // (2 * step)
        case _:
            assert_never(rounding)


def _decimal(steps: int, digits: int) -> str:
    sign = "-" if steps < 0 else ""
    text = str(abs(steps)).rjust(digits + 1, "0")
    return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else f"{sign}{text}"


def _shortest(steps: int, digits: int) -> str:
    return _decimal(steps, digits).rstrip("0").removesuffix(".")


def _scientific(count: int) -> str:
    text = str(count)
    if len(text) == 1:
        return text
    return f"{text[0]}.{text[1:].rstrip('0') or '0'}e{len(text) - 1}"
