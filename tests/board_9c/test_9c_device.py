"""The 9C driver against a fake board, in virtual time: a dose, its ends, and a board that does not play fair."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from nebctl.core.device import Certainty, CommandFailed, DeviceReport, EndCause, Identity, Output

pytestmark = pytest.mark.virtual

RUN = "0badcafe"
MAX_ON_MS = 1_200_000
READY, RUN_COLD, PAUSED, FAULT, KEEP_WARM = 2, 5, 6, 8, 10
Join = Callable[..., Any]


def now() -> float:
    """Return the loop's virtual time in seconds."""
    return asyncio.get_running_loop().time()


# the plain form


@pytest.mark.req("S23")
async def test_opening_turns_a_running_board_off(join: Join) -> None:
    """A board that is found running is OFF after the opening, and nothing was started; the port stands for a serial."""
    async with join(opened=False, state=RUN_COLD, misting=True, said_misting=True) as bench:
        identity = await bench.device.open()
        assert isinstance(identity, Identity), identity
        assert (identity.serial, identity.simulated, identity.max_on_ms) == ("/x", True, 3_600_000)
        assert (bench.board.state, bench.board.misting) == (READY, False)
        assert "START" not in bench.board.names


async def test_a_dose_in_its_plain_form(join: Join) -> None:
    """Start, beats, readings and stop do what they say; the on-time is never less than the truth.

    It may be more by the mist board's reset and by the age of its word, a second each.
    """
    async with join() as bench:
        started = await bench.device.start(RUN, MAX_ON_MS)
        assert isinstance(started, DeviceReport), started
        assert (started.output, started.run, started.end) == (Output.RUNNING, RUN, EndCause.NONE)
        reports = await bench.run_for(30)
        stopped = await bench.device.stop()
        assert all(report.output is Output.RUNNING and not report.dry for report in reports), reports
        assert (stopped.output, stopped.run, stopped.end) == (Output.OFF, RUN, EndCause.STOP)
        assert -0.06 < stopped.on_ms / 1000 - bench.board.on_s < 2.1
        assert stopped.temp_mc == 23_400
        assert bench.board.runs_begun == 1


async def test_the_board_is_told_cold_and_the_time_last(join: Join) -> None:
    """Mode, keep-warm, levels and time are set and read back before the beat and the START, in this order."""
    async with join(warm=True, state=KEEP_WARM) as bench:
        assert isinstance(await bench.device.start(RUN, MAX_ON_MS), DeviceReport)
        names = [name for name in bench.board.names if name != "RUNTIME"]
        assert names == ["MODE", "WARM", "AIR", "MIST", "TIME", "CONFIG", "STATUS", "BEAT", "START", "BEAT"]
        assert (bench.board.hot, bench.board.warm, bench.board.seconds) == (False, False, 1200)


@pytest.mark.req("S24")
async def test_the_board_ends_a_run_at_its_maximum(join: Join) -> None:
    """With a host that only beats, the run ends after the whole minutes that were granted, and says MAX_ON."""
    async with join() as bench:
        await bench.device.start(RUN, 119_000)
        for _ in range(160):
            await bench.device.beat()
            await asyncio.sleep(0.4)
        assert bench.board.on_s == pytest.approx(60, abs=0.2)
        assert "STOP" not in bench.board.names
        report = await bench.device.status()
        assert (report.output, report.end) == (Output.OFF, EndCause.MAX_ON)
        assert 60_000 <= report.on_ms <= 64_000


async def test_a_resume_gets_the_whole_minutes_that_are_left(join: Join) -> None:
    """The same run goes on for what is left of its maximum, rounded down; under one minute it is refused unsent."""
    async with join() as bench:
        await bench.device.start(RUN, 180_000)
        await bench.run_for(30)
        paused = await bench.device.stop()
        await bench.device.start(RUN, 180_000)
        assert bench.board.seconds == 120
        await bench.run_for(100)
        second = await bench.device.stop()
        assert second.on_ms > paused.on_ms + 99_000
        bench.board.heard.clear()
        refused = await bench.device.start(RUN, 180_000)
        assert isinstance(refused, CommandFailed)
        assert refused.certainty is Certainty.NOT_DONE
        assert "whole minutes" in refused.expected
        assert set(bench.board.names) == {"RUNTIME"}
        other = await bench.device.start("0badcaff", 180_000)
        assert other.on_ms < 2_000


