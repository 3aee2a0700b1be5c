"""Reading a trace: exact numbers whatever their form, and every fault with its row, column, value and what is right."""

from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebctl.core.dose.reading import Doing, Reading
from nebctl.core.faults import Fault
from nebctl.core.trace import HEADER, NAMES, QUANTITIES, line
from nebctl.core.trace_text import LONGEST_LINE, MOST_FAULTS, TraceText, read_trace

ROW = "0.2,running,83.4,128250,21.5,24.1,,,,,0"
PLACES = {name: place for place, name in enumerate(NAMES)}


def read(*rows: str, header: str = HEADER, end: str = "\n") -> TraceText | tuple[Fault, ...]:
    """Return what is read of these rows under the header."""
    return read_trace([(row + end).encode() for row in (header, *rows)], "t.csv")


def good(*rows: str, **how: str) -> TraceText:
    """Return a trace that must be good."""
    trace = read(*rows, **how)
    assert isinstance(trace, TraceText), trace
    return trace


def fault(*rows: str, **how: str) -> Fault:
    """Return the one fault of a trace."""
    faults = read(*rows, **how)
    assert isinstance(faults, tuple)
    (only,) = faults
    return only


def row(**fields: str) -> str:
    """Return a good row with other fields, named as in the header."""
    parts = ROW.split(",")
    for name, value in fields.items():
        parts[PLACES[name]] = value
    return ",".join(parts)


def numbers(low: int, high: int) -> Any:
    """Return a quantity that may be missing."""
    return st.none() | st.integers(low, high)


READINGS = st.builds(
    Reading,
    at_ms=st.integers(0, 36_000_000),
    doing=st.sampled_from(Doing),
    drive_ua=numbers(0, 10_000_000),
    drive_hz=numbers(0, 10_000_000),
    drive_uw=numbers(0, 10_000_000),
    temp_mc=numbers(-50_000, 300_000),
    gas_sccm=numbers(-1_000, 100_000),
    pressure_pa=numbers(-102_000, 1_000_000),
    weight_ug=numbers(-(10**9), 10**9),
    device_nl=numbers(0, 10**8),
    dry=st.none() | st.booleans(),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(READINGS, min_size=1, max_size=8))
def test_what_is_written_is_read_back(readings: list[Reading]) -> None:
    """Any readings in the order of time come back the same from their lines, to the last digit."""
    ordered = sorted(readings, key=lambda reading: reading.at_ms)
    told = tuple(one for one, _ in groupby(ordered))
    assert good(*(line(one).rstrip("\n") for one in ordered)).readings == told


@given(st.integers(-(10**6), 10**6), st.integers(0, 8), st.sampled_from("eE"))
def test_the_form_of_a_number_is_no_matter(ug: int, zeros: int, e: str) -> None:
    """Micrograms as milligrams with more digits, an exponent or a plus sign are the same micrograms."""
    sign, digits = "-" if ug < 0 else "", str(abs(ug)).rjust(4, "0")
    forms = (
        f"{sign}{digits[:-3]}.{digits[-3:]}{'0' * zeros}",
        f"{ug}{'0' * zeros}{e}-{zeros + 3}",
        f"{sign or '+'}{digits}.{e}-03",
        f"{sign}.{digits}{e}{len(digits) - 3:+d}",
    )
    for form in forms:
        assert good(row(weight_mg=form)).readings[0].weight_ug == ug, form


@pytest.mark.parametrize(
    ("text", "whole"),
    [("0.0005", 0), ("0.0015", 2), ("0.0025", 2), ("0.00250000000000000000000000001", 3), ("1e-400", 0)],
)
def test_digits_past_the_unit_are_rounded_half_even(text: str, whole: int) -> None:
    """What lies between two whole units goes to the nearer one, a tie to the even one, and no float decides."""
    assert good(row(drive_mA=text)).readings[0].drive_ua == whole


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [b"", b"\n", b"\r\n\n\n"])
def test_line_ends_and_marks_are_no_matter(end: str, bom: bytes, last: bytes) -> None:
    """LF or CR LF, a byte order mark or none, no last line end or several: the same readings."""
    text = bom + end.join((HEADER, ROW, row(t_s="0.4"))).encode() + last
    trace = read_trace(text.splitlines(keepends=True), "t.csv")
    assert isinstance(trace, TraceText)
    assert [reading.at_ms for reading in trace.readings] == [200, 400]
    assert trace.notes == ()


def test_columns_stand_in_any_order() -> None:
    """A column is known by its name; spaces and quotes around a field, as some programs write, are no matter."""
    names, fields = [*reversed(NAMES)], [*reversed(ROW.split(","))]
    plain = good(ROW).readings
    assert good(",".join(fields), header=",".join(names)).readings == plain
    quoted = ", ".join(f'"{field}"' for field in fields)
    assert good(quoted, header=",".join(f'"{name}"' for name in names)).readings == plain


