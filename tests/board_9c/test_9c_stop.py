"""STOP on the 9C board, in virtual time: at once, again and again, and believed only behind its own acknowledgement."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from nebctl.core.device import Certainty, CommandFailed, DeviceReport, EndCause, Output, RunOutcome

pytestmark = pytest.mark.virtual

RUN = "0badcafe"
MAX_ON_MS = 1_200_000
READY = 2
Join = Callable[..., Any]


def now() -> float:
    """Return the loop's virtual time in seconds."""
    return asyncio.get_running_loop().time()


@pytest.mark.req("S20")
async def test_stop_is_on_the_wire_in_the_very_call(join: Join) -> None:
    """STOP goes out before anything is awaited, with a reading still pending."""
    async with join() as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        bench.board.faults["RUNTIME"].append("vanish")
        reading = asyncio.create_task(bench.device.status())
        await asyncio.sleep(0.001)
        began = now()
        stopped = await bench.device.stop()
        first = next(at for at, name in bench.board.heard if name == "STOP")
        assert first - began < 0.005
        assert (stopped.output, bench.board.misting) == (Output.OFF, False)
        await reading


@pytest.mark.req("S26")
async def test_a_board_that_mists_on_is_not_believed(join: Join) -> None:
    """A mist board that runs on after STOP: not proven OFF, said so, no beat goes out, no start is let through."""
    async with join() as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        await bench.run_for(2)
        bench.board.stuck_on = True
        failure = await bench.device.stop()
        assert isinstance(failure, CommandFailed)
        assert "mist board running" in failure.seen
        assert bench.board.names.count("STOP") >= 30
        bench.board.heard.clear()
        assert isinstance(await bench.device.beat(), CommandFailed)
        assert isinstance(await bench.device.start(RUN, MAX_ON_MS), CommandFailed)
        assert bench.board.names == []
        assert (await bench.device.status()).output is Output.RUNNING
        bench.board.stuck_on = False
        assert isinstance(await bench.device.stop(), DeviceReport)


async def test_stop_on_the_heels_of_start_is_not_proven_by_old_words(join: Join) -> None:
    """While the board still resets its mist board it says READY and not running: that proves no OFF.

    The driver waits for the acknowledgement, which stands behind the START, and for a word of the mist board after it.
    """
    async with join() as bench:
        starting = asyncio.create_task(bench.device.start(RUN, MAX_ON_MS))
        await asyncio.sleep(0.3)
        assert bench.board.names[-1] == "START"
        stopped = await bench.device.stop()
        assert isinstance(stopped, DeviceReport | CommandFailed)
        while isinstance(stopped, CommandFailed):
            stopped = await bench.device.stop()
        assert (bench.board.state, bench.board.misting, bench.board.said_misting) == (READY, False, False)
        assert bench.board.runs_begun == 1
        result = await starting
        assert isinstance(result, CommandFailed)
        assert result.certainty is Certainty.UNKNOWN


async def test_a_mist_board_that_started_late_and_stays_on_is_found(join: Join) -> None:
    """The old word "not running" is not taken for OFF: the mist of a START just before STOP is seen a second later."""
    async with join(stuck_on=True) as bench:
        starting = asyncio.create_task(bench.device.start(RUN, MAX_ON_MS))
        await asyncio.sleep(0.5)
        stopped = await bench.device.stop()
        assert bench.board.misting
        assert isinstance(stopped, CommandFailed)
        await starting


async def test_an_opening_trusts_no_old_word(join: Join) -> None:
    """A START of a host that is gone may be on its way: an opening waits for a fresh word of the mist board too."""
    async with join(opened=False, stuck_on=True, misting=True) as bench:
        failure = await bench.device.open()
        assert isinstance(failure, CommandFailed)
        assert "mist board running" in failure.seen


async def test_a_status_before_the_acknowledgement_does_not_count(join: Join) -> None:
    """A STATUS that overtakes the ACK says nothing of STOP: the one of the next round proves OFF."""
    async with join(poll_s=0.02) as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        await bench.run_for(1)
        bench.board.heard.clear()
        bench.board.faults["STOP"].extend(["mute", 0.02])
        assert isinstance(await bench.device.stop(), DeviceReport)
        assert bench.board.names.count("STOP") == 3


async def test_a_stop_whose_acknowledgements_are_lost_proves_nothing(join: Join) -> None:
    """A STATUS at rest does not prove OFF while no STOP is acknowledged."""
    async with join() as bench:
        bench.board.faults["STOP"].extend(["mute"] * 10)
        began = now()
        stopped = await bench.device.stop()
        assert isinstance(stopped, DeviceReport)
        assert now() - began > 0.45
        bench.board.faults["STOP"].extend([0x7E] * 100)
        failure = await bench.device.stop()
        assert isinstance(failure, CommandFailed)
        assert "0x7e" in failure.seen


async def test_a_mist_board_that_is_offline_is_no_proof(join: Join) -> None:
    """Where the main board does not hear the mist board, neither OFF nor ON is claimed."""
    async with join() as bench:
        await bench.device.start(RUN, MAX_ON_MS)
        bench.board.online = False
        reading, stopped = await bench.device.status(), await bench.device.stop()
        for failure in (reading, stopped):
            assert isinstance(failure, CommandFailed)
            assert (failure.certainty, "offline" in failure.seen) == (Certainty.UNKNOWN, True)


async def test_a_start_behind_a_stop_is_not_sent(join: Join) -> None:
    """A STOP while the settings go out keeps the START back."""
    async with join() as bench:
        bench.board.faults["CONFIG"].append("vanish")
        starting = asyncio.create_task(bench.device.start(RUN, MAX_ON_MS))
        await asyncio.sleep(0.05)
        await bench.device.stop()
        failure = await starting
        assert isinstance(failure, CommandFailed)
        assert failure.certainty is Certainty.NOT_DONE
        assert "START" not in bench.board.names


async def test_the_last_run_after_it_ended(join: Join) -> None:
    """While the board has not restarted, the last run is told by its name; before any run it is None."""
    async with join() as bench:
        assert (await bench.device.last_run()).run is None
        await bench.device.start(RUN, MAX_ON_MS)
        await bench.run_for(5)
        stopped = await bench.device.stop()
        assert await bench.device.last_run() == RunOutcome(run=RUN, on_ms=stopped.on_ms, end=EndCause.STOP, boot=1)
