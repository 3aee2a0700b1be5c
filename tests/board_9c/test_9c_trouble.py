"""The 9C driver when something goes wrong: lost hosts, lost power, dry cups, open covers and boards that hang."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from nebctl.core.device import CommandFailed, DeviceReport, EndCause, Identity, Output

pytestmark = pytest.mark.virtual

RUN = "0badcafe"
MAX_ON_MS = 1_200_000
BOOT, READY, RUN_COLD, PAUSED, FAULT = 0, 2, 5, 6, 8
Join = Callable[..., Any]


def now() -> float:
    """Return the loop's virtual time in seconds."""
    return asyncio.get_running_loop().time()


# host and wire


async def test_a_lost_host_ends_the_run_after_three_seconds(join: Join) -> None:
    """Without beats the board pauses 3 s after the last one; the driver says so as BEAT and does not let it resume."""
    async with join() as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        await bench.run_for(2)
        on_s = bench.board.on_s
        await asyncio.sleep(4)
        assert bench.board.state == PAUSED
        assert bench.board.on_s - on_s < 3.1
        report = await bench.device.status()
        assert (report.output, report.end, report.run) == (Output.OFF, EndCause.BEAT, RUN)
        assert bench.board.state == READY


async def test_what_a_lost_host_left_is_told_after_the_wire_is_back(join: Join) -> None:
    """After a cut of 20 s the board's own countdown bounds the on-time, and the run and its end are told."""
    async with join() as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        await bench.run_for(10)
        await bench.board.lose_wire(20)
        assert bench.device.loss is not None
        assert isinstance(await bench.device.open(), Identity)
        last = await bench.device.last_run()
        assert (last.run, last.end, last.boot) == (RUN, EndCause.BEAT, 1)
        assert bench.board.on_s * 1000 <= last.on_ms <= bench.board.on_s * 1000 + 2_500
        assert bench.board.on_s == pytest.approx(13, abs=0.5)


@pytest.mark.req("S27")
async def test_a_board_that_says_no_status_is_stale(join: Join) -> None:
    """Three STATUS missing: readings are refused although the board still answers questions."""
    async with join() as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        bench.board.quiet = True
        reports = await bench.run_for(4)
        kinds = [isinstance(report, DeviceReport) for report in reports]
        assert kinds == sorted(kinds, reverse=True)
        assert 4 <= kinds.count(True) <= 7
        assert "no STATUS for" in reports[-1].seen


async def test_a_board_whose_control_loop_hangs_is_not_believed(join: Join) -> None:
    """Its answers go on and its own time stands still: its safety checks stand still too, so nothing it says counts."""
    async with join() as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        bench.board.frozen = True
        for _ in range(12):
            bench.board.say_status()
            report = await bench.device.status()
            await asyncio.sleep(0.25)
        assert isinstance(report, CommandFailed)
        assert "stands still" in report.seen


async def test_another_device_is_described(join: Join) -> None:
    """A line that speaks another protocol is told by its first bytes, and no START, STOP or setting goes out."""
    async with join(opened=False, deaf=True, quiet=True) as bench:
        opening = asyncio.create_task(bench.device.open())
        for _ in range(12):
            await asyncio.sleep(0.02)
            bench.board.link.write(b"S S     100.00 g\r\n")
        failure = await opening
        assert isinstance(failure, CommandFailed)
        assert "53 20 53" in failure.seen
        assert set(bench.board.names) == {"RUNTIME"}


async def test_silence_is_described(join: Join) -> None:
    """Where nothing answers the opening ends with one line that says so."""
    async with join(opened=False, deaf=True, quiet=True) as bench:
        failure = await bench.device.open()
        assert isinstance(failure, CommandFailed)
        assert "no answer" in failure.seen
        assert "[device]" in failure.advice


# brown-out


