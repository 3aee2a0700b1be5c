"""Readers, joined in memory with simulated devices: what they send, and what they never hand out."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers.balance.device import make_bus
from nebctl_drivers.link import MemoryLink, memory_pair
from nebctl_drivers.mesh_reference.frames import encode_request
from nebctl_drivers.readers.balance import BalanceReader
from nebctl_drivers.readers.mesh import MeshReader
from nebctl_drivers.readers.parts import TogetherReader
from nebctl_drivers.readers.reader import Readings, Status, Value
from nebctl_simulators.balance.device import Device as Balance
from nebctl_simulators.balance.device import Unit
from nebctl_simulators.mesh.device import Device as Mesh
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.presets import build_unit
from nebctl_simulators.simtime import ScaledTime

TICK_S = 0.01


def loop_ns() -> int:
    """Return the loop's virtual time in ns."""
    return round(asyncio.get_running_loop().time() * 1e9)


@dataclass
class Wire:
    """The host's end of a wire in memory, and all that went over it to the device."""

    near: MemoryLink
    heard: list[bytes]


@asynccontextmanager
async def wired(device: Any) -> AsyncIterator[Wire]:
    """Join a simulated device to a link."""
    near, far = memory_pair()
    await far.open()
    heard: list[bytes] = []

    async def serve() -> None:
        while not isinstance(data := await far.read(), CommandFailed):
            heard.append(data)
            if answer := device.feed(data, loop_ns()):
                far.write(answer)

    async def tick() -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if data := device.step(loop_ns()):
                far.write(data)

    tasks = [asyncio.create_task(serve()), asyncio.create_task(tick())]
    try:
        yield Wire(near, heard)
    finally:
        far.close()
        tasks[1].cancel()
        await asyncio.wait(tasks)


def mesh() -> Mesh:
    """Return a mesh controller that was just switched on."""
    return Mesh(
        unit=build_unit("mesh.solo", 1), serial="SIM-1", sim_time=ScaledTime(0, 1000), memory=Memory(boot=6), real_ns=0
    )


async def read_once(near: MemoryLink) -> Readings:
    """Read a mesh controller as one call of the command line does."""
    reader = MeshReader(near, port="/x", now_ns=loop_ns)
    who = await reader.open()
    assert who == "reference mesh controller, boot 7"
    readings = await reader.read()
    await reader.close()
    assert isinstance(readings, Readings), readings
    return readings


@pytest.mark.virtual
async def test_a_mesh_controller_is_read_by_stat_alone() -> None:
    """No HELLO goes out, which would turn the output off, and no other command."""
    async with wired(mesh()) as wire:
        readings = await read_once(wire.near)
        sent = re.findall(rb"\$C,[0-9]+,([A-Z]+)", b"".join(wire.heard))
    assert set(sent) == {b"STAT"}
    assert readings.values["state"] == Value("off")
    assert readings.values["run"] == Value(None, "1", Status.MISSING)
    assert readings.values["temperature"].unit == "degC"


@pytest.mark.virtual
@pytest.mark.parametrize("number", range(1, 6))
async def test_a_remembered_answer_is_never_read_as_a_new_one(number: int) -> None:
    """The controller answers a repeated number from its memory: whatever number was last, what is read is new."""
    device = mesh()
    async with wired(device) as wire:
        assert b",STAT,OFF," in device.feed(encode_request(number, "STAT"), loop_ns())
        device.inject("no_cup", 1, None, loop_ns())
        assert (await read_once(wire.near)).values["fault"] == Value("CUP", "1", Status.ALARM)


@pytest.mark.virtual
@pytest.mark.parametrize("lost", range(4))
async def test_a_lost_answer_at_the_opening_does_not_bring_back_an_old_one(lost: int) -> None:
    """Whichever of the first answers is lost, what is read afterwards is new."""
    device = mesh()
    async with wired(device) as wire:
        await read_once(wire.near)
        device.inject("no_cup", 1, None, loop_ns())
        for _ in range(lost):
            device.inject("drop_reply", 1, None, loop_ns())
        reader = MeshReader(wire.near, port="/x", now_ns=loop_ns)
        who = await reader.open()
        if lost < 3:
            assert not isinstance(who, CommandFailed), who
            readings = await reader.read()
            assert isinstance(readings, Readings)
            assert readings.values["fault"].value == "CUP"
        else:
            assert isinstance(who, CommandFailed)
        await reader.close()


