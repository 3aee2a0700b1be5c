"""A mesh behind a cut-off, on GPIO lines or on Modbus, in virtual time: what closes the contact, and what opens it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from nebctl.core.device import Certainty, CommandFailed, DeviceReport, EndCause, Identity, Output
from nebctl_drivers.bus import Bus
from nebctl_drivers.guarded import OBEYS_S, Guarded
from nebctl_drivers.link import MemoryLink, memory_pair
from nebctl_drivers.mesh_reference.device import MeshReference
from nebctl_drivers.modbus_tcp import ModbusTcp
from nebctl_drivers.timing import NOT_OPEN, Timing
from nebctl_drivers.watchdog_relay.cutoff import CutOff
from nebctl_drivers.watchdog_relay.gpio_cutoff import GpioCutOff
from nebctl_drivers.watchdog_relay.gpio_lines import GpioPlace
from nebctl_drivers.watchdog_relay.modbus_relay import ModbusRelay
from nebctl_drivers.watchdog_relay.opening import modbus_relay
from nebctl_drivers.watchdog_relay.registers import RelayReading
from nebctl_simulators.cutoff import RELAY_UNIT
from nebctl_simulators.cutoff import Device as Relay
from nebctl_simulators.cutoff import Unit as RelayUnit
from nebctl_simulators.mesh.device import Device
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.presets import build_unit
from nebctl_simulators.simtime import ScaledTime

from .conftest import FakeLines, now

pytestmark = pytest.mark.virtual
RUN, MAX_ON_MS = "0badcafe", 60_000
PLACE = GpioPlace(chip="/dev/gpiochip0", pulse=17, clear=27, sense=22)
FOR_EVER = 1_000_000
ANSWER_S = 0.003
"""How long the relay on Modbus thinks."""


def loop_ns() -> int:
    """Return the loop's virtual time in ns."""
    return round(now() * 1e9)


@dataclass
class Table:
    """The guarded mesh with its simulator and its lines; `heard` is what the controller was told, with the time."""

    guarded: Guarded
    device: Device
    lines: FakeLines
    far: MemoryLink
    heard: list[tuple[float, str]]

    async def serve(self) -> None:
        """Give the controller what the host writes, until the wire is gone."""
        while not isinstance(data := await self.far.read(), CommandFailed):
            self.heard += [
                (now(), line.split(",")[2].split("*")[0]) for line in data.decode().splitlines() if "," in line
            ]
            self.far.write(self.device.feed(data, loop_ns()))

    def times(self, command: str) -> list[float]:
        """Return when the controller was told a command."""
        return [when for when, word in self.heard if word == command]

    async def run(self, seconds: float) -> DeviceReport:
        """Beat and read as the loop of a unit does, and return the last reading."""
        until = now() + seconds
        while True:
            await asyncio.sleep(0.25)
            await self.guarded.beat()
            report = await self.guarded.status()
            assert isinstance(report, DeviceReport), report
            if now() >= until:
                return report


async def answer(device: Relay, far: MemoryLink) -> None:
    """Give a device what the host writes, until the wire is gone; it takes its time."""
    while not isinstance(data := await far.read(), CommandFailed):
        await asyncio.sleep(ANSWER_S)
        far.write(device.feed(data, loop_ns()))


@asynccontextmanager
async def on_modbus(device: Device) -> AsyncIterator[ModbusRelay]:
    """Yield a relay on a Modbus line of its own, whose contact stands before the mesh."""
    near, far = memory_pair()
    await far.open()
    unit, time = RelayUnit(seed=1), ScaledTime(0, 1000)
    relay = Relay(unit=unit, serial="SIM-0004", sim_time=time, real_ns=loop_ns(), moved=device.supply)
    answering = asyncio.create_task(answer(relay, far))
    yield modbus_relay(Bus(near, ModbusTcp(), Timing(answer_s=0.2), now_ns=loop_ns), RELAY_UNIT)
    far.close()
    await asyncio.wait({answering})


