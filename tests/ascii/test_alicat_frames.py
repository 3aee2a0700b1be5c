"""Alicat commands and answers: golden lines, what cannot be sent at all, and whose answer a line is."""

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl_drivers.alicat_ascii.columns import Units, check_unit, compare, read_frame, read_table
from nebctl_drivers.alicat_ascii.frames import (
    AlicatGrammar,
    Ask,
    Firmware,
    Frame,
    HoldValve,
    Query,
    Refused,
    Request,
    Row,
    SetPoint,
    SetPoints,
    Source,
    StopStream,
    Streamed,
    Valve,
    encode,
    read_line,
)
from nebctl_drivers.alicat_ascii.profile import read_alicat_profile, read_version
from nebctl_drivers.profiles import read_profile

PROFILE: dict[str, Any] = read_profile("alicat-ascii")
KNOWN = read_alicat_profile()
GOLDEN = "A +014.62 +021.89 +000.00 +000.00 +078.95     N2"
ROWS: list[str] = PROFILE["table"][0]["rows"]
UNITS = st.sampled_from("ABCXYZ")
AMOUNTS = st.decimals(0, 999_999, places=2) | st.decimals(0, 9, places=6) | st.decimals(0, 999_999, places=1)
REQUESTS = st.one_of(
    st.builds(Query, UNITS, st.sampled_from(Ask)),
    st.builds(HoldValve, UNITS, st.sampled_from(Valve)),
    st.builds(SetPoint, UNITS, AMOUNTS),
    st.builds(StopStream, UNITS, st.booleans()),
)
COMMANDS: dict[str, Request] = {
    "A": Query("A", Ask.FRAME),
    "AVE": Query("A", Ask.FIRMWARE),
    "A??M*": Query("A", Ask.MAKER),
    "A??D*": Query("A", Ask.COLUMNS),
    "ALS": Query("A", Ask.SET_POINTS),
    "ALSS": Query("A", Ask.SOURCE),
    "AHC": HoldValve("A", Valve.CLOSED),
    "AC": HoldValve("A", Valve.FREE),
    "AS 5.00": SetPoint("A", Decimal("5.00")),
    "AS 0.00": SetPoint("A", Decimal("0.00")),
    "@@ A": StopStream("A"),
    "@@=A": StopStream("A", old=True),
}


def rows_of(lines: list[str]) -> list[Row]:
    """Return lines of a table as rows."""
    rows = [read_line(line) for line in lines]
    return [row for row in rows if isinstance(row, Row)]


LAYOUT = read_table(rows_of(ROWS), KNOWN.units)
assert not isinstance(LAYOUT, str), LAYOUT


def test_every_golden_command_is_encoded_byte_for_byte() -> None:
    """Each command of the profile comes out of the encoder exactly, and each one we can send stands in the profile."""
    told = {entry["request"] for entry in (*PROFILE["frame"], *PROFILE["table"])}
    assert told == set(COMMANDS)
    assert [encode(COMMANDS[command]) for command in told] == [f"{command}\r".encode() for command in told]


@given(REQUESTS)
def test_no_request_is_an_integer_set_point_or_a_bare_t(request: Request) -> None:
    """Digits, a sign or a point never follow an id, `T` is never sent, and a number stands behind a space."""
    line = encode(request)
    assert not re.match(rb"[A-Z] ?[-+.0-9]|[A-Z]T", line), line
    assert line.count(b"\r") == 1
    assert line.endswith(b"\r")
    assert re.search(rb"[0-9]", line) is None or re.fullmatch(rb"[A-Z]S [0-9]+\.[0-9]+\r", line)


@pytest.mark.parametrize("unit", ["", "a", "AA", "1", "@", "*", "A4", "Ä", "A\r"])
def test_an_id_is_one_letter(unit: str) -> None:
    """No command can be made for anything else."""
    for make in (lambda: Query(unit, Ask.FRAME), lambda: SetPoint(unit, Decimal("1.0")), lambda: StopStream(unit)):
        with pytest.raises(ValueError, match="no unit id"):
            make()


@pytest.mark.parametrize("value", ["49408", "1E+3", "NaN", "Infinity", "-0.1", "-0.0", "1000000.0", "0.0000001"])
def test_a_set_point_has_a_decimal_point(value: str) -> None:
    """Whole numbers, exponents, signs and what is no number cannot become a set-point."""
    with pytest.raises(ValueError, match="is no set-point"):
        SetPoint("A", Decimal(value))


