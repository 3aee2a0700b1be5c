"""STOP: at once, ahead of everything, and again until OFF is proven; in virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from nebctl.core.device import Certainty, CommandFailed, DeviceReport, Output

pytestmark = pytest.mark.virtual

RUN = "0badcafe"
Join = Callable[..., Any]


def now() -> float:
    """Return the loop's virtual time in seconds."""
    return asyncio.get_running_loop().time()


@pytest.mark.req("S20")
async def test_stop_overtakes_a_read_that_hangs_and_all_that_queue_behind_it(join: Join) -> None:
    """With one read hanging and three requests queued, STOP's bytes leave in the moment of the call, before theirs."""
    async with join() as bench:
        await bench.device.start(RUN, 60_000)
        bench.controller.heard.clear()
        bench.controller.faults["STAT"].append("vanish")
        others = [asyncio.create_task(bench.device.status())]
        await asyncio.sleep(0.010)
        others += [
            asyncio.create_task(ask()) for ask in (bench.device.beat, bench.device.last_run, bench.device.status)
        ]
        await asyncio.sleep(0.010)
        pressed = now()
        report = await bench.device.stop()
        await asyncio.gather(*others)
        assert now() == pressed, "the hanging read was given up and asked again, not waited for"
        assert report.output is Output.OFF
        assert bench.controller.commands[:3] == ["STAT", "STOP", "STAT"]
        assert bench.controller.heard[1][0] == pressed
        assert all(isinstance(other.result(), DeviceReport) for other in (others[0], others[3]))


@pytest.mark.req("S20")
async def test_stop_writes_before_it_first_waits(join: Join) -> None:
    """The bytes are on the wire before the caller's task gives way to any other."""
    async with join() as bench:
        stopping = bench.device.stop()
        with pytest.raises(StopIteration):
            raise StopIteration(stopping.send(None))  # one step of the coroutine, as the loop would make it
        assert b"STOP" in bytes(bench.controller.link.inbox._bytes)
        stopping.close()


async def test_stop_goes_out_every_50_ms_until_off_is_read_back(join: Join) -> None:
    """Five lost STOPs are five repeats, 50 ms apart, each with a new number."""
    async with join() as bench:
        await bench.device.start(RUN, 60_000)
        bench.controller.heard.clear()
        bench.controller.faults["STOP"].extend(["vanish"] * 5)
        report = await bench.device.stop()
        stops = [(when, payload) for when, payload in bench.controller.heard if ",STOP" in payload]
        assert report.output is Output.OFF
        assert [when - stops[0][0] for when, _ in stops] == pytest.approx([n * 0.05 for n in range(6)])
        assert len({payload for _, payload in stops}) == 6


@pytest.mark.parametrize("fault", ["mute", "garble", "N,{seq},STOP,STATE"])
async def test_the_read_back_is_the_proof_not_the_acknowledgement(join: Join, fault: str) -> None:
    """A STOP that was acted on is proven by the STAT behind it, whatever became of its own answer."""
    async with join() as bench:
        await bench.device.start(RUN, 60_000)
        bench.controller.heard.clear()
        bench.controller.faults["STOP"].append(fault)
        report = await bench.device.stop()
        assert report.output is Output.OFF
        assert bench.controller.commands == ["STOP", "STAT"]


async def test_an_acknowledged_stop_without_read_back_is_repeated(join: Join) -> None:
    """The acknowledgement alone is not believed: STOP goes on, and STAT is asked again, until STAT says OFF."""
    async with join() as bench:
        bench.controller.faults["STAT"].extend(["vanish", "garble", "A,{seq},STAT,OFF"])
        report = await bench.device.stop()
        assert report.output is Output.OFF
        assert bench.controller.commands.count("STAT") == 4
        assert bench.controller.commands.count("STOP") >= 4


async def test_a_slow_wire_does_not_outrun_its_own_proof(join: Join) -> None:
    """Answers that take longer than the repeat period still count: each is the proof of its own request."""
    async with join() as bench:
        await bench.device.start(RUN, 60_000)
        bench.controller.faults["STOP"].extend([0.08] * 10)
        bench.controller.faults["STAT"].extend([0.08] * 10)
        began = now()
        report = await bench.device.stop()
        assert report.output is Output.OFF
        assert now() - began == pytest.approx(0.08)


