"""The jet driver against the simulated devices, in virtual time: a dose, its ends, lost hosts and lost power."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from nebctl.core.device import Certainty, CommandFailed, EndCause, Identity, Output

pytestmark = pytest.mark.virtual

RUN = "0badcafe"
MAX_ON_MS = 1_200_000
Join = Callable[..., Any]


def now() -> float:
    """Return the loop's virtual time in seconds."""
    return asyncio.get_running_loop().time()


# the plain form


async def test_opening_tells_who_answered_and_turns_off(join: Join) -> None:
    """The relay's serial number is the identity, its SIM- admits the simulator, and OFF is proven."""
    async with join(opened=False) as bench:
        identity = await bench.jet.open()
        assert isinstance(identity, Identity)
        assert (identity.serial, identity.simulated, identity.boot) == ("SIM-0002", True, 1)
        assert bench.stops() == 1
        assert (bench.truth.relay_closed, bench.truth.setpoint_sccm) == (False, 0)


async def test_a_dose_in_its_plain_form(join: Join, poll: Join) -> None:
    """Start, beats, readings and stop do what they say, and gas flows only in between."""
    async with join() as bench:
        started = await bench.jet.start(RUN, MAX_ON_MS)
        assert (started.output, started.run, started.end) == (Output.RUNNING, RUN, EndCause.NONE)
        reports = await poll(bench, 30)
        stopped = await bench.jet.stop()
        truth = bench.truth
        assert all(report.output is Output.RUNNING and not report.dry for report in reports)
        assert reports[-1].gas_sccm == pytest.approx(6000, rel=0.01)
        assert reports[-1].pressure_pa == pytest.approx(239_325, rel=0.01)
        assert (stopped.output, stopped.run, stopped.end) == (Output.OFF, RUN, EndCause.STOP)
        assert truth.on_ms <= stopped.on_ms + 1 <= truth.on_ms + 20
        assert truth.aerosol_nl == pytest.approx(4 * truth.on_ms, rel=0.01)
        assert (truth.relay_closed, truth.setpoint_sccm, truth.output) == (False, 0, "OFF")


async def test_the_trace_of_the_gas(join: Join) -> None:
    """Flow in SLPM and pressure in kPa stand in their columns of the session's trace."""
    from nebctl.core.trace import HEADER, line, reading_of

    async with join() as bench:
        report = await bench.jet.start(RUN, MAX_ON_MS)
        row = line(reading_of(report, report.at_ns, paused=False))
        fields = dict(zip(HEADER.split(","), row.strip().split(","), strict=True))
        assert float(fields["gas_slpm"]) == pytest.approx(6, rel=0.01)
        assert float(fields["pressure_kPa"]) == pytest.approx(239.3, rel=0.01)
        assert fields["dry"] == "0"


async def test_a_pause_goes_on_with_the_same_count(join: Join, poll: Join) -> None:
    """The same run started again adds to its on-time; another run begins at 0."""
    async with join() as bench:
        await bench.jet.start(RUN, MAX_ON_MS)
        await poll(bench, 10)
        await bench.jet.stop()
        await asyncio.sleep(60)
        await bench.jet.start(RUN, MAX_ON_MS)
        await poll(bench, 10)
        second = await bench.jet.stop()
        assert second.on_ms == pytest.approx(bench.truth.on_ms, abs=50)
        assert second.on_ms > 20_000
        other = await bench.jet.start("0badcaff", MAX_ON_MS)
        assert other.on_ms < 50


@pytest.mark.req("S29")
async def test_a_jet_is_off_a_minute_after_sputter_begins(join: Join, poll: Join) -> None:
    """The readings' ripple is taken for sputter; 60 s later the driver itself turns off and says dry."""
    async with join(fill_nl=1_500_000) as bench:
        await bench.jet.start(RUN, MAX_ON_MS)
        onset_s = None
        for _ in range(3000):
            [report] = await poll(bench, 0.2)
            if onset_s is None and bench.truth.duty_ppm < 1_000_000:
                onset_s = now()
            if report.output is Output.OFF:
                break
        assert onset_s is not None
        assert 60 <= now() - onset_s <= 75
        assert (report.end, report.dry, bench.truth.relay_closed) == (EndCause.DRY, True, False)
        assert 1_000_000 <= bench.truth.cup_nl <= 1_050_000
        later = await bench.jet.status()
        assert (later.output, later.end, later.dry) == (Output.OFF, EndCause.DRY, True)