def test_a_column_that_is_filled_sometimes_is_fine() -> None:
    """Each row says what the device told then, and None for the rest; dry may be a number with decimals."""
    first, second = good(row(drive_mA="", dry="1.0"), row(t_s="0.4", drive_mA="80", dry="")).readings
    assert (first.drive_ua, first.dry) == (None, True)
    assert (second.drive_ua, second.dry) == (80_000, None)


# What is handled and told of.


def test_an_unknown_column_is_told_of() -> None:
    """A column of the recorder's own is not read, and a note names it."""
    header = f"{HEADER},humidity"
    trace = good(f"{ROW},41", header=header)
    assert trace.readings == good(ROW).readings
    assert trace.notes == ('line 1: column "humidity" is not known and was not read',)
    assert len(good(f"{ROW},41,x", header=f"{header},humidity").notes) == 1


def test_a_repeated_row_counts_once() -> None:
    """A row that says just what the one before it said is dropped, and a note counts how often and says where first."""
    trace = good(ROW, ROW, row(t_s="0.4"), row(t_s="0.4"))
    assert [reading.at_ms for reading in trace.readings] == [200, 400]
    assert trace.notes == ("line 3: a row repeats the one before it and was counted once (2 times, the first here)",)


def test_two_answers_in_one_millisecond_are_kept() -> None:
    """Rows of the same time with other values are both taken, in order, with a note: a STOP's answer comes so."""
    trace = good(ROW, row(state="off", drive_mA="0"))
    assert [reading.doing for reading in trace.readings] == [Doing.RUNNING, Doing.OFF]
    assert trace.notes == (
        "line 3: a row has the same time as the one before it, with other values; both were taken, in order",
    )


def test_noise_below_zero_is_zero() -> None:
    """A sensor's noise about 0 is read as 0 with a note where the quantity has no sign; a gas flow keeps it."""
    trace = good(row(drive_mA="-0.3", gas_slpm="-0.002"))
    assert (trace.readings[0].drive_ua, trace.readings[0].gas_sccm) == (0, -2)
    assert trace.notes == ("line 2: drive_mA is a little below 0, as noise makes it, and was read as 0",)


# What is refused.

WORDS = "write digits with a decimal point, such as 83.4 or 8.34e1, without a unit"
EMPTY = "leave the field empty where the device tells nothing"


@pytest.mark.parametrize(
    ("column", "value", "problem", "right"),
    [
        ("t_s", "", "no value", "write a number; this column is in every row"),
        ("t_s", "-0.2", "before the start", "count seconds from the start, beginning with 0"),
        ("t_s", "1771081200.5", "more than 7 days", "count seconds from the start, beginning with 0"),
        ("t_s", "12:00:01", "no number", WORDS),
        ("state", "RUNNING", "no such state", "did you mean running?"),
        ("state", "", "no such state", "write one of off, running, paused, lost"),
        ("state", "on", "no such state", "write one of off, running, paused, lost"),
        ("drive_mA", "nan", "no number", EMPTY),
        ("drive_mA", "-NaN", "no number", EMPTY),
        ("drive_Hz", "inf", "no number", EMPTY),
        ("drive_mW", "-Infinity", "no number", EMPTY),
        ("drive_mA", "83.4 mA", "no number", WORDS),
        ("drive_mA", "0x53", "no number", WORDS),
        ("drive_mA", "1_000", "no number", WORDS),
        ("drive_mA", "٨٣", "no number", WORDS),
        ("drive_mA", ".", "no number", WORDS),
        ("drive_mA", "-83.4", "negative", "check sign and unit of the sensor; " + EMPTY.replace("the field", "it")),
        ("drive_mA", "1e300", "above 100000", "check the unit, which drive_mA names"),
        ("temp_C", "301", "above 300", "check the unit, which temp_C names"),
        ("temp_C", "-273", "below -100", "check sign and unit of the sensor; " + EMPTY.replace("the field", "it")),
        ("gas_slpm", "6000", "above 1000", "check the unit, which gas_slpm names"),
        ("pressure_kPa", "239325", "above 10000", "check the unit, which pressure_kPa names"),
        ("device_nL", "-11000", "negative", "check sign and unit of the sensor; " + EMPTY.replace("the field", "it")),
        ("dry", "2", "neither 0 nor 1", "write 1 for dry, 0 for not dry, nothing where it is not sensed"),
        ("dry", "True", "a word", "write 1"),
        ("dry", "false", "a word", "write 0"),
    ],
)
def test_a_field_that_cannot_be(column: str, value: str, problem: str, right: str) -> None:
    """A value that its column cannot hold is named with its row and column, what is wrong, and what to write."""
    found = fault(ROW.replace("0.2", "0"), row(**{column: value}))
    assert (found.file, found.line, found.field) == ("t.csv", 3, column)
    assert found.value == f'"{value}"'
    assert (found.problem, found.right) == (problem, right)


