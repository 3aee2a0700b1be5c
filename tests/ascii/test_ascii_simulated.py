"""The drivers against the simulated controller and balance, which were written from the same sources by themselves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from nebctl.core.device import CommandFailed
from nebctl_drivers.alicat_ascii.source import AlicatSource
from nebctl_drivers.alicat_ascii.source import make_bus as make_gas_bus
from nebctl_drivers.balance.device import Balance, BalanceIdentity, Weight
from nebctl_drivers.balance.device import make_bus as make_balance_bus
from nebctl_drivers.gas_controller.registers import GasReading
from nebctl_drivers.link import memory_pair
from nebctl_drivers.stopping import StopSwitch
from nebctl_simulators.alicat.device import Device as Controller
from nebctl_simulators.balance.device import Device as Scale
from nebctl_simulators.balance.device import Unit as ScaleUnit
from nebctl_simulators.jet.presets import build_unit
from nebctl_simulators.simtime import ScaledTime

pytestmark = pytest.mark.virtual


LOST = ["drop_reply", "drop_byte", "dup_byte", "truncate", "garbage"]
NOISY = ["noise_before", "noise_after", "noise_idle", "echo"]
WIRE = [*LOST, *NOISY, "late", "delay", "split", "duplicate_reply"]
"""Every fault of the simulated line but a flipped bit: in a digit nobody can see that without a checksum."""


def loop_ns() -> int:
    """Return the loop's virtual time in ns."""
    return round(asyncio.get_running_loop().time() * 1e9)


@asynccontextmanager
async def joined(device: Any, make: Any) -> AsyncIterator[Any]:
    """Give what `make` builds on the near end of a wire at whose far end the device stands."""
    near, far = memory_pair()
    await far.open()

    async def hear() -> None:
        while not isinstance(data := await far.read(), CommandFailed):
            far.write(device.feed(data, loop_ns()))

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.005)
            far.write(device.step(loop_ns()))

    tasks = [asyncio.create_task(hear()), asyncio.create_task(tick())]
    driver = make(near)
    try:
        yield driver
    finally:
        await driver.close()
        far.close()
        tasks[1].cancel()
        await asyncio.wait(tasks)


def controller() -> Controller:
    """Return a controller of 20 L/min."""
    return Controller(unit=build_unit("jet.lc", 1), serial="SIM-0003", sim_time=ScaledTime(0, 1000), real_ns=0)


def gas(device: Controller) -> Any:
    """Return the gas source on the simulated controller."""
    return joined(device, lambda near: AlicatSource(make_gas_bus(near, baud=19_200, now_ns=loop_ns)))


def scale() -> Scale:
    """Return a balance with 30 g on it."""
    device = Scale(unit=ScaleUnit(), serial="SIM-0004", sim_time=ScaledTime(0, 1000), real_ns=0)
    device.put(30_000_000)
    return device


def weighing(device: Scale) -> Any:
    """Return the balance driver on the simulated balance."""
    return joined(device, lambda near: Balance(make_balance_bus(near, baud=9600, now_ns=loop_ns)))


async def test_the_controller_opens_flows_and_stops() -> None:
    """Opening, a set-point in litres, readings, and a STOP that is proven by set-point, valve and flow."""
    device = controller()
    async with gas(device) as source:
        assert await source.open() is None
        assert (source.identity.model, source.identity.setpoint_unit) == ("MC-20SLPM-D", "SLPM")
        assert await source.set_flow(6000) is None
        await asyncio.sleep(2)
        reading = await source.read()
        assert isinstance(reading, GasReading)
        assert reading.setpoint_sccm == 6000
        assert abs(reading.flow_sccm - device.truth().flow_sccm) < 200
        off = StopSwitch(lambda: (source.stop_part(),), source.parse_stop, expected="off", advice="")
        assert isinstance(await off.stop(), GasReading)
        assert (device.truth().setpoint, device.truth().hold) == (0, "closed")
        assert await source.set_flow(6000) is None
        assert device.truth().hold is None


@pytest.mark.parametrize("fault", [*WIRE, "refuse", "wrong_id", "short"])
async def test_the_controllers_faults_cost_a_repeat(fault: str) -> None:
    """Each fault of the simulated wire and of its answers leaves a right reading, or a failure and then a right one."""
    device = controller()
    async with gas(device) as source:
        assert await source.open() is None
        assert await source.set_flow(6000) is None
        device.inject(fault, 1, None, loop_ns())
        reading = await source.read()
        if isinstance(reading, CommandFailed):
            await asyncio.sleep(2)
            reading = await source.read()
        assert isinstance(reading, GasReading), reading
        assert reading.setpoint_sccm == 6000


