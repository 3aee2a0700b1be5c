"""The jet driver where things go wrong: STOP, lost answers, gas that stays away, spoiled wires; in virtual time."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nebctl.core.device import Certainty, CommandFailed, DeviceReport, EndCause, Output
from nebctl_drivers.jet.device import DECLARATION

pytestmark = pytest.mark.virtual

RUN = "0badcafe"
MAX_ON_MS = 1_200_000
Join = Callable[..., Any]


def now() -> float:
    """Return the loop's virtual time in seconds."""
    return asyncio.get_running_loop().time()


# STOP


@pytest.mark.req("S20")
async def test_stop_goes_out_in_the_very_call(join: Join) -> None:
    """STOP does not wait for a read that is under way: its bytes are on the wire before the first await."""
    async with join() as bench:
        await bench.jet.start(RUN, MAX_ON_MS)
        bench.inject("late", ms=150)
        reading = asyncio.create_task(bench.jet.status())
        await asyncio.sleep(0.05)
        bench.heard.clear()
        began = now()
        stopping = asyncio.create_task(bench.jet.stop())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [(function, told) for _, function, told in bench.heard[:2]] == [(5, 0), (16, 1009)]
        assert bench.heard[0][0] == began
        stopped = await stopping
        assert (stopped.output, bench.truth.relay_closed) == (Output.OFF, False)
        assert isinstance(await reading, DeviceReport)


async def test_stop_repeats_until_the_read_back_shows_off(join: Join) -> None:
    """A contact that stays closed is told to open every 50 ms for 2 s, and then OFF is called not proven."""
    async with join() as bench:
        await bench.jet.start(RUN, MAX_ON_MS)
        bench.inject("welded")
        bench.heard.clear()
        began = now()
        failed = await bench.jet.stop()
        assert isinstance(failed, CommandFailed)
        assert failed.certainty is Certainty.UNKNOWN
        assert "the relay closed" in failed.seen
        assert (bench.stops(), round(now() - began, 1)) == (40, 2.0)
        assert bench.truth.setpoint_sccm == 0  # the gas itself is gone all the same
        assert bench.truth.output == "OFF"


async def test_after_an_unproven_stop_nothing_feeds_the_watchdog(join: Join) -> None:
    """No beat and no start go out until a later STOP has proven OFF."""
    async with join() as bench:
        await bench.jet.start(RUN, MAX_ON_MS)
        bench.inject("mute", ms=2500)
        assert isinstance(await bench.jet.stop(), CommandFailed)
        bench.heard.clear()
        for failure in (await bench.jet.beat(), await bench.jet.start(RUN, MAX_ON_MS)):
            assert isinstance(failure, CommandFailed)
            assert failure.certainty is Certainty.NOT_DONE
        assert bench.heard == []
        await asyncio.sleep(1)
        assert isinstance(await bench.jet.stop(), DeviceReport)
        assert await bench.jet.beat() is None


async def test_lost_answers_to_stop_cost_time_only(join: Join) -> None:
    """With the first 12 answers lost, STOP is repeated and proven within half a second."""
    async with join() as bench:
        await bench.jet.start(RUN, MAX_ON_MS)
        bench.inject("drop_reply", count=12)
        began = now()
        stopped = await bench.jet.stop()
        assert stopped.output is Output.OFF
        assert now() - began < 0.5


async def test_a_stop_overtakes_a_start(join: Join) -> None:
    """A STOP between a start's writes leaves the relay open, and the start says OFF or that it was not done."""
    for steps in range(1, 12):
        async with join() as bench:
            starting = asyncio.create_task(bench.jet.start(RUN, MAX_ON_MS))
            for _ in range(steps):
                await asyncio.sleep(0)
            await bench.jet.stop()
            result = await starting
            assert not bench.truth.relay_closed
            assert isinstance(result, CommandFailed) or result.output is Output.OFF, steps


# starts that fail


LOSSES = ("arm", "test-close", "closed?", "test-open", "open?", "close", "set-point")


