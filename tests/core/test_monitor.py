"""What a device says of its output, held against the current that it senses at its mesh."""

from dataclasses import replace

import pytest

from nebctl.core.device import DeviceReport, EndCause, Output
from nebctl.core.monitor import AGREEING, Compared, Mismatch, believed, compare

MS = 1_000_000
ON = DeviceReport(at_ns=0, output=Output.RUNNING, run="5c11e0a4", on_ms=0, end=EndCause.NONE, boot=7, drive_ua=83_400)
OFF = replace(ON, output=Output.OFF, end=EndCause.STOP, drive_ua=0)

pytestmark = pytest.mark.req("S26")


def told(*reports: DeviceReport) -> Compared:
    """Return what is known after reports 250 ms apart."""
    compared = AGREEING
    for place, report in enumerate(reports):
        compared = compare(compared, replace(report, at_ns=place * 250 * MS))
    return compared


@pytest.mark.parametrize(
    ("report", "kind"),
    [
        (replace(OFF, drive_ua=83_400), Mismatch.DRIVEN_WHILE_OFF),
        (replace(OFF, drive_ua=8_000), Mismatch.DRIVEN_WHILE_OFF),
        (replace(ON, drive_ua=0), Mismatch.NOT_DRIVEN),
        (replace(ON, drive_ua=1_999), Mismatch.NOT_DRIVEN),
    ],
)
def test_a_contradiction_is_believed_once_it_lasts(report: DeviceReport, kind: Mismatch) -> None:
    """Two readings 250 ms apart are not enough, the third, after 500 ms, is; one that agrees begins the count anew."""
    assert told(report, report).lasting(250 * MS) is None
    assert told(report, report, report).lasting(500 * MS) is kind
    agreeing = ON if report.output is Output.RUNNING else OFF
    assert told(report, report, agreeing, report).lasting(750 * MS) is None


@pytest.mark.parametrize(
    "report",
    [
        ON,
        OFF,
        replace(ON, drive_ua=20_800),
        replace(ON, drive_ua=2_000),
        replace(OFF, drive_ua=7_999),
        replace(ON, drive_ua=None),
        replace(OFF, drive_ua=None),
        replace(ON, output=Output.SWEEP, drive_ua=0),
        replace(OFF, end=EndCause.CUT_OFF, drive_ua=83_400),
    ],
    ids=["wet", "off", "dry", "weak", "leaks", "senses none, on", "senses none, off", "sweeps", "behind a cut-off"],
)
def test_nothing_ordinary_contradicts_itself(report: DeviceReport) -> None:
    """Wet, dry, weak and sweeping meshes, a sensor's own offset, and one behind an open contact: none is a mismatch."""
    assert told(*(report,) * 8) == Compared(kind=None, since_ns=7 * 250 * MS)


def test_a_mesh_that_is_driven_is_on() -> None:
    """OFF with a driven mesh is taken as on, in no run; any other report is taken at its word."""
    driven = replace(OFF, drive_ua=83_400)
    assert believed(driven, None) is driven
    assert believed(ON, Mismatch.NOT_DRIVEN) is ON
    taken = believed(driven, Mismatch.DRIVEN_WHILE_OFF)
    assert (taken.output, taken.end, taken.run) == (Output.RUNNING, EndCause.NONE, None)
