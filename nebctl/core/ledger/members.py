"""What every member of the envelope must be, in one table of predicates."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final

from nebctl.core.ledger import disclosure
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.head import UNIT
from nebctl.core.ledger.records import SESSION_FIELDS, VERSION, Json

UTC_TEXT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", re.ASCII)
_HEX64 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_BYTES_16 = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]", re.ASCII)
_BYTES_32 = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", re.ASCII)
"""base64url in its one spelling: the last letter's spare bits are 0. Source: RFC 4648, section 3.5."""
_TYPE = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def check_members(payload: Mapping[str, Json]) -> None:
    """Check that every member of the envelope is there and what it must be; of the session's members all or none.

    Raises: `FormatError` naming the first member that is not.
    """
    if not holds_quickly(payload):
        check_each(payload)


def check_each(payload: Mapping[str, Json]) -> None:
    """Check the members one after the other, which is what decides.

    Raises: `FormatError` as `check_members` does.
    """
    in_session = not SESSION_FIELDS.isdisjoint(payload)
    for name, (expected, holds) in (*_MEMBERS.items(), *(_SESSION_MEMBERS.items() if in_session else ())):
        if name not in payload:
            raise FormatError(f"member {name}", "nothing", expected)
        if not holds(payload[name]):
            raise FormatError(f"member {name}", payload[name], expected)


def holds_quickly(payload: Mapping[str, Json]) -> bool:
    """Return True only where `check_each` would find nothing; False says nothing.

    The records of one running unit share most of their members: what was found good once is remembered.
    """
    try:
        _check_steady(*_STEADY_VALUES(payload))
        if not SESSION_FIELDS.isdisjoint(payload):
            _check_session(*_SESSION_VALUES(payload))
        seq, prev, mono_ns, utc, clk, salt, digests = _VARYING_VALUES(payload)
    except (KeyError, TypeError, ValueError):  # missing, a list where text should be, or wrong
        return False
    in_order = _is_count(seq) and _is_hash(prev) and _is_count(mono_ns) and _is_utc(utc) and _is_clock(clk)
    return in_order and _is_salt(salt) and _is_digests(digests)


def _is_count(value: Json, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_utc(value: Json) -> bool:
    """Return whether `parse_utc` would read it: with the form given, only the date itself may be wrong or too early."""
    if not isinstance(value, str) or value < "1970" or not UTC_TEXT.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_clock(value: Json) -> bool:
    if not isinstance(value, dict) or "sync" not in value or "src" not in value:
        return False
    for name, item in value.items():
        holds = _CLOCK.get(name)
        if holds is None or not holds(item):
            return False
    return True


def _is_digests(value: Json) -> bool:
    if not isinstance(value, list):
        return False
    before = ""
    for each in value:
        if not (isinstance(each, str) and _BYTES_32.fullmatch(each) and each > before):
            return False
        before = each
    return True


def _matches(pattern: re.Pattern[str]) -> Callable[[Json], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_text(value: Json) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255


def _is_truth(value: Json) -> bool:
    return isinstance(value, bool)


_is_hash = _matches(_BYTES_32)
_is_salt = _matches(_BYTES_16)
_CLOCK: Mapping[str, Callable[[Json], bool]] = {
    "sync": _is_truth,
    "src": lambda value: value == "sim" or _is_count(value),
    "max_us": _is_count,
    "scale": _is_count,
}
_MEMBERS: Mapping[str, tuple[str, Callable[[Json], bool]]] = {
    "v": (f"the integer {VERSION}", lambda value: value is not True and value == VERSION),
    "typ": ("a record type in lower case", _matches(_TYPE)),
    "unit": ("a unit such as neb-0001", _matches(UNIT)),
    "ep": ("an integer of 1 or more", lambda value: _is_count(value, 1)),
    "seq": ("an integer of 0 or more", _is_count),
    "prev": ("base64url of 32 bytes", _is_hash),
    "boot": ("text", _is_text),
    "mono_ns": ("an integer of 0 or more", _is_count),
    "utc": ("a UTC time such as 2026-11-22T11:11:40.123Z", _is_utc),
    "clk": ("an object of sync, src and perhaps max_us, scale", _is_clock),
    "sw": ("text", _is_text),
    "cfg": ("64 hex digits", _matches(_HEX64)),
    "sim": ("true or false", _is_truth),
    "salt": ("base64url of 16 bytes", _is_salt),
    "_sd": ("a sorted list of digests", _is_digests),
    "_sd_alg": ("sha-256", lambda value: value == disclosure.ALGORITHM),
}
_SESSION_MEMBERS: Mapping[str, tuple[str, Callable[[Json], bool]]] = {
    "session": ("text", _is_text),
    "day": ("an integer of 0 or more", _is_count),
    "tz": ("the name of a time zone", _is_text),
    "date_local": ("a date such as 2026-11-22", _matches(_DATE)),
}
_VARYING = ("seq", "prev", "mono_ns", "utc", "clk", "salt", "_sd")
_STEADY = tuple(name for name in _MEMBERS if name not in _VARYING)
_VARYING_VALUES = operator.itemgetter(*_VARYING)
_STEADY_VALUES = operator.itemgetter(*_STEADY)
_STEADY_HOLD = tuple(_MEMBERS[name][1] for name in _STEADY)
_SESSION_VALUES = operator.itemgetter(*_SESSION_MEMBERS)
_SESSION_HOLD = tuple(holds for _, holds in _SESSION_MEMBERS.values())


@lru_cache(maxsize=512, typed=True)  # typed: True is no 1
def _check_steady(*values: Json) -> None:
    _check_values(_STEADY_HOLD, values)


@lru_cache(maxsize=512, typed=True)
def _check_session(*values: Json) -> None:
    _check_values(_SESSION_HOLD, values)


def _check_values(predicates: Iterable[Callable[[Json], bool]], values: Iterable[Json]) -> None:
    """Raise `ValueError` unless each value is good: what is raised is not remembered, so that memory stays bounded."""
    for holds, value in zip(predicates, values, strict=True):
        if not holds(value):
            raise ValueError(value)