@pytest.mark.parametrize("forgets", [True, False])
@pytest.mark.parametrize("misread", [True, False])
async def test_a_restart_in_a_run_shows_as_a_new_boot(join: Join, forgets: bool, misread: bool) -> None:
    """A brown-out of a moment, with the settings kept or forgotten, is found by the board's own time or its state."""
    async with join() as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        await bench.run_for(5)
        bench.board.restart(forgets=forgets)
        if misread:
            bench.board.started_at = -100.0  # as if its time had gone on: the state alone must do
        await asyncio.sleep(0.1)
        report = await bench.device.status()
        assert (report.output, report.boot, report.run, report.end) == (Output.OFF, 2, RUN, EndCause.POWER_UP)
        await bench.run_for(2)
        assert (await bench.device.status()).boot == 2


async def test_a_restart_is_found_across_a_lost_wire(join: Join) -> None:
    """A power cut that takes the wire along: the same driver opens anew with a new boot, and the last run is None."""
    async with join() as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        await bench.run_for(5)
        losing = asyncio.create_task(bench.board.lose_wire(40))
        await asyncio.sleep(30)
        bench.board.restart()
        await losing
        identity = await bench.device.open()
        assert isinstance(identity, Identity)
        assert identity.boot == 2
        assert (await bench.device.last_run()).run is None


async def test_a_restart_of_an_idle_board_is_found_by_its_time_alone(join: Join) -> None:
    """A board that is up again for longer than it was before, and at rest both times, lags behind its own time."""
    async with join(started_at=0.0) as bench:
        await asyncio.sleep(3)
        assert (await bench.device.status()).boot == 1
        losing = asyncio.create_task(bench.board.lose_wire(40))
        await asyncio.sleep(25)
        bench.board.restart()
        await losing
        identity = await bench.device.open()
        assert isinstance(identity, Identity)
        assert identity.boot == 2


async def test_a_start_after_a_restart_is_refused(join: Join) -> None:
    """A board that restarted since it was opened and tested is not started."""
    async with join() as bench:
        await asyncio.sleep(1)
        bench.board.restart()
        await asyncio.sleep(0.1)
        failure = await bench.device.start(RUN, MAX_ON_MS)
        assert isinstance(failure, CommandFailed)
        assert "restarted" in failure.seen
        assert set(bench.board.names) == {"RUNTIME"}


async def test_the_board_s_time_may_wrap(join: Join) -> None:
    """After 49.7 days the uptime begins at 0 again: that is no restart."""
    async with join(opened=False) as bench:
        bench.board.started_at = -((1 << 32) / 1000 - 20)
        await bench.device.open()
        reports = await bench.run_for(30)
        assert {report.boot for report in reports} == {1}


# cup, cover, heat


@pytest.mark.req("S29")
@pytest.mark.parametrize("evidence", ["mist_fault", "liquid", "fault"])
async def test_a_dry_cup_ends_the_run(join: Join, evidence: str) -> None:
    """No liquid by the mist board, the main board's sensor or its fault 9: OFF within a poll, and dry."""
    async with join() as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        await bench.run_for(3)
        setattr(bench.board, evidence, {"mist_fault": 9, "liquid": False, "fault": 9}[evidence])
        began = now()
        report = await bench.device.status()
        assert (report.output, report.end, report.dry, report.fault) == (Output.OFF, EndCause.DRY, True, None)
        assert now() - began < 1.5
        assert (bench.board.state, bench.board.misting) == (READY, False)


@pytest.mark.req("S23")
@pytest.mark.parametrize("cause", ["cover", "liquid"])
async def test_the_board_does_not_resume_by_itself(join: Join, cause: str) -> None:
    """The board pauses at an open cover or an empty cup and would go on afterwards; the driver's STOP ends it."""
    async with join() as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        await bench.run_for(2)
        bench.board.cover, bench.board.mist_fault = cause != "cover", 9 if cause == "liquid" else 0
        report = (await bench.run_for(1))[-1]
        assert report.end is (EndCause.FAULT if cause == "cover" else EndCause.DRY)
        assert report.fault == ("COVER-OPEN" if cause == "cover" else None)
        bench.board.cover, bench.board.mist_fault = True, 0
        on_s = bench.board.on_s
        reports = await bench.run_for(3)
        assert {item.output for item in reports} == {Output.OFF}
        assert (bench.board.on_s, bench.board.state) == (on_s, READY)