@pytest.mark.req("S18")
@pytest.mark.parametrize("lost", range(4, 11), ids=LOSSES)
async def test_a_write_of_a_start_is_never_sent_again(join: Join, lost: int) -> None:
    """Whichever acknowledgement of a start is lost, its write went out once, and the read-back decides."""
    async with join() as bench:
        drop_answer(bench, lost)
        result = await bench.jet.start(RUN, MAX_ON_MS)
        writes = [(function, told) for _, function, told in bench.heard if function in (5, 16)]
        # arm; close and open for the relay's test; close, and the set-point
        assert writes == [(16, 6), (5, 255), (5, 0), (5, 255), (16, 1009)][: len(writes)]
        if lost in (5, 7):
            assert isinstance(result, CommandFailed)
            assert result.certainty is Certainty.UNKNOWN
            assert len(writes) == (2 if lost == 5 else 3)
        elif lost == 4:
            assert isinstance(result, CommandFailed)
            assert result.certainty is Certainty.NOT_DONE
            assert not bench.truth.relay_closed
        else:
            assert (result.output, bench.truth.output) == (Output.RUNNING, "RUN")


def drop_answer(bench: Any, number: int) -> None:
    """Lose the answer of this number from now on, counted from 1; the request is acted on."""
    feed, count = bench.device.feed, [0]

    def lossy(data: bytes, real_ns: int) -> bytes:
        count[0] += 1
        answer = feed(data, real_ns)
        return b"" if count[0] == number else answer

    bench.device.feed = lossy


async def test_a_gas_controller_that_refuses_the_set_point_is_doubted(join: Join) -> None:
    """A closed relay without the set-point is no start: the caller hears that gas may flow."""
    async with join() as bench:
        bench.jet._profile = replace(bench.jet._profile, setpoint_sccm=20_000)
        bench.inject("brownout")
        gas = bench.device._gas
        gas.write = lambda address, values: None
        result = await bench.jet.start(RUN, MAX_ON_MS)
        assert isinstance(result, CommandFailed)
        assert result.certainty is Certainty.UNKNOWN
        assert "the relay closed" in result.seen
        assert "set-point 0" in result.seen


@pytest.mark.req("S22")
@pytest.mark.parametrize("fault", ["welded", "stuck-open"])
async def test_a_relay_that_sticks_is_found_before_gas_flows(join: Join, fault: str) -> None:
    """Each start trips the relay first, while no gas is set: a contact that does not move ends the start there."""
    async with join() as bench:
        if fault == "welded":
            bench.inject("welded")
        else:
            bench.device._relay.write_coil = lambda address, on: None
        result = await bench.jet.start(RUN, MAX_ON_MS)
        assert isinstance(result, CommandFailed)
        assert result.certainty is Certainty.UNKNOWN
        assert "a relay that is not" in result.seen
        assert (16, 1009) not in [(function, told) for _, function, told in bench.heard]
        assert bench.truth.emitted_nl == 0


@pytest.mark.parametrize(("run", "max_on_ms"), [("00000000", 1), ("0BADCAFE", 1), ("0badcaf", 1), (RUN, 0)])
async def test_a_start_that_makes_no_sense_is_not_sent(join: Join, run: str, max_on_ms: int) -> None:
    """A run that is not eight hexadecimal digits, all noughts, or no on-time never reaches the wire."""
    async with join() as bench:
        refused = await bench.jet.start(run, max_on_ms)
        assert isinstance(refused, CommandFailed)
        assert refused.certainty is Certainty.NOT_DONE
        assert bench.heard == []


async def test_a_jet_that_is_on_is_not_started(join: Join) -> None:
    """A second start while gas flows is refused, and so is one beside another."""
    async with join() as bench:
        first = asyncio.create_task(bench.jet.start(RUN, MAX_ON_MS))
        await asyncio.sleep(0)
        beside = await bench.jet.start(RUN, MAX_ON_MS)
        await first
        again = await bench.jet.start("0badcaff", MAX_ON_MS)
        for refused in (beside, again):
            assert isinstance(refused, CommandFailed)
            assert refused.certainty is Certainty.NOT_DONE
        assert bench.truth.run == RUN


