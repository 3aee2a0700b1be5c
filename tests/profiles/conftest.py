"""A Modbus nebulizer for tests, written from docs/devices/modbus-nebulizer.md: its own codec, faults on demand."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources

import pytest

from nebctl.core.device import CommandFailed
from nebctl_drivers.bus import Bus
from nebctl_drivers.link import MemoryLink, memory_pair
from nebctl_drivers.modbus import Outcome, Request
from nebctl_drivers.modbus_nebulizer.assembly import modbus_nebulizer, profile_reader
from nebctl_drivers.modbus_nebulizer.device import ModbusNebulizer
from nebctl_drivers.modbus_nebulizer.reader import ProfileReader
from nebctl_drivers.modbus_rtu import ModbusRtu, rtu_timing
from nebctl_drivers.profiles import Profile, load_profile

UNIT = 40
STATE, DRIVE, COMMAND, OUTPUT, LEVEL, BEAT = 100, 120, 0, 4, 3, 5
OFF, RUN = 0, 2
POWER_UP, STOPPED, DRIED = 1, 3, 4
WORDS = {0: 0x4E42, 1: 1, 2: 102, 3: 0x5349, 4: 0x4D2D, 5: 0x3030, 6: 0x3034, 120: 834, 121: 12825, 122: 1460, 123: 221}


def example() -> str:
    """Return the text of the example profile."""
    return resources.files("nebctl_profiles").joinpath("modbus-nebulizer.toml").read_text("utf-8")


def without_counter() -> str:
    """Return the example for a device without boot counter, run, on-time and end: the host must know them itself."""
    lines = ('boot = "boot"', 'run = "run"', 'on_time = "on_time"')
    text = "\n".join(line for line in example().split("\n") if line not in lines)
    start = text.index("[nebulizer.end]")
    return text[:start] + text[text.index("[nebulizer.quantities]") :]


def loaded(text: str) -> Profile:
    """Return a profile that must be good."""
    profile = load_profile(text, "made.toml")
    assert isinstance(profile, Profile), profile
    return profile


def sign(body: bytes) -> bytes:
    """Return a frame with its CRC, worked out bit by bit."""
    register = 0xFFFF
    for byte in body:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ 0xA001 if register & 1 else register >> 1
    return body + register.to_bytes(2, "little")


@dataclass
class FakeUnit:
    """The device of the page, without physics; its on-time follows the loop's clock.

    `plan[function, address]` holds what befalls the next requests there, in order: "" nothing, "vanish" (lost),
    "mute" (acted on, the answer lost), "ignore" (acknowledged, not acted on), "deny" (exception 4), or a number: the
    answer comes so many seconds later. `always` is the same for every one. `heard` has time, function, address, value.
    """

    link: MemoryLink
    words: dict[int, int] = field(default_factory=lambda: dict(WORDS))
    holding: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    plan: dict[tuple[int, int], deque[str | float]] = field(default_factory=lambda: defaultdict(deque))
    always: dict[tuple[int, int], str | float] = field(default_factory=dict)
    heard: list[tuple[float, int, int, int]] = field(default_factory=list)
    boot: int = 7
    state: int = OFF
    end: int = POWER_UP
    flags: int = 0
    stuck_on: bool = False
    run: int = 0
    on_s: float = 0.0
    since: float = 0.0
    stirred: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def writes(self) -> list[tuple[int, int]]:
        """Return address and last word of every write heard."""
        return [(address, value) for _, function, address, value in self.heard if function == 16]

    async def hear_writes(self, count: int) -> None:
        """Wait until so many writes have been heard."""
        while len(self.writes) < count:
            self.stirred.clear()
            await self.stirred.wait()

    def restart(self) -> None:
        """Lose power and come up again."""
        self.boot, self.state, self.end, self.run, self.on_s = self.boot + 1, OFF, POWER_UP, 0, 0.0
        self.holding.clear()

    def turn_off(self, end: int) -> None:
        """Go off for the reason `end`."""
        if self.state == RUN:
            self.on_s, self.state, self.end = self.on_now(), OFF, end

    def on_now(self) -> float:
        """Return the run's on-time in seconds."""
        return self.on_s + (asyncio.get_running_loop().time() - self.since if self.state == RUN else 0.0)

    async def serve(self) -> None:
        """Answer until the wire is gone."""
        data = b""
        while not isinstance(more := await self.link.read(), CommandFailed):
            data += more
            while len(data) >= 8:
                length = 9 + data[6] if data[1] == 16 else 8
                frame, data = data[:length], data[length:]
                assert frame == sign(frame[:-2]), frame.hex()
                self._answer(frame)

    def _answer(self, frame: bytes) -> None:
        function, address = frame[1], int.from_bytes(frame[2:4])
        loop = asyncio.get_running_loop()
        self.heard.append((loop.time(), function, address, int.from_bytes(frame[-4:-2])))
        self.stirred.set()
        planned = self.plan[function, address]
        fault = planned.popleft() if planned else self.always.get((function, address), "")
        if frame[0] != UNIT or fault == "vanish":
            return
        answer = sign(bytes([UNIT, function | 0x80, 4])) if fault == "deny" else sign(self._act(frame, fault))
        if isinstance(fault, float):
            loop.call_later(fault, self.link.write, answer)
        elif fault != "mute":
            self.link.write(answer)

    def _act(self, frame: bytes, fault: str | float) -> bytes:
        function, address, count = frame[1], int.from_bytes(frame[2:4]), int.from_bytes(frame[4:6])
        if function in {3, 4}:
            read = self._input if function == 4 else lambda at: self.holding[at]
            return (
                frame[:2]
                + bytes([2 * count])
                + b"".join(read(at).to_bytes(2) for at in range(address, address + count))
            )
        for at in range(count if fault != "ignore" else 0):
            self.holding[address + at] = int.from_bytes(frame[7 + 2 * at : 9 + 2 * at])
        if address == OUTPUT and fault != "ignore":
            self._switch(self.holding[OUTPUT] == 1)
        return frame[:6]

    def _switch(self, on: bool) -> None:
        if not on and not self.stuck_on:
            self.turn_off(STOPPED)
        elif on and self.state == OFF:
            asked = self.holding[0] << 16 | self.holding[1]
            self.on_s = self.on_s if asked == self.run else 0.0
            self.state, self.end, self.run, self.since = RUN, 0, asked, asyncio.get_running_loop().time()

    def _input(self, address: int) -> int:
        on_ms = round(self.on_now() * 1000)
        state = (
            self.state,
            self.end,
            self.flags,
            on_ms >> 16,
            on_ms & 0xFFFF,
            self.run >> 16,
            self.run & 0xFFFF,
            self.boot,
        )
        return state[address - STATE] if STATE <= address < STATE + 8 else self.words.get(address, 0)