@asynccontextmanager
async def table(*, modbus: bool = False) -> AsyncIterator[Table]:
    """Join mesh and relay, opened; the lines have nothing to do where the relay is on Modbus."""
    near, far = memory_pair()
    await far.open()
    lines = FakeLines()
    device = Device(
        unit=build_unit("mesh.solo", 1),
        serial="SIM-0003",
        sim_time=ScaledTime(0, 1000),
        memory=Memory(),
        real_ns=loop_ns(),
    )
    device.pour(3_000_000)
    mesh = MeshReference(near, port="/x", nonce=lambda: "a1b2c3d4", now_ns=loop_ns)
    async with AsyncExitStack() as stack:
        on_lines = GpioCutOff(PLACE, now_ns=loop_ns, open_at=lambda _: lines)
        cutoff: CutOff = await stack.enter_async_context(on_modbus(device)) if modbus else on_lines
        made = Table(Guarded(mesh, cutoff), device, lines, far, [])
        serving = asyncio.create_task(made.serve())
        assert isinstance(await made.guarded.open(), Identity)
        try:
            yield made
        finally:
            await made.guarded.close()
            far.close()
            await asyncio.wait({serving})
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.req("S22")
async def test_the_contact_is_closed_for_the_run_alone() -> None:
    """It is tried and closed before START goes out, held while the host beats, and opened behind the device's OFF."""
    async with table() as at:
        report = await at.guarded.start(RUN, MAX_ON_MS)
        assert isinstance(report, DeviceReport)
        assert report.output is not Output.OFF
        assert at.lines.closed
        assert at.times("START")[0] > now() - 0.5, "the trial of the one-shot comes first"
        assert (await at.run(5)).output is Output.RUNNING
        stopped = await at.guarded.stop()
        assert isinstance(stopped, DeviceReport)
        assert (stopped.output, stopped.end) == (Output.OFF, EndCause.STOP)
        assert not at.lines.closed


@pytest.mark.req("S22")
@pytest.mark.req("S26")
async def test_a_device_that_ignores_stop_is_cut_off() -> None:
    """The contact is open 400 ms after STOP, although the controller goes on, and the run's end is the cut-off's."""
    async with table() as at:
        await at.guarded.start(RUN, MAX_ON_MS)
        await at.run(5)
        at.device.inject("stuck_on", FOR_EVER, None, loop_ns())
        stopping = asyncio.create_task(at.guarded.stop())
        await asyncio.sleep(OBEYS_S - 0.05)
        assert at.lines.closed
        await asyncio.sleep(0.1)
        assert not at.lines.closed
        assert at.device.truth().output != "OFF"
        assert isinstance(await at.guarded.beat(), CommandFailed)
        stopped = await stopping
        assert isinstance(stopped, DeviceReport)
        assert (stopped.output, stopped.end) == (Output.OFF, EndCause.CUT_OFF)
        assert stopped.on_ms <= at.device.truth().on_ms - 1000, "the time without power is no on-time"
        again = await at.guarded.status()
        assert isinstance(again, DeviceReport)
        assert again.end is EndCause.CUT_OFF, "what was seen once is not forgotten with the controller's own end"
        assert await at.guarded.trip_cut_off() is None


@pytest.mark.req("S22")
async def test_a_late_answer_to_stop_is_no_disobedience() -> None:
    """A device that obeyed and was not heard for a while is cut off too, and its run ends as it did: by STOP."""
    async with table() as at:
        await at.guarded.start(RUN, MAX_ON_MS)
        await at.run(5)
        at.device.inject("drop_reply", 12, None, loop_ns())
        stopped = await at.guarded.stop()
        assert isinstance(stopped, DeviceReport)
        assert (stopped.output, stopped.end) == (Output.OFF, EndCause.STOP)


@pytest.mark.req("S20")
async def test_a_stop_in_the_trial_keeps_the_device_off() -> None:
    """STOP while the contact is tried goes to the device at once; no START follows, and the contact is open."""
    async with table() as at:
        starting = asyncio.create_task(at.guarded.start(RUN, MAX_ON_MS))
        await asyncio.sleep(0.5)
        called = now()
        stopped = await at.guarded.stop()
        assert isinstance(stopped, DeviceReport)
        assert at.times("STOP")[-1] - called < 0.02
        failed = await starting
        assert isinstance(failed, CommandFailed)
        assert failed.certainty is Certainty.NOT_DONE
        assert at.times("START") == []
        assert not at.lines.closed


