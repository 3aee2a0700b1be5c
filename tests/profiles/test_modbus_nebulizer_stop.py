"""STOP of a Modbus nebulizer: ahead of everything, until it is proven, and never to a stranger."""

import asyncio

import pytest

from nebctl.core.device import Certainty, CommandFailed, DeviceReport, Output

from .conftest import OUTPUT, STATE, Bench, join

pytestmark = pytest.mark.virtual


async def start(bench: Bench) -> DeviceReport | CommandFailed:
    """Start a run of 20 minutes."""
    return await bench.device.start("0badcafe", 1_200_000)


@pytest.mark.req("S20")
async def test_stop_goes_out_in_its_own_call_ahead_of_a_read() -> None:
    """STOP does not wait for a read whose answer is lost: its write is the next thing on the wire."""
    async with join() as bench:
        await start(bench)
        bench.unit.always[4, STATE] = "vanish"
        reading = asyncio.create_task(bench.device.status())
        await asyncio.sleep(0.3)
        heard, asked = len(bench.unit.heard), asyncio.get_running_loop().time()
        stopping = asyncio.create_task(bench.device.stop())
        await asyncio.sleep(0.05)
        bench.unit.always.clear()
        assert isinstance(await stopping, DeviceReport)
        when, function, address, value = bench.unit.heard[heard]
        assert (function, address, value) == (16, OUTPUT, 0)
        assert when - asked < 0.02
        await reading


async def test_stop_is_repeated_until_it_is_off() -> None:
    """The first two STOPs are lost; the third turns it off."""
    async with join() as bench:
        await start(bench)
        bench.unit.heard.clear()
        bench.unit.plan[16, OUTPUT].extend(["vanish", "vanish"])
        report = await bench.device.stop()
        assert isinstance(report, DeviceReport)
        assert report.output is Output.OFF
        assert bench.unit.writes.count((OUTPUT, 0)) >= 3


async def test_a_stop_without_proof_withholds_beats_and_starts() -> None:
    """A device that stays on: after 2 s of STOP no beat and no start goes out, until a later STOP is proven."""
    async with join() as bench:
        await start(bench)
        bench.unit.stuck_on = True
        failed = await bench.device.stop()
        assert isinstance(failed, CommandFailed)
        assert (failed.certainty, failed.seen[:14]) == (Certainty.UNKNOWN, "output running")
        bench.unit.heard.clear()
        assert isinstance(await bench.device.beat(), CommandFailed)
        bench.unit.turn_off(3)
        bench.unit.holding[OUTPUT] = 0
        refused = await start(bench)
        assert isinstance(refused, CommandFailed)
        assert "not proven" in refused.seen
        assert bench.unit.writes == []
        bench.unit.stuck_on = False
        assert isinstance(await bench.device.stop(), DeviceReport)
        assert await bench.device.beat() is None


async def test_off_with_the_command_still_on_is_not_proven() -> None:
    """It reads as off, but the output is still commanded on: it could start again, so STOP goes on."""
    async with join() as bench:
        await start(bench)
        bench.unit.turn_off(3)
        bench.unit.always[16, OUTPUT] = "ignore"
        failed = await bench.device.stop()
        assert isinstance(failed, CommandFailed)
        assert "output 1 where 0 was written" in failed.seen


@pytest.mark.req("S20")
@pytest.mark.parametrize("writes", range(5))
async def test_a_stop_in_mid_start_is_the_last_word(writes: int) -> None:
    """Wherever STOP meets a start, no write of the start follows it, and the device is off in the end."""
    async with join() as bench:
        starting = asyncio.create_task(start(bench))
        await asyncio.sleep(0.002)
        await bench.unit.hear_writes(writes)
        assert isinstance(await bench.device.stop(), DeviceReport)
        await starting
        order = bench.unit.writes
        assert order[order.index((OUTPUT, 0)) :] == [(OUTPUT, 0)] * order.count((OUTPUT, 0))
        report = await bench.device.status()
        assert isinstance(report, DeviceReport)
        assert report.output is Output.OFF


async def test_a_pulled_plug_ends_the_stop_and_opening_again_heals() -> None:
    """The wire goes during a run: STOP says so; the next opening proves OFF, and a start is possible again."""
    async with join() as bench:
        await start(bench)
        bench.near.cut()
        await asyncio.sleep(0.01)
        assert bench.device.loss is not None
        failed = await bench.device.stop()
        assert isinstance(failed, CommandFailed)
        await bench.unit.link.open()
        serving = asyncio.create_task(bench.unit.serve())
        identity = await bench.device.open()
        assert not isinstance(identity, CommandFailed), identity
        assert isinstance(await start(bench), DeviceReport)
        await bench.device.close()
        bench.unit.link.close()
        await serving


async def test_a_stop_before_the_first_identity_sends_nothing() -> None:
    """A STOP in the middle of the first opening: it may be another device, where the registers mean something else."""
    async with join(opened=False) as bench:
        bench.unit.words[0] = 1
        bench.unit.always[4, 0] = 0.08
        opening = asyncio.create_task(bench.device.open())
        await asyncio.sleep(0.05)
        failed = await bench.device.stop()
        assert isinstance(failed, CommandFailed)
        assert (failed.certainty, failed.advice) == (Certainty.UNKNOWN, "Use the device's own switch.")
        assert isinstance(await opening, CommandFailed)
        assert bench.unit.writes == []


@pytest.mark.req("S20")
async def test_a_stop_while_a_known_device_is_opened_again_goes_out() -> None:
    """A device that proved who it is before is not kept waiting by the reading of its identity."""
    async with join() as bench:
        bench.unit.always[4, 0] = 0.08
        opening = asyncio.create_task(bench.device.open())
        await asyncio.sleep(0.05)
        stopping = asyncio.create_task(bench.device.stop())
        await asyncio.sleep(0.02)
        assert bench.unit.writes[:1] == [(OUTPUT, 0)]
        assert isinstance(await stopping, DeviceReport)
        await opening
