"""Types and orders: every value comes back from its registers as it went in, exactly."""

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.faults import FieldError
from nebctl_drivers.profiles.codec import ORDERS_16, ORDERS_32, Layout, decode, encode, raw_number
from nebctl_drivers.profiles.quantities import UNITS, from_core, to_core

RANGES = {
    "uint16": (0, 0xFFFF),
    "int16": (-0x8000, 0x7FFF),
    "bits16": (0, 0xFFFF),
    "uint32": (0, 0xFFFFFFFF),
    "int32": (-0x80000000, 0x7FFFFFFF),
    "bits32": (0, 0xFFFFFFFF),
}
SCALES = st.decimals(min_value="0.0001", max_value="1000", places=4, allow_nan=False).filter(bool)
OFFSETS = st.decimals(min_value="-1000", max_value="1000", places=3, allow_nan=False)


@st.composite
def whole_layouts(draw: st.DrawFn) -> tuple[Layout, int]:
    """Return a layout of whole numbers and a raw value that it can hold."""
    name = draw(st.sampled_from(sorted(RANGES)))
    order = draw(st.sampled_from(ORDERS_32 if name.endswith("32") else ORDERS_16))
    raw = draw(st.integers(*RANGES[name]))
    return Layout(type=name, order=order, scale=draw(SCALES), offset=draw(OFFSETS)), raw


@given(whole_layouts())
def test_whole_numbers_come_back_exactly(case: tuple[Layout, int]) -> None:
    """Raw x scale + offset in decimals, through every integer type and order and back, loses nothing."""
    layout, raw = case
    value = Decimal(raw) * layout.scale + layout.offset
    words = encode(layout, value)
    assert decode(layout, words) == value
    assert raw_number(layout, words) == raw % (1 << 16 * len(words))


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from(ORDERS_32))
def test_a_float_comes_back_as_the_same_float(number: float, order: str) -> None:
    """A float32 is shown in the fewest digits that make the same float32 again."""
    layout = Layout(type="float32", order=order)
    words = encode(layout, Decimal(repr(number)))
    value = decode(layout, words)
    assert isinstance(value, Decimal)
    assert struct.pack(">f", float(value)) == struct.pack(">f", number + 0.0) or number == 0
    assert encode(layout, value) == words or number == 0


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12), st.sampled_from(ORDERS_16))
def test_a_text_is_read_in_either_order(text: str, order: str) -> None:
    """Two characters a register, the first in the high byte (AB) or the low one (BA); filling is cut off."""
    data = text.encode().ljust(12, b"\0")
    pairs = (data[at : at + 2] for at in range(0, 12, 2))
    words = [int.from_bytes(pair, "big" if order == "AB" else "little") for pair in pairs]
    assert decode(Layout(type="ascii", order=order, length=12), words) == text.rstrip(" ")


@pytest.mark.parametrize(
    ("order", "words"),
    [("ABCD", (0x416B, 0x3333)), ("CDAB", (0x3333, 0x416B)), ("BADC", (0x6B41, 0x3333)), ("DCBA", (0x3333, 0x6B41))],
)
def test_each_order_reads_the_same_pressure(order: str, words: tuple[int, int]) -> None:
    """14.7 is 41 6B 33 33; an order names the bytes as they come on the wire. Source: IEEE 754, worked by hand."""
    assert decode(Layout(type="float32", order=order), words) == Decimal("14.7")


@pytest.mark.parametrize("words", [(0x7FC0, 0), (0x7F80, 0), (0xFF80, 0)])
def test_what_is_no_number_is_none(words: tuple[int, int]) -> None:
    """Not-a-number and both infinities never become a number."""
    assert decode(Layout(type="float32", order="ABCD"), words) is None


def test_a_text_that_does_not_print_is_none() -> None:
    """Control characters are no text, so that a wrong register does not look like a serial number."""
    assert decode(Layout(type="ascii", order="AB", length=4), (0x5349, 0x0A4D)) is None


@pytest.mark.parametrize(
    ("layout", "value", "problem"),
    [
        (Layout(type="uint16", order="AB"), "65536", "does not fit"),
        (Layout(type="uint16", order="AB"), "-1", "does not fit"),
        (Layout(type="int16", order="AB", scale=Decimal("0.1")), "3276.8", "does not fit"),
        (Layout(type="uint16", order="AB", scale=Decimal("0.1")), "1.25", "between two steps"),
        (Layout(type="bit", order="AB"), "2", "does not fit"),
        (Layout(type="float32", order="ABCD"), "1e39", "does not fit"),
        (Layout(type="ascii", order="AB", length=2), "1", "never written"),
    ],
)
def test_what_registers_cannot_hold_is_refused(layout: Layout, value: str, problem: str) -> None:
    """Nothing is clipped, wrapped or rounded into a register."""
    with pytest.raises(FieldError, match=problem):
        encode(layout, Decimal(value))


@given(st.integers(0, 10**9), st.sampled_from(["ms", "s", "min"]))
def test_a_time_is_never_written_longer_than_asked(value: int, unit: str) -> None:
    """A maximum on-time goes down to the next step of its point, never up."""
    written = from_core(value, unit, Decimal(1))
    assert 0 <= value - to_core(written, unit) < UNITS[unit].factor