async def test_a_simulated_stream_is_ended() -> None:
    """The simulated controller streams without any id; it is found and stopped."""
    device = controller()
    device.inject("left_streaming", 1, None, 0)
    async with gas(device) as source:
        assert await source.open() is None


async def test_a_simulated_change_of_units_is_found() -> None:
    """Litres made millilitres on the panel give a failure, never a thousandfold flow."""
    device = controller()
    async with gas(device) as source:
        assert await source.open() is None
        device.inject("other_unit", 1, None, loop_ns())
        failure = await source.read()
        assert isinstance(failure, CommandFailed)
        assert "a set-point in SCCM (12) where the table of columns had SLPM (7)" in failure.seen


async def test_a_simulated_brown_out_shows_by_the_set_point() -> None:
    """After a loss of power the set-point reads back as the profile's reset value."""
    device = controller()
    async with gas(device) as source:
        assert await source.open() is None
        assert await source.set_flow(6000) is None
        device.inject("brownout", 1, None, loop_ns())
        await asyncio.sleep(5)
        reading = await source.read()
        assert isinstance(reading, GasReading)
        assert reading.setpoint_sccm == source.reset_sccm == 0


async def test_the_balance_weighs_and_tares() -> None:
    """Weight, tare, 3 mL poured, zero: each within the balance's own scatter."""
    device = scale()
    async with weighing(device) as balance:
        identity = await balance.open()
        assert isinstance(identity, BalanceIdentity)
        assert identity.serial == "SIM-0004"
        await asyncio.sleep(3)
        weight = await balance.weigh()
        assert isinstance(weight, Weight)
        assert abs(weight.ug - 30_000_000) < 1000
        assert await balance.tare() is None
        device.pour(3_000_000)
        await asyncio.sleep(3)
        filled = await balance.weigh()
        assert isinstance(filled, Weight)
        assert abs(filled.ug - 3_000_000) < 1000


@pytest.mark.parametrize(("fault", "seen"), [("hand", "an overload"), ("no_pan", "an underload")])
async def test_a_simulated_overload_is_no_weight(fault: str, seen: str) -> None:
    """A hand on the pan and a pan taken off are failures of their own."""
    device = scale()
    async with weighing(device) as balance:
        assert isinstance(await balance.open(), BalanceIdentity)
        device.inject(fault, 1, None, loop_ns())
        await asyncio.sleep(3)
        failure = await balance.weigh()
        assert isinstance(failure, CommandFailed)
        assert failure.seen == seen


@pytest.mark.parametrize("fault", [*WIRE, "syntax_error", "transmission_error", "busy"])
async def test_the_balances_faults_cost_a_repeat(fault: str) -> None:
    """Each fault of the simulated wire and of its answers leaves a right weight; after a lost answer, once opened."""
    device = scale()
    async with weighing(device) as balance:
        assert isinstance(await balance.open(), BalanceIdentity)
        await asyncio.sleep(3)
        device.inject(fault, 1, None, loop_ns())
        if fault == "drop_reply":
            assert isinstance(await balance.weigh(), CommandFailed)
            assert isinstance(await balance.open(), BalanceIdentity)
        weight = await balance.weigh()
        assert isinstance(weight, Weight), weight
        assert abs(weight.ug - 30_000_000) < 1000


async def test_a_simulated_stream_and_a_loss_of_power() -> None:
    """A stream left on ends at the opening; a balance that restarts says so and is not believed any more."""
    device = scale()
    device.inject("left_repeating", 1, None, 0)
    async with weighing(device) as balance:
        assert isinstance(await balance.open(), BalanceIdentity)
        seen: list[Any] = []
        assert await balance.stream(seen.append) is None
        await asyncio.sleep(2)
        assert await balance.stop_stream() is None
        assert len(seen) > 5
        device.inject("brownout", 1, None, loop_ns())
        await asyncio.sleep(2)
        failure = await balance.weigh()
        assert isinstance(failure, CommandFailed)
        assert "started anew" in failure.seen


async def test_a_foreign_answer_form_is_no_weight() -> None:
    """`SI S …`, as a widespread emulator answers against the manual, is not taken for a weight."""
    device = scale()
    async with weighing(device) as balance:
        assert isinstance(await balance.open(), BalanceIdentity)
        device.inject("wrong_id", 99, None, loop_ns())
        failure = await balance.weigh(stable=False)
        assert isinstance(failure, CommandFailed)
        assert "SI S" in failure.seen
