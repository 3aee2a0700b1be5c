"""Quantities with units: what is read, what is refused with which advice, and how it is written again."""

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core import units
from nebctl.core.units import UnitError

NUMBERS = st.integers(min_value=0, max_value=units.LARGEST)
PARSERS: list[Callable[[str], int]] = [
    units.parse_volume,
    units.parse_content,
    units.parse_duration,
    units.parse_fraction,
    units.parse_rate,
]


def attempt(parse: Callable[[str], int], text: str) -> int | UnitError:
    """Return what a text is read as, or its refusal."""
    try:
        return parse(text)
    except UnitError as error:
        return error


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (units.parse_volume, "3 mL", 3_000_000),
        (units.parse_volume, "0.05 mL", 50_000),
        (units.parse_volume, "20 uL", 20_000),
        (units.parse_volume, "20 \u00b5L", 20_000),
        (units.parse_volume, "20 \u03bcL", 20_000),
        (units.parse_volume, "0.000001 mL", 1),
        (units.parse_volume, "0 mL", 0),
        (units.parse_content, "2.0e8 vesicles", 200_000_000),
        (units.parse_content, "200000000 vesicles", 200_000_000),
        (units.parse_content, "1.6e9 vesicles", 1_600_000_000),
        (units.parse_content, "0 vesicles", 0),
        (units.parse_duration, "20 h", 72_000 * 10**9),
        (units.parse_duration, "0.5 h", 1_800 * 10**9),
        (units.parse_duration, "28 d", 28 * 86_400 * 10**9),
        (units.parse_duration, "500 ms", 500_000_000),
        (units.parse_duration, "7 ns", 7),
        (units.parse_fraction, "90 %", 900_000),
        (units.parse_fraction, "0.5 %", 5_000),
        (units.parse_fraction, "105 %", 1_050_000),
        (units.parse_rate, "0.38 mL/min", 380_000),
    ],
)
def test_reads_a_quantity_exactly(parse: Callable[[str], int], text: str, value: int) -> None:
    """A right text is read as the exact integer of base units."""
    assert parse(text) == value


@pytest.mark.req("S06")
@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("2.0*10E8", 'Write "2.0e8 vesicles"'),
        ("2.0*10E8 nano vesicles/3 ml", 'Write "2.0e8 vesicles"'),
        ("2.0*10E8 vesicles", "ten times as much"),
        ("2.0x10^8 vesicles", 'Write "2.0e8 vesicles"'),
        ("2.0 × 10**8 vesicles", 'Write "2.0e8 vesicles"'),
        ("10E8 vesicles", '"1.0e8 vesicles" for ten to the power 8, or "1.0e9 vesicles"'),
        ("10e8 vesicles", '"1.0e8 vesicles" for ten to the power 8, or "1.0e9 vesicles"'),
        ("2.0E8 vesicles", '"2.0e8 vesicles"'),
        ("2.0e+8 vesicles", '"2.0e8 vesicles"'),
        ("20e8 vesicles", "one digit from 1 to 9"),
        ("0.5e10 vesicles", "one digit from 1 to 9"),
        ("2.0e8", "It has no unit"),
        ("2.0e8 particles", "The unit 'particles' is not known"),
        ("-2.0e8 vesicles", "It is negative"),
        ("1.5 vesicles", "more digits than a content can hold"),
        ("9.0e99 vesicles", "larger than any content"),
        ("9007199254740992 vesicles", "larger than any content"),
    ],
)
def test_refuses_a_content_and_says_what_to_write(text: str, advice: str) -> None:
    """No content that could be read in two ways is read; the refusal names the value and what to write."""
    with pytest.raises(UnitError) as refusal:
        units.parse_content(text)
    assert refusal.value.seen == text
    assert "vesicles" in refusal.value.expected
    assert advice in refusal.value.advice


@pytest.mark.req("S06")
@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("3", "It has no unit"),
        ("3 ", "It has no unit"),
        ("", "Write a number and its unit"),
        ("mL", "Write a number and its unit"),
        ("3 ml", 'Write "3 mL"'),
        ("3mL", 'Write "3 mL"'),
        ("3  mL", 'Write "3 mL"'),
        (" 3 mL", "Write a number and its unit"),
        ("3 mL\n", "Write a number and its unit"),
        ("3 cc", "write one of mL, uL"),
        ("3 mL/min", "write one of mL, uL"),
        ("3,0 mL", "decimal point"),
        ("-3 mL", "negative"),
        ("NaN mL", "Write a number"),
        ("inf mL", "Write a number"),
        (".5 mL", "Write a number"),
        ("5. mL", "Write"),
        ("03 mL", "Write"),
        ("1_000 mL", "Write"),
        ("3e0 mL", "An exponent has no place here"),
        ("0.0000001 mL", "more digits than a volume can hold"),
        ("٣ mL", "Write a number"),
    ],
)
def test_refuses_a_volume_and_says_what_to_write(text: str, advice: str) -> None:
    """No unitless, negative, locale-comma, infinite or inexact volume is read."""
    with pytest.raises(UnitError) as refusal:
        units.parse_volume(text)
    assert advice.lower() in refusal.value.advice.lower()