def loop_ns() -> int:
    """Return the loop's virtual time in ns."""
    return round(asyncio.get_running_loop().time() * 1e9)


@dataclass
class Bench:
    """A driver and a reader of one fake unit, joined in memory."""

    device: ModbusNebulizer
    reader: ProfileReader
    unit: FakeUnit
    near: MemoryLink


@asynccontextmanager
async def join(text: str | None = None, *, opened: bool = True) -> AsyncIterator[Bench]:
    """Join a driver and a unit by a profile, the example where none is given; afterwards no task may be left."""
    near, far = memory_pair()
    await far.open()
    unit = FakeUnit(far)
    serving = asyncio.create_task(unit.serve())
    profile = loaded(example() if text is None else text)
    bus: Bus[Request, Outcome] = Bus(near, ModbusRtu(), rtu_timing(baud=19_200, answer_s=0.1), now_ns=loop_ns)
    device = modbus_nebulizer(bus, profile, unit=UNIT, port="/x", now_ns=loop_ns)
    reader = profile_reader(bus, profile, unit=UNIT, port="/x", now_ns=loop_ns)
    if opened:
        identity = await device.open()
        assert not isinstance(identity, CommandFailed), identity
        unit.heard.clear()
    try:
        yield Bench(device, reader, unit, near)
    finally:
        await device.close()
        await reader.close()
        far.close()
        await serving
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture(name="join")
def join_fixture() -> Callable[..., object]:
    """Give tests the joint; an async fixture could not check for left-over tasks."""
    return join


@pytest.fixture(name="example")
def example_fixture() -> str:
    """Give tests the text of the example profile."""
    return example()


@pytest.fixture(name="without_counter")
def without_counter_fixture() -> str:
    """Give tests the example without boot counter, run, on-time and end."""
    return without_counter()