async def test_the_declaration_claims_no_more_than_the_board_keeps() -> None:
    """No S14, 3000 ms where S22 wants 2000, and a maximum on-time in the board."""
    from nebctl_drivers.board_9c.device import DECLARATION

    assert (DECLARATION.keeps_s14, DECLARATION.host_loss_off_ms, DECLARATION.max_on_in_device) == (False, 3000, True)


# refusals


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0x40, "not in this state"),
        (0x41, "reset failed"),
        (0x42, "cover open"),
        (0x43, "no liquid"),
        (0x44, "offline"),
        (0x45, "locked"),
        (0x7E, "busy"),
        (0x7F, "unknown command"),
        (0x66, "not in its maker's list"),
    ],
)
async def test_each_refusal_of_a_start_is_named(join: Join, code: int, words: str) -> None:
    """A NACK to START, here after the mist board's reset, is NOT_DONE with its code in words; nothing ran."""
    async with join() as bench:
        bench.board.faults["START"].append(code)
        failure = await bench.device.start(RUN, MAX_ON_MS)
        assert isinstance(failure, CommandFailed)
        assert failure.certainty is Certainty.NOT_DONE
        assert words in failure.seen
        assert (bench.board.names.count("START"), bench.board.runs_begun) == (1, 0)
        after = await bench.device.status()
        assert (after.output, after.end, after.run) == (Output.OFF, EndCause.STOP, None)


@pytest.mark.parametrize("setting", ["MODE", "WARM", "AIR", "MIST", "TIME", "BEAT"])
async def test_a_refused_setting_starts_nothing(join: Join, setting: str) -> None:
    """Each refused step before START ends it there."""
    async with join() as bench:
        bench.board.faults[setting].append(0x7E)
        failure = await bench.device.start(RUN, MAX_ON_MS)
        assert isinstance(failure, CommandFailed)
        assert failure.certainty is Certainty.NOT_DONE
        assert "START" not in bench.board.names


@pytest.mark.parametrize("setting", ["MODE", "WARM", "AIR", "MIST", "TIME"])
async def test_a_lost_setting_shows_in_the_read_back(join: Join, setting: str) -> None:
    """A setting that never arrived is not sent again; the read-back differs and nothing is started."""
    async with join(warm=True, state=KEEP_WARM, air=1, level=1) as bench:
        bench.board.faults[setting].append("vanish")
        failure = await bench.device.start(RUN, MAX_ON_MS)
        assert isinstance(failure, CommandFailed)
        assert failure.certainty is Certainty.NOT_DONE
        assert bench.board.names.count(setting) == 1
        assert "START" not in bench.board.names


async def test_a_setting_whose_answer_is_lost_is_good(join: Join) -> None:
    """A setting that arrived, though its ACK did not, is proven by the read-back and not repeated."""
    async with join() as bench:
        bench.board.faults["TIME"].append("mute")
        assert isinstance(await bench.device.start(RUN, MAX_ON_MS), DeviceReport)
        assert bench.board.names.count("TIME") == 1


@pytest.mark.parametrize(("sizes", "good"), [((20, 7), True), ((21, 7), True), ((20, 8), True)])
async def test_older_firmware(join: Join, sizes: tuple[int, int], good: bool) -> None:
    """STATUS of 20 bytes and CONFIG of 7 are read; a firmware without the keep-warm command has none to switch off."""
    async with join(status_bytes=sizes[0], config_bytes=sizes[1], runtime_bytes=46) as bench:
        assert isinstance(await bench.device.start(RUN, MAX_ON_MS), DeviceReport) is good


async def test_keep_warm_that_cannot_be_read_back_is_refused(join: Join) -> None:
    """Where keep-warm was accepted and nothing says that it is off, nothing is started."""
    async with join(status_bytes=20, config_bytes=7) as bench:
        bench.board.faults["WARM"].append("mute")
        failure = await bench.device.start(RUN, MAX_ON_MS)
        assert isinstance(failure, CommandFailed)
        assert "keep-warm" in failure.seen
        assert "START" not in bench.board.names


