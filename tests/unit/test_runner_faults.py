"""What the loop makes of a device, a wire, a disk and a clock that fail in mid-dose."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from nebctl.core import events as ev
from nebctl.core.device import Certainty, CommandFailed
from nebctl.core.dose import Interval
from nebctl.core.ledger.grammar import check_volumes
from nebctl.core.reestimate import check_again
from nebctl.core.session import State

pytestmark = pytest.mark.virtual


def alarms(unit: Any) -> set[str]:
    """Return the alarms that stand."""
    return {condition.value for condition in unit.runner.alarms}


@pytest.mark.req("S27")
async def test_a_silent_device_is_stopped_after_five_seconds(unit: Any) -> None:
    """With the wire up and no report for 5 s, STOP goes out, the alarm is raised, and a person can end the dose."""
    await unit.running()
    unit.log.clear()
    unit.device.deaf = True
    await asyncio.sleep(4.5)
    assert "STOP" not in unit.log
    await asyncio.sleep(1.5)
    assert "STOP" in unit.log
    assert "telemetry-lost" in alarms(unit)
    await unit.until(lambda: "cannot-stop" in alarms(unit))
    await unit.runner.press(ev.Abandoned(operator="RT-07"))
    dose = await unit.give_residual()
    assert (dose["end"], dose["high_nl"]) == ("uncertain", 3_090_000)
    unit.device.deaf = False


@pytest.mark.req("S26")
async def test_a_device_that_stays_on_is_an_alarm_within_half_a_second(unit: Any) -> None:
    """A device that is still on 500 ms after STOP raises the high alarm, and STOP is repeated until it is off."""
    await unit.running()
    unit.device.stuck = True
    unit.log.clear()
    stop = asyncio.get_running_loop().create_task(unit.runner.stop("page"))
    await asyncio.sleep(0.6)
    assert "cannot-stop" in alarms(unit)
    await asyncio.sleep(6)
    assert unit.log.count("STOP") >= 3
    assert unit.runner.session.state is State.STOPPING
    unit.device.stuck = False
    await stop
    await unit.comes_to(State.RESIDUAL)
    assert not unit.device.on


@pytest.mark.req("S26")
async def test_a_device_that_runs_by_itself_is_stopped(unit: Any) -> None:
    """A device that runs although no session asked for it is turned off with a high alarm."""
    unit.log.clear()
    unit.device.max_on_s = 1200
    unit.device.on, unit.device.beaten_s = True, asyncio.get_running_loop().time()
    await unit.until(lambda: "runs-unasked" in alarms(unit))
    await asyncio.sleep(0.1)
    assert "STOP" in unit.log
    assert not unit.device.on


@pytest.mark.req("S16")
@pytest.mark.req("S22")
@pytest.mark.req("S23")
async def test_an_unplugged_device_ends_uncertain_and_nothing_resumes(unit: Any) -> None:
    """A wire lost in mid-dose raises the alarm; the device turns itself off, comes back off, and the dose is UNCERTAIN
    between what was seen and all that was loaded.
    """
    await unit.running()
    await asyncio.sleep(60)
    unit.device.unplug()
    await unit.comes_to(State.LOST)
    assert "link-lost" in alarms(unit)
    await asyncio.sleep(3)
    unit.device.advance()
    assert not unit.device.on
    unit.device.loss = None
    await unit.comes_to(State.RESIDUAL)
    dose = await unit.give_residual()
    assert (dose["end"], dose["verdict"]) == ("uncertain", "UNCERTAIN")
    assert 0 < dose["low_nl"] <= unit.device.emitted_nl <= dose["high_nl"] == 3_090_000
    assert unit.log.count("START") == 1


@pytest.mark.parametrize("fate", ["lost", "never"])
@pytest.mark.req("S16")
@pytest.mark.req("S18")
async def test_an_unanswered_start_is_stopped_and_never_sent_again(unit: Any, fate: str) -> None:
    """A START without an answer, done or not, is followed by STOP; the dose is UNCERTAIN up to the whole charge."""
    unit.device.start_fate = fate
    await unit.ready()
    await unit.press_start()
    await unit.comes_to(State.RESIDUAL)
    assert "command-unresolved" in alarms(unit)
    await asyncio.sleep(5)
    dose = await unit.give_residual()
    assert (dose["end"], dose["low_nl"], dose["high_nl"]) == ("uncertain", 0, 3_090_000)
    assert unit.log.count("START") == 1
    assert not unit.device.on


@pytest.mark.req("S23")
async def test_a_restarted_device_stays_off(unit: Any) -> None:
    """A device that loses power for a moment in mid-dose is not started again; the dose is UNCERTAIN."""
    await unit.running()
    await asyncio.sleep(30)
    unit.device.restart()
    await unit.comes_to(State.RESIDUAL)
    await asyncio.sleep(5)
    assert "device-restarted" in alarms(unit)
    assert unit.log.count("START") == 1
    assert (await unit.give_residual())["end"] == "uncertain"


async def test_a_device_that_restarted_before_the_dose_is_greeted_anew(unit: Any) -> None:
    """A restart between doses costs no dose: the device is greeted again, and its next run is known as asked for."""
    unit.device.restart()
    await unit.until(lambda: unit.runner.witnessed.device is not None and unit.runner.witnessed.device.boot == 8)
    await unit.running()
    await asyncio.sleep(2)
    assert unit.runner.session.state is State.RUNNING
    assert alarms(unit) == set()


async def test_stop_without_a_wire_breathes(unit: Any) -> None:
    """STOP with the wire gone says that OFF is not proven, and does not turn in circles."""
    await asyncio.sleep(1)
    unit.device.unplug()
    await unit.until(lambda: unit.runner.witnessed.device is None)
    unit.log.clear()
    await unit.runner.stop("page")
    await asyncio.sleep(10)
    assert "cannot-stop" in alarms(unit)
    assert unit.log.count("STOP") < 5


async def test_a_stop_that_fails_at_once_is_repeated_every_50_ms(unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that refuses STOP without a moment's wait is asked again and again, not faster than every 50 ms."""
    await unit.running()

    async def refuse() -> CommandFailed:
        unit.log.append("STOP")
        return unit.device.failed("STOP", Certainty.NOT_DONE)

    unit.log.clear()
    with monkeypatch.context() as patch:
        patch.setattr(unit.device, "stop", refuse)
        await unit.runner.stop("page")
        await asyncio.sleep(2)
        assert 20 <= unit.log.count("STOP") <= 41
        assert "cannot-stop" in alarms(unit)
    await unit.comes_to(State.RESIDUAL)


