"""One field of a trace's row: its text as a whole number of units, a state, or dry; exact, and in its limits."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from nebctl.core.dose.reading import Doing
from nebctl.core.faults import FieldError, suggest
from nebctl.core.trace import TIME_DIGITS, Column

LONGEST_MS = 7 * 24 * 3_600_000
_NUMBER = re.compile(r"([+-]?)(?=\.?[0-9])([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]{1,3}))?")
_NO_NUMBER = re.compile(r"[+-]?(nan|inf|infinity|none|null|n/a|na|-+)", re.IGNORECASE)
_STATES = {doing.value: doing for doing in Doing}
_DRY = {0: False, 1_000_000: True}


@dataclass(frozen=True, slots=True)
class _Range:
    """What a column can hold in its whole units; by up to `noise`, a negative number, a sensor may stray below it."""

    lowest: int
    highest: int
    noise: int = 0


_RANGES: Mapping[str, _Range] = {
    "drive_mA": _Range(0, 100_000_000, noise=-10_000),
    "drive_Hz": _Range(0, 10_000_000, noise=-1_000),
    "drive_mW": _Range(0, 1_000_000_000, noise=-100_000),
    "temp_C": _Range(-100_000, 300_000),
    "gas_slpm": _Range(-1_000, 1_000_000),
    "pressure_kPa": _Range(-102_000, 10_000_000),
    "weight_mg": _Range(-100_000_000_000, 100_000_000_000),
    "device_nL": _Range(0, 1_000_000_000, noise=-10_000),
}
"""Far outside what any nebulizer, gas controller or balance tells, so that a slipped unit or column shows."""


def read_time(text: str) -> int:
    """Return seconds from the start in whole milliseconds.

    Raises: `FieldError` where the text is none.
    """
    at_ms = whole_units(text, TIME_DIGITS)
    if at_ms < 0:
        raise FieldError("before the start", "count seconds from the start, beginning with 0")
    if at_ms > LONGEST_MS:
        raise FieldError("more than 7 days", "count seconds from the start, beginning with 0")
    return at_ms


def read_state(text: str) -> Doing:
    """Return what the device does.

    Raises: `FieldError` where the text is no state; only small letters are.
    """
    doing = _STATES.get(text)
    if doing is None:
        raise FieldError("no such state", suggest(text.lower(), _STATES))
    return doing


def read_dry(text: str) -> bool | None:
    """Return whether the device says that it is dry, None for an empty field; `0.0` and `1.0` are numbers too.

    Raises: `FieldError` for anything else.
    """
    if not text:
        return None
    if text.lower() in ("true", "false"):
        raise FieldError("a word", f"write {int(text.lower() == 'true')}")
    dry = _DRY.get(whole_units(text, 6))
    if dry is None:
        raise FieldError("neither 0 nor 1", "write 1 for dry, 0 for not dry, nothing where it is not sensed")
    return dry


def read_quantity(text: str, column: Column) -> int | None:
    """Return a quantity in its whole unit, None for an empty field; it may be a little below 0, as noise makes it.

    Raises: `FieldError` for what is no number, or none that the column can hold.
    """
    if not text:
        return None
    value, held = whole_units(text, column.digits), _RANGES[column.name]
    if value < held.lowest + held.noise:
        below = "negative" if held.lowest == 0 else f"below {held.lowest / 10**column.digits:g}"
        raise FieldError(below, "check sign and unit of the sensor; leave it empty where the device tells nothing")
    if value > held.highest:
        raise FieldError(f"above {held.highest / 10**column.digits:g}", f"check the unit, which {column.name} names")
    return value


def without_noise(value: int | None, column: Column) -> int | None:
    """Return a quantity that cannot be below 0 as 0 where noise has made it so."""
    return value if value is None else max(value, _RANGES[column.name].lowest)


@lru_cache(maxsize=4096)
def whole_units(text: str, digits: int) -> int:
    """Return a decimal text in whole units of 10**-digits, rounded half-even; no float is made of it.

    Raises: `FieldError` for what is no finite decimal number.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise _no_number(text)
    sign, whole, decimals, exponent = match.groups()
    shift = int(exponent or 0) - len(decimals) + digits
    mantissa = int(whole + decimals)
    value = mantissa * 10**shift if shift >= 0 else _rounded(mantissa, 10**-shift)
    return -value if sign == "-" else value


def _rounded(value: int, step: int) -> int:
    whole, rest = divmod(value, step)
    return whole + (2 * rest > step or (2 * rest == step and whole % 2 == 1))


def _no_number(text: str) -> FieldError:
    if not text:
        return FieldError("no value", "write a number; this column is in every row")
    if _NO_NUMBER.fullmatch(text):
        return FieldError("no number", "leave the field empty where the device tells nothing")
    return FieldError("no number", "write digits with a decimal point, such as 83.4 or 8.34e1, without a unit")