@pytest.mark.req("S29")
async def test_the_end_is_found_in_fast_time_too(join: Join, poll: Join) -> None:
    """At a hundred times real time the few readings that are left find the same end."""
    async with join(speed=100) as bench:
        await bench.jet.start(RUN, MAX_ON_MS)
        reports = await poll(bench, 8)
        ended = next(report for report in reports if report.output is Output.OFF)
        assert (ended.end, ended.dry) == (EndCause.DRY, True)
        assert 1_000_000 <= bench.truth.cup_nl <= 1_010_000


# lost hosts, lost power


@pytest.mark.req("S22")
async def test_a_lost_host_means_off_in_two_seconds(join: Join) -> None:
    """Without beats the relay opens by itself 2 s after the last one, and the gas is off although it was set."""
    async with join() as bench:
        await bench.jet.start(RUN, MAX_ON_MS)
        await bench.jet.beat()
        await asyncio.sleep(1.9)
        assert bench.truth.relay_closed
        await asyncio.sleep(0.15)
        assert not bench.truth.relay_closed
        assert bench.truth.setpoint_sccm == 6000
        report = await bench.jet.status()
        assert (report.output, report.end) == (Output.OFF, EndCause.BEAT)
        assert report.on_ms == pytest.approx(2000, abs=20)


async def test_reading_does_not_feed_the_watchdog(join: Join) -> None:
    """A host that reads and never beats loses the output too: only the control loop's beat counts."""
    async with join() as bench:
        await bench.jet.start(RUN, MAX_ON_MS)
        for _ in range(25):
            await asyncio.sleep(0.1)
            await bench.jet.status()
        assert not bench.truth.relay_closed


@pytest.mark.req("S24")
async def test_the_relay_ends_a_run_that_is_too_long(join: Join, poll: Join) -> None:
    """The maximum on-time holds although the host keeps beating, and it holds across a pause."""
    async with join() as bench:
        await bench.jet.start(RUN, 10_000)
        await poll(bench, 6)
        await bench.jet.stop()
        await bench.jet.start(RUN, 10_000)
        reports = await poll(bench, 6)
        assert (reports[-1].output, reports[-1].end) == (Output.OFF, EndCause.MAX_ON)
        assert bench.truth.on_ms == 10_000
        await bench.jet.stop()
        refused = await bench.jet.start(RUN, 10_000)
        assert isinstance(refused, CommandFailed)
        assert refused.certainty is Certainty.NOT_DONE
        assert "illegal value" in refused.seen


@pytest.mark.req("S23")
@pytest.mark.parametrize(
    ("fault", "output"), [("brownout", Output.RUNNING), ("relay_brownout", Output.OFF)], ids=["gas", "relay"]
)
async def test_a_brown_out_shows_by_read_back(join: Join, poll: Join, fault: str, output: Output) -> None:
    """Power-up values read back raise the boot counter, and no gas flows again by itself."""
    async with join() as bench:
        await bench.jet.start(RUN, MAX_ON_MS)
        await poll(bench, 5)
        bench.inject(fault)
        [report] = await poll(bench, 0.2)
        assert (report.boot, report.output) == (2, output)
        assert bench.truth.output == "OFF"
        stopped = await bench.jet.stop()
        assert (stopped.output, stopped.boot) == (Output.OFF, 2)
        await asyncio.sleep(30)
        assert bench.truth.output == "OFF"


async def test_the_last_run_after_a_lost_wire(join: Join, poll: Join) -> None:
    """After an unplugged cable the relay tells for how long the run had gas, at most, and why it ended."""
    async with join() as bench:
        await bench.jet.start(RUN, MAX_ON_MS)
        await poll(bench, 5)
        bench.far.cut()
        await asyncio.sleep(5)
        assert bench.jet.loss is not None
        await bench.far.open()
        serving = asyncio.create_task(bench.serve())
        identity = await bench.jet.open()
        assert isinstance(identity, Identity)
        assert identity.boot == 1
        last = await bench.jet.last_run()
        assert (last.run, last.end) == (RUN, EndCause.BEAT)
        assert last.on_ms == pytest.approx(7000, abs=300)
        await bench.jet.close()
        bench.far.close()
        await serving
