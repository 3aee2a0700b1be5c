"""The fields of answers: the page's example exactly, and every odd field a value that says so."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.device import DeviceReport, EndCause, Output, RunOutcome
from nebctl_drivers.mesh_reference import answers

STAT = "RUN,0badcafe,12500,-,7,83.4,128250,1460,221,0,-"
OFF = "OFF,0badcafe,12500,DRY,7,0.0,0,0,-,1,RES"


def read_stat(text: str) -> DeviceReport | answers.Unreadable:
    """Read a STAT answer as it stands on the page."""
    return answers.read_status(text.split(","), 42)


def test_the_pages_stat_is_read_in_our_units() -> None:
    """Milliamperes, milliwatts and tenths of a degree become microamperes, microwatts and thousandths."""
    assert read_stat(STAT) == DeviceReport(
        at_ns=42,
        output=Output.RUNNING,
        run="0badcafe",
        on_ms=12500,
        end=EndCause.NONE,
        boot=7,
        fault=None,
        dry=False,
        drive_ua=83_400,
        drive_hz=128_250,
        drive_uw=1_460_000,
        temp_mc=22_100,
    )


def test_an_off_report_names_its_end_and_fault() -> None:
    """OFF comes with an end cause; what is not measured is None."""
    report = read_stat(OFF)
    assert isinstance(report, DeviceReport)
    assert (report.output, report.end, report.fault) == (Output.OFF, EndCause.DRY, "RES")
    assert (report.dry, report.temp_mc) == (True, None)


def test_a_temperature_may_be_negative() -> None:
    """-15 tenths are -1500 thousandths."""
    report = read_stat(STAT.replace(",221,", ",-15,"))
    assert isinstance(report, DeviceReport)
    assert report.temp_mc == -1500


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("RUN", "ON", "state 'ON' is none of OFF, SWEEP, RUN"),
        ("RUN", "OFF", "state off together with end cause none"),
        ("-,7", "STOP,7", "state running together with end cause stop"),
        ("0badcafe", "0BADCAFE", "eight lower-case"),
        ("0badcafe", "-", "on-time without a run"),
        ("12500", "012500", "on_ms '012500' is no whole number"),
        ("12500", "-1", "on_ms '-1'"),
        ("12500", "1e3", "on_ms '1e3'"),
        ("83.4", "83", "drive_mA '83' is no number with one decimal"),
        ("83.4", "83.41", "drive_mA"),
        ("221", "-0", "temp_dC '-0'"),
        (",0,-", ",2,-", "dry '2' is none of 0, 1"),
        (",0,-", ",0,HOT", "fault 'HOT' is none of -, CUP, RES, HW"),
        (",0,-", ",0", "10 fields where 11 belong"),
    ],
)
def test_an_odd_stat_is_a_value_that_says_so(old: str, new: str, why: str) -> None:
    """A field that is unknown, malformed or contradictory makes the whole answer unreadable, with the reason."""
    report = read_stat(STAT.replace(old, new, 1))
    assert isinstance(report, answers.Unreadable)
    assert why in report.why


def test_the_last_run_is_read_with_and_without_one() -> None:
    """LAST names the run, or none with no on-time."""
    last = answers.read_last(["0badcafe", "13000", "STOP", "7"])
    assert last == RunOutcome(run="0badcafe", on_ms=13000, end=EndCause.STOP, boot=7)
    assert answers.read_last(["-", "0", "POWER", "7"]) == RunOutcome(run=None, on_ms=0, end=EndCause.POWER_UP, boot=7)
    assert isinstance(answers.read_last(["-", "5", "POWER", "7"]), answers.Unreadable)


@pytest.mark.parametrize(
    ("version", "ours"),
    [("0.1.0", True), ("0.1.17", True), ("0.2.0", False), ("1.1.0", False), ("0.1", False), ("00.1.0", False)],
)
def test_another_minor_number_below_one_is_another_protocol(version: str, ours: bool) -> None:
    """Only 0.1.x is spoken."""
    assert answers.speaks_our_protocol(version) is ours


READERS: list[Callable[[list[str]], object]] = [
    answers.read_hello,
    answers.read_start,
    answers.read_last,
    answers.read_beat,
    lambda fields: answers.read_status(fields, 0),
]


@given(
    fields=st.lists(st.sampled_from(["", "-", "0", "7", "RUN", "OFF", "STOP", "0badcafe", "²", "9" * 40]), max_size=12)
)
def test_no_fields_raise(fields: list[str]) -> None:
    """Whatever the fields are, each reader returns a value."""
    for read in READERS:
        read(fields)