async def test_stop_in_a_pause_without_a_wire_can_be_ended(unit: Any) -> None:
    """With the wire lost in a pause, STOP leads to a session that a person can end, not to one that waits for ever."""
    await unit.running()
    await unit.runner.press(ev.PausePressed(reason="cough"))
    await unit.comes_to(State.PAUSED)
    unit.device.unplug()
    await unit.until(lambda: unit.runner.witnessed.device is None)
    unit.log.clear()
    await unit.runner.stop("page")
    await unit.comes_to(State.LOST)
    await asyncio.sleep(10)
    assert unit.log.count("STOP") < 5
    await unit.runner.press(ev.Abandoned(operator="RT-07"))
    assert (await unit.give_residual())["end"] == "uncertain"


async def test_a_reading_from_before_the_pause_raises_no_alarm(unit: Any) -> None:
    """PAUSE pressed while a reading is on its way: the older RUN is no device that refuses to stop."""
    await unit.running()
    for _ in range(40):
        status = asyncio.get_running_loop().time()
        await unit.until(lambda: unit.device.seen_s > status)  # noqa: B023 - used at once
        await unit.runner.press(ev.PausePressed(reason="cough"))
        await unit.comes_to(State.PAUSED)
        assert alarms(unit) == set()
        await asyncio.sleep(0.6)
        await unit.runner.press(unit.resume())
        await unit.comes_to(State.RUNNING)


