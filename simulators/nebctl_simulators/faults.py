"""The catalogue of faults, and what a text such as `late:ms=350,count=3,from=10s` asks for.

The names here are stable: docs/reference/simulator-stability.md says how.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nebctl_simulators.armed import ALWAYS, ANY, Terms, Window
from nebctl_simulators.catalogue import CATALOGUE, Group

KEYS = (
    "ms",
    "count",
    "device",
    "unit",
    "function",
    "address",
    "command",
    "code",
    "point",
    "value",
    "probability",
    "from",
    "until",
    "time",
)
CLOCKS = ("plant", "run")
MOST = 10**9
NS_PER: Mapping[str, int] = {"ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}

_PAIR = re.compile(r"([a-z]+)=(.+)")
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(ms|s|min|h)")
_RANGE = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})")
_NUMBER = re.compile(r"[0-9]{1,10}|0x[0-9A-Fa-f]{1,8}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,12}(?:\.[0-9]{1,20})?(?:e[+-]?[0-9]{1,2})?")
_WORD = re.compile(r"[ -~]{1,40}")


class Faulty(Protocol):
    """A device that takes faults."""

    def inject(self, fault: str, count: int, ms: int | None, real_ns: int, terms: Terms) -> None:
        """Arm a fault by its name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultAsked:
    """A fault as it was asked for; `ms` is None for the fault's own time, `device` where there is but one."""

    fault: str
    count: int
    ms: int | None = None
    terms: Terms = ANY
    device: str | None = None

    def arm(self, device: Faulty, real_ns: int) -> None:
        """Arm it on a device.

        Raises: ValueError where the device cannot have it.
        """
        device.inject(self.fault, self.count, self.ms, real_ns, self.terms)


def parse_fault(text: str) -> FaultAsked:
    """Return what a text asks for: `NAME` or `NAME:KEY=VALUE,KEY=VALUE`.

    Raises: ValueError that names the text, the key, the value and what there could be.
    """
    name, _, rest = text.partition(":")
    try:
        return read_fault({"fault": name.strip()} | _pairs(rest))
    except ValueError as error:
        raise ValueError(f"the fault {text!r}: {error}") from error


def read_fault(given: Mapping[str, object]) -> FaultAsked:
    """Return what keys and values ask for; the values are texts, or what JSON has for them.

    Raises: ValueError that names the key, the value and what there could be.
    """
    fault = given.get("fault")
    if not isinstance(fault, str) or fault not in CATALOGUE:
        raise ValueError(f"there is no fault {fault!r}; choose one of: {', '.join(CATALOGUE)}")
    values = {key: _read(key, value) for key, value in given.items() if key != "fault"}
    group = CATALOGUE[fault].group
    for key in ("point", "value"):
        if key in values and group is not Group.VALUE:
            raise ValueError(f"{key}: only a fault of a value has one, and {fault} is none")
    least_ms, most_ms = values.get("ms", (None, None))
    return FaultAsked(
        fault=fault,
        count=values.get("count", ALWAYS if group is Group.VALUE else 1),
        ms=least_ms,
        device=values.get("device"),
        terms=Terms(
            **{key: values[key] for key in ("unit", "function", "address", "command", "code") if key in values},
            point=values.get("point"),
            value=values.get("value"),
            probability=values.get("probability", 1.0),
            most_ms=most_ms,
            window=_read_window(values),
        ),
    )


def refuse_unknown(fault: str, possible: Collection[str], why_not: Mapping[str, str]) -> None:
    """Refuse a fault that a device does not have; `why_not` has the reasons, where there is one to give.

    Raises: ValueError.
    """
    if fault in possible:
        return
    choice = f"choose one of: {', '.join(possible)}"
    if fault not in CATALOGUE:
        raise ValueError(f"there is no fault {fault!r}; {choice}")
    reason = why_not.get(fault, "there is nothing of the kind in it or in its protocol")
    raise ValueError(f"this device cannot have the fault {fault!r}: {reason}; {choice}")


