"""Fields that a TOML value is read into; each says in its own words what is wrong with a value it does not take."""

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator

from nebctl.core.faults import FieldError, show_value
from nebctl.core.units import (
    NS_PER_H,
    UnitError,
    parse_content,
    parse_duration,
    parse_fraction,
    parse_volume,
)

_NS_PER_DAY = 24 * NS_PER_H
_LAST_DAY = 3650
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")


class Table(BaseModel):
    """A TOML table that takes the keys it names and no other."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True, slots=True)
class ContentRange:
    """The fewest and the most vesicles in one dose; equal where the content is fixed."""

    low: int
    high: int


def _quantity(parse: Callable[[str], int], example: str) -> Callable[[object], int]:
    def read(value: object) -> int:
        if not isinstance(value, str):
            raise FieldError("a quantity is a text with its unit", f'write a number and its unit, such as "{example}"')
        try:
            return parse(value)
        except UnitError as error:
            raise FieldError(
                f"expected {error.expected}", error.advice[0].lower() + error.advice[1:].removesuffix(".")
            ) from error

    return read


def _above_zero(value: int) -> int:
    if value == 0:
        raise FieldError("it must be above zero", "write how much it is, with its unit")
    return value


def _whole_days(value: int) -> int:
    if value % _NS_PER_DAY:
        raise FieldError("it is no whole number of days", 'write days, such as "28 d"')
    return value // _NS_PER_DAY


_POSITIVE = AfterValidator(_above_zero)
Volume: TypeAlias = Annotated[int, PlainValidator(_quantity(parse_volume, "3 mL")), _POSITIVE]
Duration: TypeAlias = Annotated[int, PlainValidator(_quantity(parse_duration, "20 h")), _POSITIVE]
Days: TypeAlias = Annotated[
    int, PlainValidator(_quantity(parse_duration, "28 d")), _POSITIVE, AfterValidator(_whole_days)
]
Share: TypeAlias = Annotated[int, PlainValidator(_quantity(parse_fraction, "90 %")), _POSITIVE]


_read_count = _quantity(parse_content, "2.0e8 vesicles")


def _read_content(value: object) -> ContentRange:
    if not isinstance(value, dict):
        count = _read_count(value)
        return ContentRange(count, count)
    if set(value) != {"low", "high"}:
        raise FieldError(
            "a range has a low and a high end", 'write { low = "5.0e9 vesicles", high = "2.0e10 vesicles" }'
        )
    low, high = _read_count(value["low"]), _read_count(value["high"])
    if not 0 < low < high:
        raise FieldError("the low end is not above zero and below the high end", "write the smaller number as low")
    return ContentRange(low, high)


Content: TypeAlias = Annotated[ContentRange, PlainValidator(_read_content)]


def _read_date(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    iso = _ISO_DATE.fullmatch(value) if isinstance(value, str) else None
    if iso is None:
        raise FieldError("this is no date", "write year-month-day without quotes, such as 2020-02-29")
    year, month, day = (int(part) for part in iso.groups())
    if not (year and 1 <= month <= 12):
        raise FieldError("this date does not exist", "write a month from 01 to 12, without quotes")
    last = monthrange(year, month)[1]
    if not 1 <= day <= last:
        raise FieldError("this date does not exist", f"that month has {last} days; write the date without quotes")
    raise FieldError("a date stands without quotes", f"write {value}")


Date: TypeAlias = Annotated[date, PlainValidator(_read_date)]


def _study_days(first: int | None) -> PlainValidator:
    """Read a list of study days in rising order; `first` is the day it must begin with, None for any from Day 0."""

    def read(value: object) -> tuple[int, ...]:
        right = "write study days in rising order, such as [1, 2, 3, 4, 5]"
        if not isinstance(value, list) or not value or any(type(day) is not int for day in value):
            raise FieldError("expected a list of whole study days", right)
        twice = sorted({day for day in value if value.count(day) > 1})
        if twice:
            raise FieldError(f"Day {twice[0]} stands twice", f"write {show_value(sorted(set(value)))}")
        if value != sorted(value) or value[0] < 0:
            raise FieldError("the days do not rise from Day 0 or Day 1", right)
        if value[-1] > _LAST_DAY:
            raise FieldError(f"Day {value[-1]} lies more than ten years on", right)
        if first is not None and value[0] != first:
            raise FieldError(f"the first dosing day is Day {value[0]}", f"count the days from Day {first}: {right}")
        return tuple(value)

    return PlainValidator(read)


DosingDays: TypeAlias = Annotated[tuple[int, ...], _study_days(1)]
AssessmentDays: TypeAlias = Annotated[tuple[int, ...], _study_days(None)]


def _text(pattern: str, right: str) -> PlainValidator:
    def read(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise FieldError("this text does not fit", right)
        return value

    return PlainValidator(read)


Text: TypeAlias = Annotated[str, _text(r"\S(?:.*\S)?", "write a text of one line in quotes")]
ArmName: TypeAlias = Annotated[str, _text(r"[a-z0-9][a-z0-9-]{0,31}", "name an arm in small letters, such as low-dose")]
StudyId: TypeAlias = Annotated[
    str, _text(r"[A-Z0-9][A-Z0-9-]{2,31}", 'write the registry number, such as "NCT04276987"')
]
Url: TypeAlias = Annotated[str, _text(r"https://\S+", "write the https address where the source can be read")]