@pytest.mark.parametrize("failing", ["rows", "pause"])
@pytest.mark.req("S37")
async def test_a_full_disk_stops_a_running_dose(unit: Any, failing: str) -> None:
    """A record or a trace row that cannot be written in mid-dose turns the device off with the alarm."""
    await unit.running()
    unit.store.fails_rows = failing == "rows"
    unit.store.fails = lambda types: failing in types
    await asyncio.sleep(0.1)
    await unit.runner.press(ev.PausePressed(reason="cough")) if failing == "pause" else None
    await unit.comes_to(State.RESIDUAL)
    assert not unit.device.on
    assert "records-fail" in alarms(unit)


@pytest.mark.req("S37")
async def test_a_dose_record_that_cannot_be_written_stays_open(unit: Any) -> None:
    """Where the outcome is refused by the disk, none is invented: the log keeps the start alone."""
    await unit.running()
    await unit.runner.stop("page")
    await unit.comes_to(State.RESIDUAL)
    unit.store.fails = lambda types: "dose" in types
    await unit.runner.press(ev.ResidualRefused(reason="cup dropped", operator="RT-07"))
    await asyncio.sleep(1)
    assert unit.store.of("dose") == unit.store.of("residual") == []
    assert unit.runner.history.open["2026-02-14-7f3a9c"].start_seq is not None
    assert "records-fail" in alarms(unit)


@pytest.mark.req("S31")
@pytest.mark.req("S32")
async def test_a_stepped_wall_clock_is_recorded_and_changes_no_duration(unit: Any) -> None:
    """A wall clock that steps an hour in mid-dose leaves a clock record; session limits and on-time do not notice."""
    await unit.running()
    await asyncio.sleep(10)
    unit.clock.step_ns = 3_600_000_000_000
    await asyncio.sleep(10)
    (record,) = unit.store.of("clock")
    assert record.payload["reason"] == "step"
    assert abs(int(record.payload["step_us"]) - 3_600_000_000) < 10_000
    assert unit.runner.session.state is State.RUNNING
    await unit.runner.stop("page")
    await unit.comes_to(State.RESIDUAL)
    dose = await unit.give_residual()
    assert 19_000 < dose["on_ms"] < 22_000


@pytest.mark.req("S32")
async def test_an_untrusted_clock_starts_nothing(unit: Any) -> None:
    """With the clock not trusted when START is held, the gate refuses."""
    await unit.ready()
    unit.clock.sync = False
    await unit.press_start()
    await unit.comes_to(State.IDLE)
    assert "START" not in unit.log
    assert unit.store.of("refusal")[-1].payload["code"] == "clock-not-trusted"


@pytest.mark.req("S17")
@pytest.mark.req("S29")
async def test_a_whole_dose_completes_with_two_witnesses(unit: Any) -> None:
    """A dose that runs dry and leaves a small residual is COMPLETE and WITHIN; its interval holds the truth."""
    await unit.running()
    await unit.comes_to(State.RESIDUAL, 600)
    dose = await unit.give_residual()
    assert (dose["end"], dose["verdict"], dose["witnesses"]) == (
        "complete",
        "WITHIN",
        ["dry", "calibrated-time", "residual"],
    )
    assert dose["low_nl"] <= unit.device.emitted_nl <= dose["high_nl"]
    trace = unit.store.traces["2026-02-14-7f3a9c"]
    assert dose["trace"] == trace.sha256
    assert trace.csv.count("running") > 400


@pytest.mark.req("S29")
async def test_a_dry_mesh_with_liquid_left_pauses_with_an_alarm(unit: Any) -> None:
    """A mesh that turns off dry after a minute asks a person; it goes on only when that person resumes."""
    await unit.running()
    await asyncio.sleep(60)
    unit.device.advance()
    fill, unit.device.fill_nl = unit.device.fill_nl, int(unit.device.emitted_nl) + unit.device.stays_nl
    await unit.comes_to(State.PAUSED)
    assert "premature-dry" in alarms(unit)
    unit.device.fill_nl = fill
    await asyncio.sleep(20)
    assert unit.log.count("START") == 1
    await unit.runner.press(unit.resume())
    await unit.comes_to(State.RUNNING)