def refuse_terms(terms: Terms, known: Collection[str], points: Collection[str], commands: Collection[str] = ()) -> None:
    """Refuse terms that a device's requests do not have, and a value that it does not tell.

    `commands` are the words of its requests, empty where they are not a closed set.

    Raises: ValueError.
    """
    for name in ("unit", "function", "address", "command"):
        if getattr(terms, name) is not None and name not in known:
            has = ", ".join(known) if known else "none of unit, function, address and command"
            raise ValueError(f"{name}: the requests on this line do not have it: leave it out; they have {has}")
    if commands and terms.command is not None and terms.command not in commands:
        raise ValueError(f"command: no request is called {terms.command!r}; choose one of: {', '.join(commands)}")
    if terms.point is not None and terms.point not in points:
        raise ValueError(f"point: this device tells no {terms.point!r}; choose one of: {', '.join(points)}")


def _pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in text.split(",") if text.strip() else ():
        match = _PAIR.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"got {part.strip()!r}, write KEY=VALUE with one of the keys {', '.join(KEYS)}")
        if match[1] in pairs:
            raise ValueError(f"{match[1]}: it is there twice")
        pairs[match[1]] = match[2]
    return pairs


def _read(key: str, value: object) -> Any:
    read, wanted = _READERS.get(key, (None, ""))
    if read is None:
        raise ValueError(f"{key!r}: there is no such key; choose one of: {', '.join(KEYS)}")
    found = None if isinstance(value, bool) or not isinstance(value, int | float | str) else read(str(value))
    if found is None:
        raise ValueError(f"{key}: expected {wanted}, got {value!r}")
    return found


def _read_count(text: str) -> int | None:
    return ALWAYS if text == "all" else _read_number(text) or None


def _read_number(text: str) -> int | None:
    if not _NUMBER.fullmatch(text):
        return None
    number = int(text, 0) if text.startswith("0x") else int(text)
    return number if number <= MOST else None


def _within(least: int, most: int) -> Callable[[str], int | None]:
    """Return a reader of whole numbers from `least` to `most`."""

    def read(text: str) -> int | None:
        number = _read_number(text)
        return number if number is not None and least <= number <= most else None

    return read


def _read_ms(text: str) -> tuple[int, int | None] | None:
    if match := _RANGE.fullmatch(text):
        least_ms, most_ms = int(match[1]), int(match[2])
        return (least_ms, most_ms) if least_ms <= most_ms else None
    number = _read_number(text)
    return None if number is None else (number, None)


def _read_time(text: str) -> int | None:
    match = _TIME.fullmatch(text)
    return round(float(match[1]) * NS_PER[match[2]]) if match else None


def _read_probability(text: str) -> float | None:
    chance = _read_decimal(text)
    return chance if chance is not None and 0 < chance <= 1 else None


def _read_decimal(text: str) -> float | None:
    value = float(text) if _DECIMAL.fullmatch(text) else None
    return value if value is not None and abs(value) <= MOST else None


def _read_window(values: Mapping[str, Any]) -> Window | None:
    if not values.keys() & {"from", "until", "time"}:
        return None
    window = Window(
        from_ns=values.get("from", 0), until_ns=values.get("until"), of_run=values.get("time", "plant") == "run"
    )
    if window.until_ns is not None and window.until_ns <= window.from_ns:
        raise ValueError("until: it is not after from, so that the fault could never happen")
    return window


def _read_word(text: str) -> str | None:
    return text if _WORD.fullmatch(text) else None


_A_TIME = 'a time such as "10s", "500ms" or "2min"'
_READERS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "ms": (_read_ms, "a whole number of milliseconds, or a range such as 20..80"),
    "count": (_read_count, "a whole number from 1 on, or all"),
    "device": (_read_word, "the name of a device on the bus"),
    "unit": (_within(1, 255), "a number from 1 to 255, also as 0x"),
    "function": (_within(1, 255), "a number from 1 to 255, also as 0x"),
    "address": (_within(0, 65_535), "a number from 0 to 65535, also as 0x"),
    "command": (_read_word, "the word of a request, such as STAT"),
    "code": (_within(1, 255), "a number from 1 to 255, also as 0x"),
    "point": (_read_word, "the name of a value"),
    "value": (_read_decimal, f"a number from -{MOST} to {MOST}"),
    "probability": (_read_probability, "a number above 0 and at most 1"),
    "from": (_read_time, _A_TIME),
    "until": (_read_time, _A_TIME),
    "time": (lambda text: text if text in CLOCKS else None, "plant or run"),
}
