"""A board for conformance tests: the simulated controller in memory, in virtual time, with hooks that spoil it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from nebctl.core.device import CommandFailed
from nebctl_drivers.conform.bench import Means
from nebctl_drivers.conform.examine import Choice, Report, examine
from nebctl_drivers.conform.talker import Talker
from nebctl_drivers.link import MemoryLink, memory_pair
from nebctl_simulators.mesh import device as device_module
from nebctl_simulators.mesh.controller import Controller
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.presets import build_unit
from nebctl_simulators.simtime import ScaledTime

TICK_S = 0.005
CUP_NL = 3_000_000


def now_ns() -> int:
    """Return the loop's time in nanoseconds."""
    return round(asyncio.get_running_loop().time() * 1e9)


class Board:
    """The simulated controller on the far end of a wire in memory.

    A mutant overrides `hear` (bytes from the host) or `say` (bytes to it), or names a controller, a reader of lines or
    a delay of its answers of its own. `heard` is every byte that the host sent; `ups` counts restarts.
    """

    controller: type[Controller] = Controller
    reader: Callable[[], object] | None = None
    delay_s = 0.0

    def __init__(self, link: MemoryLink) -> None:
        self.link = link
        self.heard = b""
        self.ups = 0
        self.device = self.build(Memory(boot=6))
        self.device.pour(CUP_NL)

    def build(self, memory: Memory) -> device_module.Device:
        """Return the device; its program is the mutant's own class."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(device_module, "Controller", self.controller)
            device = device_module.Device(
                unit=build_unit("mesh.solo", 1),
                serial="SIM-0001",
                sim_time=ScaledTime(now_ns()),
                memory=memory,
                real_ns=now_ns(),
            )
        if self.reader is not None:
            device._reader = self.reader()
        return device

    def hear(self, data: bytes) -> bytes:
        """Return what the controller is to hear."""
        return data

    def say(self, data: bytes) -> bytes:
        """Return what the host is to hear."""
        return data

    def restart(self, *, power: bool) -> None:
        """Restart the controller, with or without a loss of power."""
        self.ups += 1
        if power:
            self.device.switch_power(on=False, real_ns=now_ns())
            self.device.switch_power(on=True, real_ns=now_ns())
        else:
            self.device.inject("brownout", 1, None, now_ns())

    async def serve(self) -> None:
        """Answer until the host's end is closed."""
        ticking = asyncio.create_task(self._tick())
        while not isinstance(data := await self.link.read(), CommandFailed):
            self.heard += data
            self.give(self.device.feed(self.hear(data), now_ns()), self.delay_s)
        ticking.cancel()
        await asyncio.wait({ticking})

    def give(self, data: bytes, delay_s: float = 0.0) -> None:
        """Send bytes to the host, now or later."""
        data = self.say(data) if data else b""
        if data and delay_s:
            asyncio.get_running_loop().call_later(delay_s, self.link.write, data)
        elif data:
            self.link.write(data)

    async def _tick(self) -> None:
        while True:
            self.give(self.device.step(now_ns()))
            await asyncio.sleep(TICK_S)


def means_for(board: Board, *, load: str | None = "dummy", commands: bool = True) -> Means:
    """Return the means of a whole bench: the load, both restarts and a load that runs dry."""

    async def reset() -> None:
        await asyncio.sleep(0.05)
        board.restart(power=False)

    async def power() -> None:
        await asyncio.sleep(0.05)
        board.restart(power=True)

    async def dry() -> None:
        board.device.empty_cup()

    numbers = itertools.count(0xABC)
    means = Means(new_id=lambda: f"{next(numbers):08x}", load=load)
    return replace(means, power=power, reset=reset, dry=dry) if commands else means


@asynccontextmanager
async def bench_of(kind: type[Board]) -> AsyncIterator[tuple[Board, Talker]]:
    """Join a board and an open talker."""
    near, far = memory_pair()
    await far.open()
    board = kind(far)
    talker = Talker(near)
    assert await talker.open() is None
    serving = asyncio.create_task(board.serve())
    try:
        yield board, talker
    finally:
        await talker.close()
        far.close()
        await serving


Examined = Callable[..., Awaitable[tuple[Report, Board]]]


async def examine_board(
    only: str = "", *, spoil: type | None = None, load: str | None = "dummy", commands: bool = True, **parts: object
) -> tuple[Report, Board]:
    """Examine a board with every means, or with one rule alone.

    `spoil` overrides methods of the board, `parts` its class's attributes.
    """
    kind = type("Mutant", (spoil, Board) if spoil else (Board,), parts)
    choice = Choice(only=tuple(only.split()), skipped={})
    async with bench_of(kind) as (board, talker):
        means = means_for(board, load=load, commands=commands)
        return await examine(talker, means, choice, lambda rule, result: None), board


@pytest.fixture(name="examine_board")
def examine_board_fixture() -> Examined:
    """Give tests the whole examination of a board."""
    return examine_board


@pytest.fixture(name="bench_of")
def bench_of_fixture() -> Callable[..., object]:
    """Give tests a board and a talker, joined and open."""
    return lambda **parts: bench_of(type("Part", (Board,), parts))


@pytest.fixture(name="means_for")
def means_for_fixture() -> Callable[..., Means]:
    """Give tests the means of a bench."""
    return means_for