@pytest.mark.parametrize(
    ("trait", "value", "word"),
    [
        ("cover", False, "COVER-OPEN"),
        ("liquid", False, "no liquid"),
        ("mist_fault", 9, "no liquid"),
        ("fault", 6, "NTC"),
    ],
)
async def test_a_board_that_is_not_fit_is_not_asked(join: Join, trait: str, value: object, word: str) -> None:
    """With the cover open, no liquid, or a fault nothing at all is sent but the reading."""
    async with join() as bench:
        setattr(bench.board, trait, value)
        failure = await bench.device.start(RUN, MAX_ON_MS)
        assert isinstance(failure, CommandFailed)
        assert failure.certainty is Certainty.NOT_DONE
        assert word in failure.seen
        assert set(bench.board.names) == {"RUNTIME"}


@pytest.mark.parametrize(("run", "max_on_ms"), [("0badcaf", 60_000), ("0BADCAFE", 60_000), (RUN, 0), (RUN, 3_600_001)])
async def test_a_senseless_start_is_refused(join: Join, run: str, max_on_ms: int) -> None:
    """A run that is no run, or a time that the board cannot hold, is refused before any byte."""
    async with join() as bench:
        assert isinstance(await bench.device.start(run, max_on_ms), CommandFailed)
        assert bench.board.names == []


# answers lost, late, doubled


async def test_a_late_acknowledgement_of_start_counts(join: Join) -> None:
    """START is answered after the mist board's reset of one second, sent once, and the answer is waited for."""
    async with join() as bench:
        began = now()
        started = await bench.device.start(RUN, MAX_ON_MS)
        assert isinstance(started, DeviceReport), started
        assert now() - began == pytest.approx(1.0, abs=0.2)
        assert bench.board.names.count("START") == 1


@pytest.mark.req("S18")
@pytest.mark.parametrize("fault", ["mute", "garble"])
async def test_a_start_whose_answer_is_lost_is_never_sent_again(join: Join, fault: str) -> None:
    """The read-back after the board's longest time shows the run on: it has started, by one START alone."""
    async with join() as bench:
        bench.board.faults["START"].append(fault)
        started = await bench.device.start(RUN, MAX_ON_MS)
        assert isinstance(started, DeviceReport), started
        assert started.output is Output.RUNNING
        assert bench.board.names.count("START") == 1


@pytest.mark.req("S18")
async def test_a_lost_start_is_unknown(join: Join) -> None:
    """No answer and a board at rest prove nothing: the outcome is UNKNOWN, and START is not sent again."""
    async with join() as bench:
        bench.board.faults["START"].append("vanish")
        failure = await bench.device.start(RUN, MAX_ON_MS)
        assert isinstance(failure, CommandFailed)
        assert failure.certainty is Certainty.UNKNOWN
        assert bench.board.names.count("START") == 1
        assert isinstance(await bench.device.stop(), DeviceReport)


async def test_a_doubled_acknowledgement_is_no_other_answer(join: Join) -> None:
    """Answers that come twice, to beats, settings and START, are taken once and mistaken for nothing."""
    async with join() as bench:
        for name in ("MODE", "TIME", "BEAT", "START", "RUNTIME"):
            bench.board.faults[name].append("twice")
        assert isinstance(await bench.device.start(RUN, MAX_ON_MS), DeviceReport)
        assert all(isinstance(report, DeviceReport) for report in await bench.run_for(3))


async def test_the_refusal_of_a_duplicated_start_is_no_proof(join: Join) -> None:
    """Where a line doubled START, the refusal of the second stands beside a running board: UNKNOWN, never NOT_DONE."""
    async with join() as bench:
        bench.board.faults["START"].append("doubled")
        failure = await bench.device.start(RUN, MAX_ON_MS)
        assert isinstance(failure, CommandFailed)
        assert failure.certainty is Certainty.UNKNOWN


async def test_a_late_answer_is_given_to_nobody_else(join: Join) -> None:
    """An answer to a reading that was given up, and comes amid the next ones, does no harm."""
    async with join() as bench:
        bench.board.faults["RUNTIME"].extend([0.2, 0.3, 0.001])
        report = await bench.device.status()
        assert isinstance(report, DeviceReport)
        assert all(isinstance(report, DeviceReport) for report in await bench.run_for(2))