@pytest.mark.req("S06")
@given(text=st.text(max_size=30) | st.from_regex(r"[0-9.,eE+*x^ -]{0,8} ?[a-zA-Z%/]{0,8}", fullmatch=True))
def test_junk_is_refused_and_nothing_else_is_raised(text: str) -> None:
    """Any text is either refused with a `UnitError` or read as a whole number from 0 up with a unit in the text."""
    for parse in PARSERS:
        answer = attempt(parse, text)
        if isinstance(answer, UnitError):
            assert (answer.seen, answer.advice[-1]) == (text, ".")
        else:
            assert type(answer) is int
            assert answer >= 0
            assert " " in text


@pytest.mark.req("S06")
@given(
    number=st.floats() | st.integers(-(10**15), 10**15).map(float),
    unit=st.sampled_from(["mL", "vesicles", "h", "%", "mL/min"]),
)
def test_a_printed_float_is_read_exactly_or_refused(number: float, unit: str) -> None:
    """Whatever float somebody prints before a unit, it is read as the very number printed or refused."""
    text = f"{number} {unit}"
    scale = {"mL": 10**6, "vesicles": 1, "h": units.NS_PER_H, "%": 10**4, "mL/min": 10**6}[unit]
    for parse in PARSERS:
        answer = attempt(parse, text)
        assert isinstance(answer, UnitError) or answer == Fraction(str(number)) * scale


@given(nl=NUMBERS)
def test_volume_round_trip(nl: int) -> None:
    """A volume that is written is read back as the same nanolitres."""
    assert units.parse_volume(units.format_volume(nl)) == nl


@given(vesicles=NUMBERS)
def test_content_round_trip(vesicles: int) -> None:
    """A content that is written is read back as the same count."""
    assert units.parse_content(units.format_content(vesicles)) == vesicles


@given(ns=st.integers(min_value=0, max_value=units.LARGEST_NS))
def test_duration_round_trip(ns: int) -> None:
    """A duration that is written is read back as the same nanoseconds."""
    assert units.parse_duration(units.format_duration(ns)) == ns


@given(ppm=NUMBERS)
def test_fraction_round_trip(ppm: int) -> None:
    """A fraction that is written is read back as the same parts per million."""
    assert units.parse_fraction(units.format_fraction(ppm)) == ppm


@given(nl=st.integers(min_value=-(10**12), max_value=10**12), digits=st.integers(min_value=0, max_value=6))
def test_format_ml_rounds_as_asked(nl: int, digits: int) -> None:
    """Down is at most the value, up at least it, both less than a step away; nearest is within half a step."""
    exact, step = Fraction(nl, units.NL_PER_ML), Fraction(1, 10**digits)
    assert 0 <= exact - Fraction(units.format_ml(nl, digits, "down")) < step
    assert 0 <= Fraction(units.format_ml(nl, digits, "up")) - exact < step
    assert abs(Fraction(units.format_ml(nl, digits)) - exact) <= step / 2


def test_format_ml_keeps_its_digits() -> None:
    """The number of decimals is the one asked for, trailing zeros and negative values included."""
    assert units.format_ml(1_415_000) == "1.42"
    assert units.format_ml(3_000_000) == "3.00"
    assert units.format_ml(-1_500_000, 1) == "-1.5"
    assert units.format_ml(2_999_999, 0, "down") == "2"
    with pytest.raises(ValueError, match="expected 0 to 6"):
        units.format_ml(1, 7)


def test_shortest_forms() -> None:
    """Contents keep one decimal before the exponent; concentrations are rounded to three significant digits."""
    assert units.format_content(10**9) == "1.0e9 vesicles"
    assert units.format_content(7) == "7 vesicles"
    assert units.format_volume(60_000_000) == "60 mL"
    assert units.format_concentration(Fraction(200_000_000, 3)) == "6.67e7 per mL"
    assert units.format_concentration(Fraction(99_950)) == "1.0e5 per mL"
    assert units.format_concentration(Fraction(0)) == "0 per mL"