@pytest.mark.parametrize("frame", [f for f in PROFILE["frame"] if "codes" in f], ids=lambda f: f["what"])
def test_golden_frames_are_read(frame: dict[str, Any]) -> None:
    """The maker's frames come out in our units, and status codes behind them, however many, shift nothing."""
    line = read_line(frame["answer"])
    assert isinstance(line, Frame)
    reading = read_frame(line, LAYOUT, KNOWN.rules, 7)
    assert not isinstance(reading, str), reading
    values = reading.values
    assert {name: getattr(values, name) for name in ("pressure_pa", "temp_mc", "flow_sccm", "setpoint_sccm")} == {
        name: frame[name] for name in ("pressure_pa", "temp_mc", "flow_sccm", "setpoint_sccm")
    }
    assert (list(reading.codes), reading.gas, values.at_ns) == (frame["codes"], "N2", 7)
    assert values.alarms == tuple(code for code in frame["codes"] if code != "LCK")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("A +006.00 +006.00 12 SCCM", SetPoints("A", Decimal("6.00"), Decimal("6.00"), 12, "SCCM")),
        ("A S", Source("A", "S")),
        ("A   10v20.0-R24 Jan  9 2025,15:04:07", Firmware("A", "10v20.0-R24")),
        ("?", Refused(None)),
        ("A ?", Refused("A")),
        ("@ +014.62 +021.89     N2", Streamed(("+014.62", "+021.89", "N2"))),
        ("+014.62 +021.89     N2", Streamed(("+014.62", "+021.89", "N2"))),
        ("A  M04 Model Number MC-5SLPM-D", Row("A", "M", 4, "A  M04 Model Number MC-5SLPM-D")),
    ],
)
def test_the_other_answers_are_read(line: str, answer: object) -> None:
    """Set-point query, source, firmware, refusal, stream and table rows have each a form of their own."""
    assert read_line(line) == answer


@pytest.mark.parametrize(
    "line", ["", "A", "A 8 N2 Nitrogen", "A   046 = 11", " +014.62 +021.89", "AA +1 +2", "a +1 +2"]
)
def test_other_lines_are_no_answer(line: str) -> None:
    """An echo, answers to commands that we never send, and a frame without its id are nothing."""
    assert read_line(line) is None


ANSWERS = {
    Ask.FRAME: GOLDEN,
    Ask.FIRMWARE: "A   10v20.0-R24",
    Ask.MAKER: "A  M00 ALICAT SCIENTIFIC",
    Ask.COLUMNS: ROWS[0],
    Ask.SET_POINTS: "A +006.00 +006.00 12 SCCM",
    Ask.SOURCE: "A S",
}


@pytest.mark.parametrize("one", Ask)
@pytest.mark.parametrize("other", Ask)
def test_an_answer_fits_its_own_kind_of_question_only(one: Ask, other: Ask) -> None:
    """No two kinds of answers can be mistaken, and none counts for another id; so `alike` is true of one kind."""
    grammar = AlicatGrammar()
    fits = grammar.fit(Query("A", one), ANSWERS[other]) is not None
    assert fits == (one is other) == grammar.alike(Query("A", one), Query("A", other))
    assert grammar.fit(Query("B", one), ANSWERS[other]) is None


def test_a_set_point_is_answered_like_a_question_for_the_frame() -> None:
    """Set-point, hold and question have answers of one form, and the grammar says so."""
    grammar = AlicatGrammar()
    requests: list[Request] = [COMMANDS["A"], COMMANDS["AS 5.00"], COMMANDS["AHC"], COMMANDS["AC"]]
    assert all(grammar.fit(request, GOLDEN) for request in requests)
    assert all(grammar.alike(one, other) for one in requests for other in requests)
    assert not grammar.alike(COMMANDS["A"], Query("B", Ask.FRAME))


@given(st.sampled_from([GOLDEN, *ROWS]), st.integers(0, 80), st.characters(codec="ascii"))
def test_no_line_makes_the_readers_fail(line: str, place: int, character: str) -> None:
    """Any one character changed gives a reading of the same shape or a text, never an exception."""
    odd = read_line(line[:place] + character + line[place + 1 :])
    if isinstance(odd, Frame):
        assert isinstance(read_frame(odd, LAYOUT, KNOWN.rules, 0), str) or len(odd.fields) >= 6
    if isinstance(odd, Row):
        read_table([odd], KNOWN.units)


@given(st.integers(1, len(GOLDEN) - 1))
def test_a_frame_that_lost_a_character_is_never_a_reading(place: int) -> None:
    """Drop any character but a padding blank of the golden frame: nothing is read from it but the same values."""
    whole, short = read_line(GOLDEN), read_line(GOLDEN[:place] + GOLDEN[place + 1 :])
    assert isinstance(whole, Frame)
    if isinstance(short, Frame):
        reading = read_frame(short, LAYOUT, KNOWN.rules, 0)
        right = read_frame(whole, LAYOUT, KNOWN.rules, 0)
        assert isinstance(reading, str) or (not isinstance(right, str) and reading.values == right.values)


@pytest.mark.parametrize("codes", [" HLD XYZ", " HLD HLD", " +000.00", " N2"])
def test_what_is_no_status_code_is_refused(codes: str) -> None:
    """An unknown word, a code twice, or a number behind the columns means that they are not the table's."""
    frame = read_line(GOLDEN + codes)
    assert isinstance(frame, Frame)
    assert "where status codes belong" in str(read_frame(frame, LAYOUT, KNOWN.rules, 0))


