"""The trace's lines: what is written is what the estimate was told, and each reading is told once."""

from dataclasses import replace
from typing import Any

import pytest

from nebctl.core import events as ev
from nebctl.core.device import Output
from nebctl.core.dose.reading import Doing, Reading
from nebctl.core.session import IllegalEventError, State, step
from nebctl.core.session.heard import heard
from nebctl.core.trace import HEADER, NAMES, line, lost_at, reading_of


def test_a_row_has_a_field_for_each_column(bench: Any) -> None:
    """Every line of a trace has as many fields as the header, scaled by place, empty where nothing is sensed."""
    report = bench.report(
        at_ns=1_234_567_890, drive_ua=83_400, drive_hz=128_250, temp_mc=-50, weight_ug=-1_002_003, device_nl=7
    )
    reading = reading_of(report, 1_000_000_000, paused=False)
    assert line(reading) == "0.234,running,83.400,128250,,-0.050,,,-1002.003,7,0\n"
    assert line(lost_at(5, 0)) == "0.000,lost" + "," * (len(NAMES) - 2) + "\n"
    assert HEADER == "t_s,state,drive_mA,drive_Hz,drive_mW,temp_C,gas_slpm,pressure_kPa,weight_mg,device_nL,dry"


def test_a_reading_says_what_the_device_is_off_for(bench: Any) -> None:
    """A sweep counts as running; off is off, or paused where the caller says so; before the start is 0."""
    off = bench.report(Output.OFF, at_ns=4)
    assert reading_of(bench.report(Output.SWEEP), 0, paused=True).doing is Doing.RUNNING
    assert reading_of(off, 0, paused=False).doing is Doing.OFF
    assert reading_of(off, 5, paused=True) == Reading(at_ms=0, doing=Doing.PAUSED, dry=off.dry)


@pytest.mark.parametrize("state", State)
def test_each_state_tells_the_estimate_of_its_own_run(bench: Any, state: State) -> None:
    """From the start intent until the dose is recorded, each report of the session's run is one reading; none after."""
    session = bench.session(state)
    report = bench.report(Output.OFF, at_ns=bench.now().mono_ns + 1_500_000)
    told = heard(session, ev.Reported(report=report), bench.now())
    assert (told is not None) == (session.started_ns is not None and state is not State.SIGNING)
    assert heard(session, ev.Reported(report=replace(report, run="another0")), bench.now()) is None
    assert heard(session, ev.Ticked(), bench.now()) is None


def test_a_pause_is_a_pause_from_its_press_to_the_next_run(bench: Any) -> None:
    """OFF while a pause is asked for, lasts or ends is `paused`; in a run it is `off`: it went off by itself."""
    report = ev.Reported(report=bench.report(Output.OFF))
    said = {state: reading.doing for state in State if (reading := heard(bench.session(state), report, bench.now()))}
    pauses = {State.PAUSING, State.PAUSED, State.RESUME_INTENDED, State.RESUMING}
    assert {state for state, doing in said.items() if doing is Doing.PAUSED} == pauses
    assert {doing for state, doing in said.items() if state not in pauses} == {Doing.OFF}


def test_readings_never_go_back_in_time(bench: Any) -> None:
    """An answer that was overtaken by another is told as just as old, and only where it says something else; a step
    hands the reading to the trace.
    """
    session, start_ns = bench.session(State.RUNNING), bench.now().mono_ns
    newer = bench.report(at_ns=start_ns + 9_000_000)
    older = replace(newer, at_ns=start_ns + 7_000_000)
    first = step(session, ev.Reported(report=newer), bench.now(), bench.rules)
    second = step(first.session, ev.Reported(report=older), bench.now(), bench.rules)
    assert first.reading is not None
    assert second.reading is None
    wetter = step(second.session, ev.Reported(report=replace(older, drive_ua=1)), bench.now(), bench.rules)
    assert wetter.reading == replace(first.reading, drive_ua=1)
    lost = step(second.session, ev.LinkLost(sentence="pulled"), bench.now(), bench.rules)
    assert lost.reading == Reading(at_ms=9, doing=Doing.LOST)


def test_what_has_no_place_is_not_told(bench: Any) -> None:
    """A step that is refused hands no reading on."""
    with pytest.raises(IllegalEventError):
        step(bench.session(State.IDLE), ev.EndSeen(operator="RT-07"), bench.now(), bench.rules)
