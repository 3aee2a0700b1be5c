"""A mesh that is another one in mid-dose, by its resonance; and all that only looks like one."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.device import DeviceReport, EndCause, Output
from nebctl.core.resonance import UNHEARD, Resonance, listen

pytestmark = pytest.mark.req("S54")
HZ, WET_UA = 128_000, 83_400
ON = DeviceReport(
    at_ns=0,
    output=Output.RUNNING,
    run="5c11e0a4",
    on_ms=0,
    end=EndCause.NONE,
    boot=7,
    dry=False,
    drive_ua=WET_UA,
    drive_hz=HZ,
)
OFF = replace(ON, output=Output.OFF, end=EndCause.STOP, drive_ua=0, drive_hz=0)
SWEEP = replace(ON, output=Output.SWEEP, drive_hz=104_000)


def heard(reports: Iterable[DeviceReport]) -> Resonance:
    """Return what is known after reports 250 ms apart."""
    known = UNHEARD
    for place, report in enumerate(reports):
        known = listen(known, replace(report, at_ns=place * 250_000_000))
    return known


def at(hz: int, count: int, ua: int = WET_UA) -> list[DeviceReport]:
    """Return so many readings of a driven mesh."""
    return [replace(ON, drive_hz=hz, drive_ua=ua)] * count


@pytest.mark.parametrize("by_hz", [-3_000, -1_280, -800, 800, 1_280, 3_000])
@pytest.mark.parametrize("between", [[], [OFF] * 40 + [SWEEP] * 10], ids=["at once", "over a pause"])
def test_another_mesh_is_heard_after_two_seconds(by_hz: int, between: list[DeviceReport]) -> None:
    """A wet mesh 0.63 % or more from where it was is one step, once it has lasted 2 s; it is then what is known."""
    before = at(HZ, 400) + between
    assert heard(before + at(HZ + by_hz, 8)).steps == 0
    found = heard(before + at(HZ + by_hz, 9))
    assert (found.steps, found.hz) == (1, HZ + by_hz)
    assert heard(before + at(HZ + by_hz, 400)).steps == 1
    assert heard(before + at(HZ + by_hz, 40) + at(HZ, 40)).steps == 2


@pytest.mark.parametrize(
    "after",
    [
        at(HZ + 300, 200),
        [OFF] * 2000 + [SWEEP] * 10 + at(HZ - 500, 200),
        at(HZ + 1_280, 8) + at(HZ, 40),
        at(HZ + 1_200, 40, ua=WET_UA // 4),
        at(HZ + 3_000, 40, ua=WET_UA * 79 // 100),
        [replace(ON, drive_hz=HZ + 2_000, dry=True)] * 40,
        [replace(ON, drive_hz=HZ + 2_000, fault="RES")] * 40,
        [replace(SWEEP, drive_hz=hz) for hz in range(90_000, 150_000, 500)] + at(HZ, 40),
        [replace(ON, drive_hz=HZ + (2_000 if place % 3 else 0)) for place in range(200)],
        [replace(ON, drive_hz=90_000 + 2_000 * (place % 30)) for place in range(200)],
        [replace(ON, drive_hz=None)] * 40 + at(HZ + 100, 40),
        [replace(ON, drive_hz=HZ + 5_000, drive_ua=None)] * 40,
    ],
    ids=[
        *("drift", "another place after a pause", "a moment", "dry", "half out of the liquid", "says dry", "fault"),
        *("sweep", "flickers", "looks for it while on", "tells it now and then", "tells no current"),
    ],
)
def test_what_is_no_other_mesh(after: list[DeviceReport]) -> None:
    """Drift, another place found after a pause, a moment, a dry or half dry mesh, a sweep, a fault: no step."""
    assert heard(at(HZ, 400) + after).steps == 0


@given(
    hz=st.integers(90_000, 150_000),
    drift_hz=st.integers(-400, 400),
    sag_percent=st.integers(0, 60),
    jitter=st.lists(st.integers(-50, 50), min_size=20, max_size=20),
    resumes=st.lists(st.integers(-200, 200), max_size=3),
)
def test_an_ordinary_dose_has_no_step(
    hz: int, drift_hz: int, sag_percent: int, jitter: list[int], resumes: list[int]
) -> None:
    """Warming or cooling by 400 Hz, a battery that sags to 40 %, a jitter of 50 Hz, and pauses: never another mesh."""
    known, beside, at_ns = UNHEARD, 0, 0
    for part in range(1 + len(resumes)):
        for place in range(400):
            done = (part * 400 + place) / (400 * (1 + len(resumes)))
            ua = round(WET_UA * (1 - sag_percent / 100 * done))
            there = hz + round(drift_hz * done) + beside + jitter[place % 20]
            known = listen(known, replace(ON, at_ns=at_ns, drive_hz=there, drive_ua=ua))
            at_ns += 250_000_000
        known = listen(known, replace(OFF, at_ns=at_ns))
        beside = resumes[part] if part < len(resumes) else 0
        at_ns += 300_000_000_000
    assert known.steps == 0
