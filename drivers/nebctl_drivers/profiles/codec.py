"""Registers to values and back, exactly: types, orders of bytes, scale and offset.

Two registers carry four bytes A, B, C and D, of which A is the most significant; an order names them as they come.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TypeAlias

from nebctl.core.faults import FieldError

Value: TypeAlias = Decimal | str
"""A number, exactly, or a text; flags are a number here."""

_EXACT_DIGITS = 80
"""More than a product of two 64-bit numbers and 15-digit scales can have: nothing is ever rounded."""
_FLOAT32_DIGITS = range(1, 10)
"""Nine significant digits always tell two float32 apart. Source: IEEE 754-2019, 5.12.2."""
_INTEGERS: Mapping[str, tuple[int, bool]] = {
    "bit": (16, False),
    "uint16": (16, False),
    "int16": (16, True),
    "bits16": (16, False),
    "uint32": (32, False),
    "int32": (32, True),
    "bits32": (32, False),
}
_WIDE = frozenset(("uint32", "int32", "bits32", "float32"))
_FLAGS = frozenset(("bits16", "bits32"))
TYPES = (*_INTEGERS, "float32", "ascii")
ORDERS_16 = ("AB", "BA")
ORDERS_32 = ("ABCD", "CDAB", "BADC", "DCBA")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a value lies in its registers: value = raw x `scale` + `offset`.

    `length` is the number of characters of an `ascii`, 0 for every other type. A `bit` lies in one coil.
    """

    type: str
    order: str
    length: int = 0
    scale: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)

    @property
    def registers(self) -> int:
        """Return how many registers, or coils, the value takes."""
        if self.type == "ascii":
            return (self.length + 1) // 2
        return 2 if self.is_wide else 1

    @property
    def is_wide(self) -> bool:
        """Return whether the value takes two registers."""
        return self.type in _WIDE

    @property
    def is_flags(self) -> bool:
        """Return whether each bit has a meaning of its own."""
        return self.type in _FLAGS


def decode(layout: Layout, words: Sequence[int]) -> Value | None:
    """Return the value of registers; None where they hold no number, or no printable text."""
    data = _straighten(layout, words)
    if layout.type == "ascii":
        return _text(data[: layout.length])
    if layout.type == "float32":
        number = _decode_float(data)
        return None if number is None else _scale(layout, number)
    return _scale(layout, Decimal(int.from_bytes(data, signed=_INTEGERS[layout.type][1])))


def encode(layout: Layout, value: Decimal) -> tuple[int, ...]:
    """Return the registers of a number.

    Raises: `FieldError` for a number that the registers cannot hold exactly (a float32: not at all), and for texts.
    """
    if layout.type == "ascii":
        raise FieldError("a text is never written", 'give the point access = "r"')
    raw = (Fraction(value) - Fraction(layout.offset)) / Fraction(layout.scale)
    data = _encode_float(raw) if layout.type == "float32" else _encode_integer(layout, raw)
    return _crook(layout, data)


def raw_number(layout: Layout, words: Sequence[int]) -> int:
    """Return registers as one unsigned number, the way a manual writes a value that means `none`."""
    return int.from_bytes(_straighten(layout, words))


def _straighten(layout: Layout, words: Sequence[int]) -> bytes:
    """Return the bytes with the most significant first; each order is its own inverse."""
    data = struct.pack(f">{len(words)}H", *words)
    if layout.order == "ABCD":
        return data
    if not layout.is_wide:
        return data if layout.order == "AB" else b"".join(data[at : at + 2][::-1] for at in range(0, len(data), 2))
    return bytes(data["ABCD".index(layout.order[at])] for at in range(4))


def _crook(layout: Layout, data: bytes) -> tuple[int, ...]:
    words = tuple(int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2))
    swapped = _straighten(layout, words)
    return tuple(int.from_bytes(swapped[at : at + 2]) for at in range(0, len(swapped), 2))


def _scale(layout: Layout, raw: Decimal) -> Decimal:
    if layout.scale == 1 and not layout.offset:
        return raw
    with localcontext(prec=_EXACT_DIGITS):
        return raw * layout.scale + layout.offset


def _text(data: bytes) -> str | None:
    text = data.rstrip(b"\0 ")
    return text.decode("ascii") if all(0x20 <= byte <= 0x7E for byte in text) else None


def _decode_float(data: bytes) -> Decimal | None:
    [number] = struct.unpack(">f", data)
    if not math.isfinite(number):
        return None
    texts = (f"{number:.{digits}g}" for digits in _FLOAT32_DIGITS)
    return Decimal(next(text for text in texts if _pack(float(text)) == data))


def _encode_float(raw: Fraction) -> bytes:
    data = _pack(float(raw))
    if data is None:
        raise FieldError("this does not fit a float32", "write a number between -3.4e38 and 3.4e38")
    return data


def _pack(number: float) -> bytes | None:
    """Return the nearest float32; None where there is none, as just above the largest."""
    try:
        return struct.pack(">f", number)
    except OverflowError:
        return None


def _encode_integer(layout: Layout, raw: Fraction) -> bytes:
    bits, signed = _INTEGERS[layout.type]
    least = -(1 << bits - 1) if signed else 0
    most = 1 if layout.type == "bit" else least + (1 << bits) - 1
    if raw.denominator != 1:
        raise FieldError(f"this is between two steps of {layout.scale}", f"write a multiple of {layout.scale}")
    if not least <= raw <= most:
        ends = sorted(_scale(layout, Decimal(end)) for end in (least, most))
        raise FieldError(f"this does not fit the type {layout.type}", f"write a number from {ends[0]} to {ends[1]}")
    return int(raw).to_bytes(bits // 8, signed=signed)
