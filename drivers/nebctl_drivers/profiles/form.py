"""One table of a TOML file, taken key by key; what is wrong becomes a fault, and reading goes on."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

from nebctl.core.faults import Fault, FieldError, show_value, suggest
from nebctl.core.toml_text import Path, TomlText, dotted

T = TypeVar("T")
_DIGITS = 15
"""A TOML number of so many digits comes through a double exactly. Source: IEEE 754-2019, 5.12.2."""
_MAGNITUDE = 15


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What a key takes: how it is read, how one is written, and what stands in for one that is wrong."""

    read: Callable[[Any], T]
    example: str
    stand_in: T


class Form:
    """A table under `path`. `spoilt` tells that one of its values was wrong, so that it must not be used."""

    def __init__(self, text: TomlText, faults: list[Fault], path: Path = (), table: object = None) -> None:
        self._text = text
        self._faults = faults
        self._path = path
        self._taken: set[str] = set()
        self.spoilt = False
        self._table: Mapping[str, Any] = {}
        given = text.table if not path else table
        if isinstance(given, dict):
            self._table = given
        elif not path or given is not None:
            self.blame("", "a table belongs here", f"write a [{dotted(path)}] table", given)

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def need(self, key: str, kind: Kind[T]) -> T:
        """Return the value of a key that must be there."""
        if key not in self._table:
            self._taken.add(key)
            if not self._is_lost(key):
                right = f"write {key} = {kind.example}"
                self._add(self._path, dotted((*self._path, key)), None, "this is missing", right)
            self.spoilt = True
            return kind.stand_in
        return self._take(key, kind)

    def may(self, key: str, kind: Kind[T], default: T) -> T:
        """Return the value of a key, or `default` where it is not there."""
        self._taken.add(key)
        return self._take(key, kind) if key in self._table else default

    def sub(self, key: str, *, needed: bool = False) -> "Form":
        """Return the table under a key; an empty one where there is none."""
        self._taken.add(key)
        path = (*self._path, key)
        if needed and key not in self._table:
            self._add(path, dotted(path), None, "this table is missing", f"write a [{dotted(path)}] table")
            self.spoilt = True
        return Form(self._text, self._faults, path, self._table.get(key))

    def subs(self, key: str) -> "Iterator[tuple[str, Form]]":
        """Yield the tables under a key by their names."""
        inner = self.sub(key)
        for name in inner:
            yield name, inner.sub(name)

    def items(self, key: str) -> "list[Form]":
        """Return the tables of an array of tables; no table where the key is not there."""
        self._taken.add(key)
        given = self._table.get(key, [])
        if not isinstance(given, list):
            self.blame(key, "an array of tables belongs here", f"write [[{key}]] tables", given)
            return []
        return [Form(self._text, self._faults, (*self._path, key, at), item) for at, item in enumerate(given)]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._table))

    def finish(self) -> None:
        """Refuse every key that nobody took."""
        for key in [key for key in self._table if key not in self._taken]:
            self.blame(key, "this key is not known here", suggest(key, sorted(self._taken)), self._table[key])

    def blame(self, key: str, problem: str, right: str, value: object = None) -> None:
        """Say what is wrong with a key of this table; the empty key is the table itself."""
        path = (*self._path, key) if key else self._path
        shown = show_value(self._table[key] if value is None and key in self._table else value)
        self._add(path, dotted(path) or "TOML", None if shown == "None" else shown, problem, right)
        self.spoilt = True

    def _take(self, key: str, kind: Kind[T]) -> T:
        self._taken.add(key)
        try:
            return kind.read(self._table[key])
        except FieldError as error:
            self.blame(key, error.problem, error.right, self._table[key])
            return kind.stand_in

    def _add(self, path: Path, field: str, value: str | None, problem: str, right: str) -> None:
        line = self._text.line_of(path)
        self._faults.append(
            Fault(file=self._text.file, line=line, field=field, value=value, problem=problem, right=right)
        )

    def _is_lost(self, key: str) -> bool:
        field = dotted((*self._path, key))
        return any(lost == field or lost.startswith(f"{field}.") for lost in self._text.lost)


def text_of(example: str) -> Kind[str]:
    """Return the kind of a text that is not empty."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise FieldError("expected a text", f"write it in quotes, such as {example}")
        return value

    return Kind(read, example, "")


def choice(*choices: str) -> Kind[str]:
    """Return the kind of one of a few words."""

    def read(value: Any) -> str:
        if value not in choices or not isinstance(value, str):
            raise FieldError(f"expected one of {', '.join(choices)}", "write one of these, in quotes")
        return value

    return Kind(read, f'"{choices[0]}"', choices[0])


def whole(least: int, most: int, example: int | None = None) -> Kind[int]:
    """Return the kind of a whole number in a range."""
    shown = least if example is None else example

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise FieldError(f"expected a whole number from {least} to {most}", f"write one, such as {shown}")
        return value

    return Kind(read, str(shown), least)


def _read_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise FieldError("expected true or false", "write true or false, without quotes")
    return value


def read_number(value: Any) -> Decimal:
    """Return a TOML number exactly as it was written.

    Raises: `FieldError` for what is no finite number of at most 15 digits.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FieldError("expected a number", "write a finite number, such as 0.1")
    digits = value.bit_length() if isinstance(value, int) else 0
    number = Decimal(repr(value)) if digits <= 64 else Decimal(0)  # Python refuses to print thousands of digits
    if digits > 64 or len(number.normalize().as_tuple().digits) > _DIGITS or abs(number.adjusted()) > _MAGNITUDE:
        raise FieldError(f"this number is too long to be exact ({_DIGITS} digits are)", "write fewer digits")
    return number


def _read_names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise FieldError("expected a list of names", 'write such as ["POV", "HLD"]')
    return tuple(value)


def _read_raws(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(item) is int and 0 <= item < 1 << 32 for item in value):
        raise FieldError("expected a list of raw values", "write such as [0x8000]")
    return tuple(value)


def _read_numbering(value: Any) -> dict[str, int]:
    good = isinstance(value, dict) and all(type(number) is int and 0 <= number < 1 << 32 for number in value.values())
    if not good or not value or len(set(value.values())) < len(value):
        raise FieldError("expected names, each with a number of its own", "write such as { OFF = 0, RUN = 2 }")
    return dict(value)


FLAG = Kind(_read_flag, "false", stand_in=False)
NUMBER: Kind[Decimal] = Kind(read_number, "0", Decimal(0))
NAMES: Kind[tuple[str, ...]] = Kind(_read_names, '["POV"]', ())
RAWS: Kind[tuple[int, ...]] = Kind(_read_raws, "[0x8000]", ())
NUMBERING: Kind[Mapping[str, int]] = Kind(_read_numbering, "{ OFF = 0, RUN = 2 }", {})


def name_among(known: Collection[str], what: str) -> Kind[str]:
    """Return the kind of a name that must be one of `known`; `what` says of what."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            right = suggest(value, known) if isinstance(value, str) and known else f"write the name of a {what}"
            raise FieldError(f"expected the name of a {what} of this profile", right)
        return value

    return Kind(read, '"name"', "")