async def test_a_device_stuck_on_is_not_called_off(join: Join) -> None:
    """A controller that acknowledges and stays on gets STOP for 2 s; then the failure says what it is: not proven."""
    async with join() as bench:
        await bench.device.start(RUN, 60_000)
        bench.controller.stuck_on = True
        began = now()
        failure = await bench.device.stop()
        assert isinstance(failure, CommandFailed)
        assert (failure.command, failure.certainty) == ("STOP", Certainty.UNKNOWN)
        assert failure.seen == "output running after 40 times STOP"
        assert now() - began == pytest.approx(2.0)
        bench.controller.stuck_on = False
        assert (await bench.device.stop()).output is Output.OFF


async def test_an_unproven_stop_starves_the_watchdog(join: Join) -> None:
    """After a STOP without proof no BEAT and no START goes out, so that the watchdog acts; a proven STOP lifts it."""
    async with join() as bench:
        await bench.device.start(RUN, 60_000)
        bench.controller.faults["STOP"].extend(["vanish"] * 40)
        stopping = asyncio.create_task(bench.device.stop())
        await asyncio.sleep(0)
        beating = asyncio.create_task(bench.device.beat())
        failures = [await stopping, await beating, await bench.device.beat(), await bench.device.start("deadbeef", 9)]
        assert all(isinstance(failure, CommandFailed) for failure in failures)
        assert "BEAT" not in bench.controller.commands
        assert bench.controller.commands.count("START") == 1
        await bench.device.stop()
        assert await bench.device.beat() is None


@pytest.mark.req("S20")
async def test_a_start_that_waits_is_not_sent_after_a_stop(join: Join) -> None:
    """A START whose turn had not come when STOP was pressed never goes out."""
    async with join() as bench:
        bench.controller.faults["STAT"].append("vanish")
        starting = asyncio.create_task(bench.device.start(RUN, 60_000))
        await asyncio.sleep(0.010)
        await bench.device.stop()
        result = await starting
        assert isinstance(result, CommandFailed)
        assert result.certainty is Certainty.NOT_DONE
        assert "START" not in bench.controller.commands


async def test_a_start_asked_for_while_stop_is_under_way_is_refused(join: Join) -> None:
    """Until a STOP is proven, a new start is refused without a byte."""
    async with join() as bench:
        bench.controller.faults["STAT"].append("vanish")
        stopping = asyncio.create_task(bench.device.stop())
        await asyncio.sleep(0.010)
        result = await bench.device.start(RUN, 60_000)
        assert isinstance(result, CommandFailed)
        assert (await stopping).output is Output.OFF
        assert "START" not in bench.controller.commands


@pytest.mark.parametrize("fault", ["mute", "vanish"])
async def test_a_stop_on_the_heels_of_start_leaves_it_off(join: Join, fault: str) -> None:
    """STOP overtakes START's lost answer: the output is OFF, and the start is never reported as on."""
    async with join() as bench:
        bench.controller.faults["START"].append(fault)
        starting = asyncio.create_task(bench.device.start(RUN, 60_000))
        await asyncio.sleep(0.010)
        stopped = await bench.device.stop()
        started = await starting
        assert stopped.output is Output.OFF
        if fault == "mute":
            assert (started.output, started.on_ms) == (Output.OFF, 10)
        else:
            assert started.certainty is Certainty.NOT_DONE
        assert bench.controller.commands.count("START") == 1


async def test_many_presses_are_one_stop(join: Join) -> None:
    """Stops pressed together share one STOP and one proof."""
    async with join() as bench:
        bench.controller.faults["STOP"].append(0.02)
        reports = await asyncio.gather(*(bench.device.stop() for _ in range(20)))
        assert {report.output for report in reports} == {Output.OFF}
        assert bench.controller.commands == ["STOP", "STAT"]


async def test_a_cancelled_caller_does_not_end_the_stop(join: Join) -> None:
    """STOP is repeated until OFF although the one who pressed it is gone, and the wire is free afterwards."""
    async with join() as bench:
        await bench.device.start(RUN, 60_000)
        bench.controller.faults["STOP"].extend(["vanish"] * 3)
        stopping = asyncio.create_task(bench.device.stop())
        await asyncio.sleep(0.010)
        stopping.cancel()
        report = await bench.device.status()
        assert report.output is Output.OFF
        assert bench.controller.commands.count("STOP") == 4


async def test_closing_in_the_middle_of_a_stop_ends_it(join: Join) -> None:
    """A stop that cannot go on ends with a failure; nothing is left behind."""
    async with join() as bench:
        bench.controller.faults["STAT"].extend(["vanish"] * 40)
        stopping = asyncio.create_task(bench.device.stop())
        await asyncio.sleep(0.010)
        await bench.device.close()
        failure = await stopping
        assert isinstance(failure, CommandFailed)
        assert failure.certainty is Certainty.UNKNOWN