@pytest.mark.virtual
async def test_a_silent_line_is_a_failure_and_leaves_the_wire() -> None:
    """Nobody there: the opening fails in a sentence, and the reader has left."""
    near, far = memory_pair()
    await far.open()
    reader = MeshReader(near, port="/x", now_ns=loop_ns)
    failure = await reader.open()
    assert isinstance(failure, CommandFailed)
    assert "no answer" in failure.seen
    assert reader.loss is not None
    assert isinstance(await reader.read(), CommandFailed)


def balance() -> Balance:
    """Return a balance of 220 g whose pan bears 25 g."""
    device = Balance(unit=Unit(seed=1), serial="SIM-0005", sim_time=ScaledTime(0, 1000), real_ns=0)
    device.put(25_000_000)
    return device


@asynccontextmanager
async def weighing(device: Balance, serial: str | None = None) -> AsyncIterator[tuple[BalanceReader, Wire]]:
    """Give a reader of a balance."""
    async with wired(device) as wire:
        reader = BalanceReader(make_bus(wire.near, baud=None, now_ns=loop_ns), serial=serial)
        yield reader, wire
        await reader.close()


@pytest.mark.virtual
async def test_a_balance_is_asked_and_never_reset() -> None:
    """Only I4, I2 and SI go out: a reset would take the tare away, so a tare of somebody's stays."""
    device = balance()
    device.feed(b"Z\r\n", loop_ns())
    async with weighing(device) as (reader, wire):
        await asyncio.sleep(5)
        wire.heard.clear()
        before = device.truth()
        assert await reader.open() == "balance SIM-BALANCE 220.0000 g, serial SIM-0005"
        readings = await reader.read()
        assert set(b"".join(wire.heard).split()) == {b"I4", b"I2", b"SI"}
    assert isinstance(readings, Readings)
    assert readings.values["weight"] == Value(before.net_ug / 1000, "mg")
    assert readings.values["stable"] == Value(value=True)
    after = device.truth()
    assert (after.tare_ug, after.zero_ug) == (before.tare_ug, before.zero_ug)


@pytest.mark.virtual
async def test_an_overload_is_never_a_number() -> None:
    """More than the balance can weigh is out of range, without a value."""
    device = balance()
    device.put(300_000_000)
    async with weighing(device) as (reader, _):
        await asyncio.sleep(5)
        await reader.open()
        readings = await reader.read()
    assert isinstance(readings, Readings)
    assert readings.values["weight"] == Value(None, "mg", Status.OUT_OF_RANGE)
    assert readings.values["state"] == Value("overload", "1", Status.ALARM)


@pytest.mark.virtual
async def test_another_balance_is_refused() -> None:
    """Where a profile names a serial number, a balance with another one is not read."""
    async with weighing(balance(), serial="B123") as (reader, _):
        failure = await reader.open()
    assert isinstance(failure, CommandFailed)
    assert (failure.seen, failure.expected) == ("the serial number SIM-0005", "B123")


@dataclass
class _Fixed:
    """A reader that always says the same."""

    answer: Readings | CommandFailed
    who: str | CommandFailed = "fixed"
    closed: int = 0
    loss: CommandFailed | None = None

    async def open(self) -> str | CommandFailed:
        return self.who

    async def read(self) -> Readings | CommandFailed:
        return self.answer

    async def close(self) -> None:
        self.closed += 1


@pytest.mark.virtual
async def test_parts_are_one_device_with_prefixed_names() -> None:
    """Several readers together give one reading, as old as its oldest part; a part that fails fails it."""
    parts = {"a": _Fixed(Readings({"x": Value(1)}, 20)), "b": _Fixed(Readings({"x": Value(2, "mg")}, 10))}
    together = TogetherReader(parts)
    assert await together.open() == "a: fixed; b: fixed"
    assert await together.read() == Readings({"a.x": Value(1), "b.x": Value(2, "mg")}, 10)
    failure = CommandFailed(command="x", certainty=Certainty.UNKNOWN, seen="x", expected="y", advice="z")
    parts["b"].answer = failure
    assert await together.read() == failure
    parts["b"].who = failure
    assert await together.open() == failure
    assert (parts["a"].closed, parts["b"].closed) == (1, 1)
