"""Typed reading of one JSON object whose members are all known by name."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import TypeVar

from nebctl.core.ledger import envelope
from nebctl.core.ledger.records import Json

T = TypeVar("T")


class Members:
    """The members of one JSON object, each taken with its type; a fault names the place, as in `orders[0].doses`.

    Members `later` came with a later version of the format: a missing one counts as null, and as an empty list.

    Every method raises: `ValueError`, with the place, the value seen and what was expected.
    """

    def __init__(self, where: str, value: Json, names: Iterable[str], later: Iterable[str] = ()) -> None:
        optional = dict.fromkeys(later)
        if not isinstance(value, dict) or value.keys() | optional.keys() != set(names) | optional.keys():
            raise ValueError(f"{where} is not an object with exactly {', '.join(sorted({*names, *optional}))}")
        self._where = where
        self._value = {**optional, **value}
        self._later = optional

    def text(self, name: str, *, empty: bool = False) -> str:
        """Return printable text; "" passes only where `empty` says so."""
        value = self._value[name]
        if not isinstance(value, str) or not value.isprintable() or not (value or empty):
            raise self._fault(name, "printable text")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        values = [value for value in self._list(name) if isinstance(value, str)]
        if len(values) != len(self._list(name)):
            raise self._fault(name, "a list of texts")
        return tuple(values)

    def count(self, name: str, least: int) -> int:
        """Return a whole number that is at least `least`."""
        value = self._value[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self._fault(name, f"a whole number from {least}")
        return value

    def calendar_date(self, name: str) -> date | None:
        """Return a calendar date; null is None."""
        return None if self._value[name] is None else date.fromisoformat(self.text(name))

    def utc_ns(self, name: str) -> int:
        """Return a time as Unix nanoseconds."""
        return envelope.parse_utc(self.text(name))

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """Return what `read` makes of the member; null is None."""
        return None if self._value[name] is None else read(name)

    def each(self, name: str, names: Iterable[str], later: Iterable[str] = ()) -> list["Members"]:
        """Return the objects of a list, each with exactly the members `names`; those `later` may be missing."""
        return [Members(f"{name}[{i}]", value, names, later) for i, value in enumerate(self._list(name))]

    def _list(self, name: str) -> list[Json]:
        value = self._value[name]
        if value is None and name in self._later:
            return []
        if not isinstance(value, list):
            raise self._fault(name, "a list")
        return value

    def _fault(self, name: str, expected: str) -> ValueError:
        return ValueError(f"{self._where}.{name} is {self._value[name]!r}, not {expected}")
