"""The one way to write JSON in the ledger: UTF-8, sorted ASCII keys, no white space, integers below 2^53, no floats."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeAlias

from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.records import Json

LIMIT = 1 << 53
"""Every |n| is below it, so that no reader's double changes a number. Source: RFC 8259, section 6."""

Decoder: TypeAlias = Callable[[bytes], dict[str, Json]]
Encoder: TypeAlias = Callable[[Mapping[str, Json]], bytes]
"""Other ways to do what `decode` and `encode` do, to the last refusal; the core's own are those that decide."""

_DEPTH = 32
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG = b"0" * len(str(LIMIT))


def encode(value: object) -> bytes:
    """Return the canonical bytes of a JSON value.

    Raises: `FormatError` for a float, an integer of 2^53 or more, a key that is not ASCII text, or another type.
    """
    _check(value, "JSON", _DEPTH)
    return _write(value)


def decode(data: bytes) -> dict[str, Json]:
    """Return the object whose canonical bytes are `data`.

    Raises: `FormatError` where it is not an object, a key stands twice, or the bytes are not the canonical ones.
    """
    value = decode_value(data)
    if not isinstance(value, dict):
        raise FormatError("JSON", value, "an object")
    return value


def decode_value(data: bytes) -> Json:
    """Return the JSON value, object or not, whose canonical bytes are `data`.

    Raises: `FormatError` as `decode` does.
    """
    text = _text(data)
    value = _parse(text, _DECODER)
    if may_need_walk(data):
        _check(value, "JSON", _DEPTH)
    again = _ENCODER.encode(value)
    if again != text:
        _parse(text, _TELLING_DECODER)
        at = next((i for i, (a, b) in enumerate(zip(again, text, strict=False)) if a != b), min(len(again), len(text)))
        raise FormatError(f"JSON character {at}", text[at : at + 16], f"canonical {again[at : at + 16]!r}")
    return value


def may_need_walk(data: bytes) -> bool:
    """Return whether what these bytes say may hold a large integer, a key that is not ASCII, or too much depth.

    The walk costs as much as parsing does, and few records need it.
    """
    if not data.isascii() or data.count(b"{") + data.count(b"[") > _DEPTH:
        return True
    return _has_long_digits(data)


def _has_long_digits(data: bytes) -> bool:
    """Return whether there are 17 digits in a row, or 16 from a 9 on, as in every integer from 9 * 10^15 on."""
    zeros = data.translate(_DIGITS)
    at = zeros.find(_LONG)
    while at >= 0:
        after = at + len(_LONG)
        if data[at : at + 1] == b"9" or zeros[after : after + 1] == b"0":
            return True
        at = zeros.find(_LONG, after)
    return False


def _write(value: object) -> bytes:
    try:
        return _ENCODER.encode(value).encode("utf-8")
    except UnicodeEncodeError:
        raise FormatError("JSON", "a lone surrogate", "text that UTF-8 can carry") from None


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"JSON byte {error.start}", data[error.start : error.start + 8], "UTF-8") from None


def _parse(text: str, decoder: json.JSONDecoder) -> Json:
    try:
        value: Json = decoder.raw_decode(text)[0]
    except json.JSONDecodeError as error:
        raise FormatError(f"JSON character {error.pos}", text[error.pos : error.pos + 16], error.msg) from None
    except RecursionError:
        raise FormatError("JSON", "deeper nesting", f"at most {_DEPTH} levels") from None
    except FormatError:
        raise
    except ValueError:  # Python reads no integer of thousands of digits
        raise FormatError("JSON", "an integer without end", "an integer with |n| < 2^53") from None
    return value


def _check(value: object, where: str, depth: int) -> None:
    if value is None or isinstance(value, bool | str):
        return
    if isinstance(value, int):
        if not -LIMIT < value < LIMIT:
            raise FormatError(where, value, "an integer with |n| < 2^53")
        return
    if depth == 0:
        raise FormatError(where, "deeper nesting", f"at most {_DEPTH} levels")
    if isinstance(value, Mapping):
        _check_members(value, where, depth)
    elif isinstance(value, list):
        for item in value:
            if type(item) is not str:
                _check(item, where, depth - 1)
    else:
        raise FormatError(where, value, "null, true, false, an integer, text, a list or an object")


def _check_members(value: Mapping[Any, Any], where: str, depth: int) -> None:
    for key, item in value.items():
        if not (isinstance(key, str) and key.isascii()):
            raise FormatError(where, key, "a key of ASCII text")
        kind = type(item)  # most are text or small numbers, and need no call
        if kind is not str and (kind is not int or not -LIMIT < item < LIMIT):
            _check(item, key, depth - 1)


def _pairs(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise FormatError("JSON", next(key for key in keys if keys.count(key) > 1), "each key once")
    return found


def _refuse_number(text: str) -> NoReturn:
    raise FormatError("JSON", text, "an integer; floats have no single spelling")


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False, default=dict
)  # nothing circular comes here: `_check` has walked it, or it was parsed
_DECODER = json.JSONDecoder(parse_float=_refuse_number, parse_constant=_refuse_number)
_TELLING_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_refuse_number, parse_constant=_refuse_number)
"""Names the key that stands twice; the quick one keeps the last of them, so that the bytes differ."""