async def test_every_pause_of_the_board_is_ended(join: Join) -> None:
    """A pause whose cause nobody sees is turned into OFF too, as a fault."""
    async with join() as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        await bench.run_for(2)
        bench.board.state, bench.board.misting = PAUSED, False
        report = (await bench.run_for(2))[-1]
        assert (report.output, report.end, bench.board.state) == (Output.OFF, EndCause.FAULT, READY)


async def test_the_fake_board_would_resume_by_itself(join: Join) -> None:
    """Without the driver's STOP the fake board goes on when the cover is closed: the test above can fail."""
    async with join() as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        bench.board.cover = False
        await asyncio.sleep(0.2)
        assert bench.board.state == PAUSED
        bench.board.cover = True
        await asyncio.sleep(0.2)
        assert bench.board.state == RUN_COLD


async def test_a_liquid_sensor_may_be_left_out_of_account(join: Join) -> None:
    """With liquid_byte = false in the profile the main board's sensor ends nothing; the mist board still does."""
    async with join(liquid_byte=False, liquid=False) as bench:
        assert isinstance(await bench.device.start(RUN, MAX_ON_MS), DeviceReport)
        assert not (await bench.run_for(2))[-1].dry
        bench.board.mist_fault = 9
        assert (await bench.device.status()).dry


@pytest.mark.parametrize(("trait", "word"), [("hot", "HEATED"), ("heating", "HEATED"), ("maintenance", "MAINTENANCE")])
async def test_heat_and_maintenance_end_the_run(join: Join, trait: str, word: str) -> None:
    """A run that turns hot, a heater that is let on, or a maintenance mode is turned off at once."""
    async with join() as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        await bench.run_for(2)
        setattr(bench.board, trait, True)
        await asyncio.sleep(0.6)
        report = await bench.device.status()
        assert (report.output, bench.board.misting) == (Output.OFF, False), word


async def test_a_board_that_does_not_mist_is_named(join: Join) -> None:
    """A run without mist for longer than the mist board's word can be old has the fault NO-MIST."""
    async with join() as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        bench.board.misting = False
        report = (await bench.run_for(4))[-1]
        assert (report.output, report.fault) == (Output.RUNNING, "NO-MIST")


@pytest.mark.parametrize(("code", "name"), [(6, "NTC-OPEN"), (16, "OUTLET-OVER-TEMP"), (99, "FAULT-99")])
async def test_a_fault_is_named_and_stays(join: Join, code: int, name: str) -> None:
    """The board's own fault ends the run, is named, and is cleared by nobody but a person."""
    async with join() as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        await bench.run_for(2)
        bench.board.fault, bench.board.state, bench.board.misting = code, FAULT, False
        await bench.run_for(2)
        report = await bench.device.status()
        assert (report.output, report.end, report.fault) == (Output.OFF, EndCause.FAULT, name)
        await bench.device.open()
        assert (await bench.device.status()).fault == name
        assert "CLEAR" not in bench.board.names


@pytest.mark.parametrize(("code", "trait"), [(9, "liquid"), (10, "cover"), (13, None)])
async def test_a_fault_whose_cause_is_gone_is_cleared_for_a_start(join: Join, code: int, trait: str | None) -> None:
    """Liquid back, cover closed, host here: a latched 9, 10 or 13 is cleared by the next START, and not before that."""
    async with join() as bench:
        bench.board.fault, bench.board.state = code, FAULT
        if trait:
            setattr(bench.board, trait, False)
            assert isinstance(await bench.device.start(RUN, MAX_ON_MS), CommandFailed)
            assert "CLEAR" not in bench.board.names
            setattr(bench.board, trait, True)
        report = await bench.device.status()
        assert (report.fault, report.dry) == (None, False)
        assert isinstance(await bench.device.start(RUN, MAX_ON_MS), DeviceReport)
        assert bench.board.names.count("CLEAR") == 1


async def test_the_trace_of_a_lost_host_is_cleared_at_the_opening(join: Join) -> None:
    """Fault 13, with which older firmware ends a run without beats, is cleared when the host is back."""
    async with join(opened=False, fault=13, state=FAULT) as bench:
        assert isinstance(await bench.device.open(), Identity)
        assert bench.board.names.count("CLEAR") == 1
        assert (await bench.device.status()).fault is None