@pytest.mark.req("S25")
async def test_a_pause_over_five_minutes_alarms(unit: Any) -> None:
    """A pause is silent for five minutes; then its alarm is raised, once, and the device stays off."""
    await unit.running()
    await unit.runner.press(ev.PausePressed(reason="cough"))
    await asyncio.sleep(295)
    assert "paused-long" not in alarms(unit)
    await asyncio.sleep(10)
    assert "paused-long" in alarms(unit)
    await asyncio.sleep(10)
    assert len([entry for entry in unit.store.of("alarm") if entry.payload["condition"] == "paused-long"]) == 1


@pytest.mark.req("S33")
async def test_a_residual_that_tracking_excludes_leaves_both_standing(unit: Any) -> None:
    """A whole cup told as left after eight minutes of running spans both values and is never COMPLETE."""
    await unit.running()
    await unit.comes_to(State.RESIDUAL, 600)
    unit.device.fill_nl += 2_800_000  # what the operator says is left
    dose = await unit.give_residual()
    assert dose["end"] == "uncertain"
    assert "residual-contradicts" in dose["deviations"]
    assert dose["low_nl"] < 200_000
    assert 2_500_000 < dose["high_nl"] <= 3_090_000


async def test_a_refused_start_is_no_dose_of_unknown_size(unit: Any) -> None:
    """A START that the device certainly refused waits for a person; stopped then, nothing was emitted."""
    unit.device.start_fate = "refused"
    await unit.ready()
    await unit.press_start()
    await unit.comes_to(State.PAUSED)
    assert "not-started" in alarms(unit)
    await unit.runner.stop("test")
    await unit.comes_to(State.RESIDUAL)
    dose = await unit.give_residual(told=False)
    assert (dose["end"], dose["low_nl"], dose["high_nl"]) == ("stopped", 0, 0)


@pytest.mark.req("S33")
@pytest.mark.parametrize("course", ["whole", "paused", "stopped", "lost"])
async def test_a_dose_estimated_again_from_its_trace_is_the_same(unit: Any, course: str) -> None:
    """What the record says comes out of the stored trace again, to the nanolitre, whatever happened in the dose."""
    await unit.running()
    await asyncio.sleep(60)
    if course == "paused":
        await unit.runner.press(ev.PausePressed(reason="cough"))
        await unit.comes_to(State.PAUSED)
        await asyncio.sleep(20)
        await unit.runner.press(unit.resume())
    elif course == "stopped":
        await unit.runner.stop("page")
    elif course == "lost":
        unit.device.unplug()
        await asyncio.sleep(10)
        unit.device.loss = None
    await unit.comes_to(State.RESIDUAL, 900)
    await unit.give_residual(told=course != "stopped")
    (trace,) = unit.store.traces.values()
    session = [entry for entry in unit.store.entries if entry.payload.get("session") == trace.session]
    dose = next(index for index, entry in enumerate(session) if entry.payload["typ"] == "dose")
    assert check_again(trace.csv, session[: dose + 1]) is None


@pytest.mark.req("S54")
@pytest.mark.parametrize("told", [True, False])
async def test_a_declared_top_up_is_uncertain_up_to_all_that_was_loaded(unit: Any, told: bool) -> None:
    """Both records name it, the dose is UNCERTAIN with a deviation, and its trace gives the same bounds again."""
    await unit.running()
    await unit.comes_to(State.RESIDUAL, 900)
    added = Interval(low_nl=350_000, best_nl=400_000, high_nl=450_000)
    await unit.runner.press(replace(unit.residual(told=told), added=added))
    session = [entry for entry in unit.store.entries if "session" in entry.payload]
    dose, residual = session[-1].payload, unit.store.of("residual")[-1].payload
    assert (dose["end"], dose["verdict"]) == ("uncertain", "UNCERTAIN")
    assert (dose["low_nl"], dose["high_nl"]) == (0, dose["charge"]["high_nl"] + 450_000)
    check_volumes(dose)  # what every reader of the log holds it to
    assert dose["added_nl"] == 450_000
    assert dose["topped_up"] == residual["topped_up"] == added.as_json()
    assert {"cup-changed", "uncertain-end"} <= set(dose["deviations"])
    (trace,) = unit.store.traces.values()
    assert check_again(trace.csv, session) is None