@pytest.mark.req("S22")
async def test_a_jet_without_a_relay_does_not_open(join: Join) -> None:
    """Where nobody answers as the relay, the device does not open, and the line says what is missing."""
    async with join(opened=False) as bench:
        del bench.device._units[41]
        failed = await bench.jet.open()
        assert isinstance(failed, CommandFailed)
        assert "cut-off relay" in failed.sentence()
        assert bench.jet.loss is not None
        assert DECLARATION.keeps_s14 is False
        assert (DECLARATION.host_loss_off_ms, DECLARATION.max_on_in_device) == (2000, True)


# gas that does not do what it should


@pytest.mark.req("S29")
async def test_a_kinked_tube_ends_the_run(join: Join, poll: Join) -> None:
    """Without gas the drive ends after 5 s, says why, and counts no on-time for it."""
    async with join() as bench:
        await bench.jet.start(RUN, MAX_ON_MS)
        await poll(bench, 20)
        bench.inject("kinked_tube")
        reports = await poll(bench, 7)
        assert (reports[-1].output, reports[-1].end) == (Output.OFF, EndCause.FAULT)
        assert reports[-1].fault is None  # the end says why; a standing fault would bar every later start
        assert reports[-1].on_ms == pytest.approx(20_000, abs=600)
        assert not reports[-1].dry


async def test_a_weak_compressor_is_named(join: Join, poll: Join) -> None:
    """A flow 30 % below its set-point is named as a fault and is no sputter."""
    async with join() as bench:
        await bench.jet.start(RUN, MAX_ON_MS)
        await poll(bench, 5)
        bench.inject("weak_compressor")
        reports = await poll(bench, 20)
        assert {report.fault for report in reports} == {"LOW-GAS"}
        assert reports[-1].output is Output.RUNNING
        assert not reports[-1].dry


async def test_a_set_point_that_somebody_changed_is_named(join: Join, poll: Join) -> None:
    """Another set-point than the one that was written shows as a fault in the next report."""
    async with join() as bench:
        await bench.jet.start(RUN, MAX_ON_MS)
        bench.device._gas.setpoint = 5.9
        [report] = await poll(bench, 0.2)
        assert report.fault == "SET-POINT-CHANGED"


# wires


@pytest.mark.parametrize("fault", ["drop_reply", "wrong_unit", "wrong_function", "wrong_count", "wrong_transaction"])
async def test_a_spoiled_answer_is_asked_for_again(join: Join, fault: str) -> None:
    """Lost, or of another unit, function, count or transaction: the reading is of its own moment all the same."""
    async with join() as bench:
        await bench.jet.start(RUN, MAX_ON_MS)
        for count in (1, 2):
            bench.inject(fault, count=count)
            report = await bench.jet.status()
            assert isinstance(report, DeviceReport)
            assert (report.output, report.gas_sccm > 5900) == (Output.RUNNING, True)
            assert bench.device.faults() == {}
            await bench.jet.beat()


@pytest.mark.parametrize("fault", ["duplicate_reply", "split"])
async def test_a_clumsy_wire_changes_nothing(join: Join, poll: Join, fault: str) -> None:
    """Doubled answers and answers in two pieces give the same readings."""
    async with join() as bench:
        await bench.jet.start(RUN, MAX_ON_MS)
        bench.inject(fault, count=100, ms=30)
        reports = await poll(bench, 5)
        assert all(report.output is Output.RUNNING for report in reports)


async def test_a_late_answer_is_not_taken_for_the_next(join: Join) -> None:
    """The relay's answer that comes after its time-out never becomes the reading of a later moment."""
    async with join() as bench:
        bench.inject("late", ms=300)
        await bench.jet.status()
        started = await bench.jet.start(RUN, MAX_ON_MS)
        assert started.output is Output.RUNNING
        bench.inject("late", ms=350)
        await asyncio.sleep(0.5)
        before = bench.truth.on_ms
        report = await bench.jet.status()
        assert report.on_ms >= before


async def test_after_a_cancelled_read_the_next_gets_its_own_answer(join: Join) -> None:
    """A cancelled caller's answer goes nowhere, and the next request waits until it has passed."""
    async with join() as bench:
        bench.inject("late", ms=120)
        reading = asyncio.create_task(bench.jet.status())
        await asyncio.sleep(0.02)
        reading.cancel()
        result = await bench.jet.last_run()
        assert (result.run, result.end) == (None, EndCause.POWER_UP)
        assert isinstance(await bench.jet.status(), DeviceReport)