def test_a_decimal_comma_is_a_wrong_number_of_fields() -> None:
    """A number written with a comma makes one field too many, and the advice says why."""
    found = fault(row(drive_mA="83,4"))
    assert (found.line, found.field, found.problem) == (2, "row", "12 fields")
    assert found.right == "expected 11, as in the header; write numbers with a decimal point"


def test_a_row_that_was_cut_off() -> None:
    """A row with too few fields, as a power cut leaves it, is named."""
    found = fault(ROW, "0.4,runn")
    assert (found.line, found.problem) == (3, "2 fields")
    assert "take the row out if it was cut off" in found.right


def test_time_that_runs_backwards() -> None:
    """The first row that is older than the one before it is named with both times."""
    found = fault(row(t_s="12"), row(t_s="11.999"))
    assert (found.line, found.field, found.value) == (3, "t_s", '"11.999"')
    assert found.problem == "the time runs backwards, from 12.000 s"


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_column_is_named(name: str) -> None:
    """Each of the columns must be there, though it may be empty; one in other letters is told its right name."""
    names = [one for one in NAMES if one != name]
    found = fault(",".join(ROW.split(",")[1:]), header=",".join(names))
    assert (found.line, found.field, found.problem) == (1, name, "the column is missing")
    changed = HEADER.replace(name, name.swapcase())
    assert fault(ROW, header=changed).right == f"write {name} instead of {name.swapcase()}"


@pytest.mark.parametrize(
    ("header", "field", "problem"),
    [
        (f"{HEADER},dry", "dry", "the column stands there twice"),
        (f"{HEADER},", "header", "column 12 has no name"),
        (HEADER.replace(",", ";"), "header", "no commas"),
        (HEADER.replace(",", "\t"), "header", "no commas"),
    ],
)
def test_a_header_that_is_not_clear(header: str, field: str, problem: str) -> None:
    """A header that names a column twice, or none, or is separated otherwise, is refused before any row."""
    found = fault(ROW, header=header)
    assert (found.line, found.field, found.problem) == (1, field, problem)


@pytest.mark.parametrize(
    ("lines", "line_number", "field", "problem"),
    [
        ([], 1, "header", "the file is empty"),
        ([b"\n", b"\r\n"], 1, "header", "the file is empty"),
        ([HEADER.encode()], 2, "row", "there is no row after the header"),
        ([HEADER.encode(), b"0.2,\xff\n"], 2, "line", "byte 5 is 0xff, which is no UTF-8"),
        ([HEADER.encode("utf-16")], 1, "line", "byte 1 is 0xff, which is no UTF-8"),
        ([b"t\0_\0s\0,\0"], 1, "line", "it holds a NUL byte"),
        ([HEADER.encode(), b"1" * (LONGEST_LINE + 1)], 2, "line", f"longer than {LONGEST_LINE} bytes"),
        ([HEADER.encode(), b"\n", ROW.encode()], 2, "row", "the line is empty"),
        ([b"%PDF-1.7\n", ROW.encode()], 1, "t_s", "the column is missing"),
    ],
)
def test_what_is_no_trace(lines: list[bytes], line_number: int, field: str, problem: str) -> None:
    """A file that is empty, has no row, is no text or something else altogether is refused with its line."""
    faults = read_trace(lines, "t.csv")
    assert isinstance(faults, tuple)
    assert (faults[0].line, faults[0].field, faults[0].problem) == (line_number, field, problem)


def test_faults_are_told_up_to_a_number() -> None:
    """Every fault is told, but no more than a person would read."""
    assert len(read_faults(*(row(t_s=f"{second}", state="on", dry="2") for second in range(5)))) == 10
    assert len(read_faults(*(row(t_s=f"{second}", state="on") for second in range(1000)))) == MOST_FAULTS


def read_faults(*rows: str) -> tuple[Fault, ...]:
    """Return the faults of a trace that has some."""
    faults = read(*rows)
    assert isinstance(faults, tuple)
    return faults


@given(st.lists(st.binary(max_size=80), max_size=8), st.booleans())
def test_anything_is_read_or_refused(lines: list[bytes], headed: bool) -> None:
    """Whatever the bytes are, the answer is readings in order or faults, never an exception."""
    found = read_trace([HEADER.encode()] * headed + lines, "t.csv")
    if isinstance(found, TraceText):
        assert all(one.at_ms <= other.at_ms for one, other in pairwise(found.readings))
    else:
        assert found
        assert all(str(each).startswith("t.csv:") for each in found)


def test_every_quantity_has_its_limits() -> None:
    """Each column of numbers refuses a number far too large, so that a slipped column shows."""
    for column in QUANTITIES:
        assert fault(row(**{column.name: "1e12"})).field == column.name