def test_a_code_that_only_the_table_announces_is_an_alarm() -> None:
    """A code that the controller announces and we do not know is believed, and taken for the worse."""
    layout = read_table(rows_of([*ROWS, "A D11 702 *Status                    string          3 XYZ"]), KNOWN.units)
    frame = read_line(f"{GOLDEN} XYZ")
    assert isinstance(frame, Frame)
    assert not isinstance(layout, str)
    reading = read_frame(frame, layout, KNOWN.rules, 0)
    assert not isinstance(reading, str)
    assert reading.values.alarms == ("XYZ",)


def spoil(row: int, old: str, new: str) -> list[str]:
    """Return the golden table with one text changed."""
    return [line.replace(old, new) if number == row else line for number, line in enumerate(ROWS)]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (ROWS[:5] + ROWS[6:], "D04, D06"),
        (spoil(5, "005 Mass Flow", "004 Mass Flow"), "without one column for mass flow"),
        (spoil(4, "004 Volu", "005 Volu"), "012) in the unit CCM"),
        (spoil(6, "037", "034"), "without one column for mass flow set-point"),
        (spoil(2, "010 02 PSIA", "010 02 barA"), "barA (010)"),
        (spoil(2, "PSIA", "torr"), "in the unit torr (010); expected PSIA (010), barA (007)"),
        (spoil(5, "s decimal", "u decimal"), "the type 'u decimal'"),
        (spoil(0, "ID_", "___"), "older than 6v00"),
        (spoil(1, "700", "701"), "does not begin with the unit id"),
        ([], "with the rows"),
    ],
)
def test_a_table_that_does_not_tell_enough_is_refused(rows: list[str], why: str) -> None:
    """Missing rows, columns and units, and other tables, are values that name what is wrong; nothing is guessed."""
    table = read_table(rows_of(rows), KNOWN.units)
    if why.startswith("012"):
        why = "in the unit CCM (012)"
    assert isinstance(table, str)
    assert why in table


def test_columns_may_stand_in_another_order() -> None:
    """What is what comes from the table: with set-point and flow exchanged there, they are exchanged in the frame."""
    rows = [*ROWS[:5], ROWS[6].replace("D06", "D05"), ROWS[5].replace("D05", "D06"), *ROWS[7:]]
    layout = read_table(rows_of(rows), KNOWN.units)
    frame = read_line(GOLDEN)
    assert not isinstance(layout, str)
    assert isinstance(frame, Frame)
    reading = read_frame(frame, layout, KNOWN.rules, 0)
    assert not isinstance(reading, str)
    assert (reading.values.flow_sccm, reading.values.setpoint_sccm) == (79, 0)


def test_litres_are_made_millilitres() -> None:
    """A controller in SLPM and barA gives sccm and Pa, and takes set-points in its own steps only."""
    rows = [row.replace("012 02 SCCM", "007 02 SLPM").replace("010 02 PSIA", "007 02 barA") for row in ROWS]
    layout = read_table(rows_of(rows), KNOWN.units)
    frame = read_line("A +001.01 +021.89 +006.10 +006.00 +006.00     N2")
    assert not isinstance(layout, str)
    assert isinstance(frame, Frame)
    reading = read_frame(frame, layout, KNOWN.rules, 0)
    assert not isinstance(reading, str)
    assert (reading.values.flow_sccm, reading.values.pressure_pa) == (6000, 101_000)
    assert str(layout.in_device_unit(6000)) == "6.00"
    assert "between two steps of 0.01 SLPM" in str(layout.in_device_unit(6001))


def test_a_set_point_without_decimals_gets_a_point() -> None:
    """A column of whole numbers still takes its set-point in float form."""
    layout = read_table(rows_of([row.replace("7/2 012", "7/0 012") for row in ROWS]), KNOWN.units)
    assert not isinstance(layout, str)
    assert str(layout.in_device_unit(250)) == "250.0"


@pytest.mark.parametrize(("current", "wrong"), [("78.95", False), ("50.00", False), ("90.00", True)])
def test_a_ramp_lies_between_its_ends(current: str, wrong: bool) -> None:
    """Frame and set-point query must agree, or the frame must stand between the ends of a ramp."""
    frame = read_line(GOLDEN)
    assert isinstance(frame, Frame)
    reading = read_frame(frame, LAYOUT, KNOWN.rules, 0)
    assert not isinstance(reading, str)
    told = SetPoints("A", Decimal(current), Decimal("100.00" if current != "78.95" else current), 12, "SCCM")
    assert bool(compare(told, reading)) is wrong
    assert check_unit(told, LAYOUT) == ""


def test_firmware_versions_are_compared_by_number() -> None:
    """10v05 is newer than 9v00, and GP has no number."""
    assert read_version("10v05") > read_version("9v00-R1") > (8, 28)  # type: ignore[operator]
    assert read_version("GP07R52") is None


def test_each_profile_unit_is_of_a_known_kind() -> None:
    """The closed sets of units hold what the sources show, and no more."""
    units: Units = KNOWN.units
    assert {label: code for label, (code, _) in units.flow.items()} == {"SCCM": 12, "SLPM": 7}
    assert {label: code for label, (code, _) in units.pressure.items()} == {"PSIA": 10, "barA": 7}