@pytest.mark.req("S20")
@pytest.mark.parametrize("modbus", [False, True])
async def test_a_stop_at_any_moment_of_a_start_wins(modbus: bool) -> None:
    """Wherever in closing, reading back and starting a STOP comes, no START follows it, and all is off afterwards."""
    starts = set()
    for ms in range(60) if modbus else range(1850, 2050, 4):
        async with table(modbus=modbus) as at:
            starting = asyncio.create_task(at.guarded.start(RUN, MAX_ON_MS))
            await asyncio.sleep(ms / 1000)
            called = now()
            assert isinstance(await at.guarded.stop(), DeviceReport)
            await starting
            starts.add(len(at.times("START")))
            assert all(when <= called for when in at.times("START")), ms
            assert at.device.truth().output == "OFF"
            assert not at.lines.closed
    assert starts == {0, 1}, "the moments reach from before the START to behind it"


async def test_a_refused_start_opens_the_contact() -> None:
    """A controller without its cup refuses START; the contact that was closed for it opens again."""
    async with table() as at:
        at.device.inject("no_cup", 1, None, loop_ns())
        failed = await at.guarded.start(RUN, MAX_ON_MS)
        assert isinstance(failed, CommandFailed)
        assert failed.certainty is Certainty.NOT_DONE
        assert not at.lines.closed


@pytest.mark.req("S16")
async def test_a_start_whose_contact_cannot_be_read_afterwards_is_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device has begun; that the cut-off was not even asked then must not pass for a start that was not done."""
    async with table() as at:
        cutoff = at.guarded._cutoff
        read = cutoff.read

        async def gone() -> RelayReading | CommandFailed:
            return NOT_OPEN if at.times("START") else await read()

        monkeypatch.setattr(cutoff, "read", gone)
        failed = await at.guarded.start(RUN, MAX_ON_MS)
        assert isinstance(failed, CommandFailed)
        assert (failed.command, failed.certainty) == ("START", Certainty.UNKNOWN)
        assert at.device.truth().run == RUN


@pytest.mark.req("S22")
@pytest.mark.req("S30")
@pytest.mark.parametrize("kind", ["plain", "latching", "welded", "cut", "edge"])
async def test_what_is_no_one_shot_is_found_by_the_trip(kind: str) -> None:
    """A contact that does not open by itself, or does not close, is told in the self-test, and no start goes out."""
    async with table() as at:
        at.lines.kind = kind
        assert isinstance(await at.guarded.trip_cut_off(), CommandFailed)
        assert isinstance(await at.guarded.start(RUN, MAX_ON_MS), CommandFailed)
        assert at.times("START") == []


async def test_a_second_start_is_refused() -> None:
    """While one start is under way another is not, and it opens nothing."""
    async with table() as at:
        first = asyncio.create_task(at.guarded.start(RUN, MAX_ON_MS))
        await asyncio.sleep(0.1)
        second = await at.guarded.start("12345678", MAX_ON_MS)
        assert isinstance(second, CommandFailed)
        assert isinstance(await first, DeviceReport)
        third = await at.guarded.start("12345678", MAX_ON_MS)
        assert isinstance(third, CommandFailed)
        assert (await at.run(1)).run == RUN
        assert len(at.times("START")) == 1


@pytest.mark.req("S22")
@pytest.mark.req("S24")
async def test_what_is_declared_is_what_both_keep() -> None:
    """The host's loss is bounded by the one-shot; S24 stays the controller's, which a relay on lines does not keep."""
    async with table() as at:
        declared = at.guarded.declaration
        assert (declared.cut_off, declared.host_loss_off_ms, declared.max_on_in_device) == ("gpio-relay", 2000, True)
        assert declared.missing() == ()
