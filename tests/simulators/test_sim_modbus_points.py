"""Values and the registers that hold them, as the simulated nebulizer packs them."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from nebctl_simulators.modbus.points import INTEGERS, Point


@given(st.sampled_from(sorted(INTEGERS)), st.sampled_from(("ABCD", "CDAB", "BADC", "DCBA")), st.integers(0, 2**32 - 1))
def test_what_is_packed_comes_out_again(kind: str, order: str, raw: int) -> None:
    """Each integer type in each order of bytes gives its value back, with scale and offset."""
    width, signed = INTEGERS[kind]
    number = raw % (1 << width) - (1 << width - 1 if signed else 0)
    scale, offset = Fraction(1, 10), Fraction(-40)
    point = Point(
        name="p", table="holding", address=0, type=kind, order=order, scale=scale, offset=offset, names={}, bits={}
    )
    assert point.unpack(point.pack(number * scale + offset)) == number * scale + offset


def test_a_value_beyond_its_registers_is_the_nearest() -> None:
    """A plant that leaves the range of a register shows the register's end, not a number gone round."""
    point = Point(name="p", table="input", address=0, type="int16", scale=Fraction(1, 10), names={}, bits={})
    assert (point.pack(5000), point.pack(-5000)) == ((0x7FFF,), (0x8000,))


def test_the_orders_of_four_bytes() -> None:
    """1.0 as a float32 is 3F80 0000; each order moves its bytes as its letters say."""
    words = {
        order: Point(name="p", table="input", address=0, type="float32", order=order, names={}, bits={}).pack(1)
        for order in ("ABCD", "CDAB", "BADC", "DCBA")
    }
    assert words == {"ABCD": (0x3F80, 0), "CDAB": (0, 0x3F80), "BADC": (0x803F, 0), "DCBA": (0, 0x803F)}


def test_a_text_is_filled_up() -> None:
    """A text shorter than its registers ends in zeros, a longer one is cut."""
    point = Point(name="p", table="input", address=0, type="ascii", length=6, names={}, bits={})
    assert point.pack("SIM-0") == (0x5349, 0x4D2D, 0x3000)
    assert point.pack("SIM-0004") == (0x5349, 0x4D2D, 0x3030)
