"""A 9C board for tests, written from its makers' page and published sources alone: its own codec, faults on demand."""

import asyncio
import struct
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from nebctl.core.device import CommandFailed
from nebctl_drivers.board_9c.device import Board9C
from nebctl_drivers.board_9c.profile import read_board_profile
from nebctl_drivers.link import MemoryLink, memory_pair

BOOT, SELF_TEST, READY, RUN_HOT, RUN_COLD, PAUSED, DONE, FAULT, KEEP_WARM = 0, 1, 2, 4, 5, 6, 7, 8, 10
NAMES = {
    0x10: "MODE", 0x12: "TIME", 0x13: "AIR", 0x14: "MIST", 0x15: "WARM", 0x20: "START", 0x21: "PAUSE", 0x22: "RESUME",
    0x23: "STOP", 0x24: "STATUS", 0x25: "BEAT", 0x26: "CLEAR", 0x27: "CONFIG", 0x2A: "RUNTIME",
}  # fmt: skip
ERRORS = {"MODE": 1, "TIME": 3, "AIR": 4, "MIST": 5, "WARM": 14}


def crc(data: bytes) -> int:
    """Return CRC-16/MODBUS, worked out bit by bit."""
    register = 0xFFFF
    for bit in (byte >> place & 1 for byte in data for place in range(8)):
        register = (register >> 1) ^ (0xA001 if (register ^ bit) & 1 else 0)
    return register


def pack(frame_id: int, kind: int, payload: bytes) -> bytes:
    """Return a frame as the board sends it."""
    body = struct.pack("<HBH", frame_id, kind, len(payload)) + payload
    return b"\xaa\x55" + body + struct.pack("<H", crc(body)) + b"\r\n"


@dataclass
class FakeBoard:
    """The board's two tasks: one answers queries at once, the other takes commands in turn, a START for `reset_s`.

    `faults[name]` holds what befalls the next requests of that name, in order: "" nothing, "vanish" (lost on the way),
    "mute" (acted on, the answer is lost), "garble" (a bit of the answer flips), "twice" (answered twice), "doubled"
    (acted on and answered twice), an int (refused with that code), a float (the answer comes so many seconds later).
    The mist board is looked at every `poll_s`, so that its word is so old.
    """

    link: MemoryLink
    heard: list[tuple[float, str]] = field(default_factory=list)
    faults: dict[str, deque[Any]] = field(default_factory=lambda: defaultdict(deque))
    state: int = READY
    hot: bool = True
    warm: bool = False
    seconds: int = 600
    remaining: float = 600.0
    air: int = 2
    level: int = 2
    liquid: bool = True
    cover: bool = True
    fault: int = 0
    mist_fault: int = 0
    online: bool = True
    misting: bool = False
    said_misting: bool = False
    maintenance: bool = False
    heating: bool = False
    stuck_on: bool = False
    deaf: bool = False
    quiet: bool = False
    frozen: bool = False
    finished: bool = False
    reset_s: float = 1.0
    poll_s: float = 1.0
    status_bytes: int = 21
    config_bytes: int = 8
    runtime_bytes: int = 92
    started_at: float = -100.0
    beaten_at: float = 0.0
    on_s: float = 0.0
    frame_id: int = 0x7FFF
    runs_begun: int = 0

    def __post_init__(self) -> None:
        self._buffer = b""
        self._queue: asyncio.Queue[tuple[int, int, bytes]] = asyncio.Queue()
        self._sample_ms = 0
        self._latched = False

    @property
    def names(self) -> list[str]:
        """Return the commands heard, in order."""
        return [name for _, name in self.heard]

    def restart(self, *, forgets: bool = False) -> None:
        """Lose power and come up again, OFF; with `forgets` the settings are the maker's again."""
        self.state, self.started_at, self.fault, self.misting, self.said_misting = READY, now(), 0, False, False
        self.frame_id, self._latched = 0x7FFF, False
        if forgets:
            self.hot, self.seconds = True, 600
        self.remaining = self.seconds
        self._sample_ms = 0

    async def run(self) -> None:
        """Live until `finished`, and serve the wire while there is one."""
        self._sample()
        tasks = [asyncio.create_task(part()) for part in (self._obey, self._supervise, self._look_at_mist)]
        while not self.finished:
            data = await self.link.read()
            if isinstance(data, CommandFailed):
                await asyncio.sleep(0.05)
            else:
                self._buffer += data
                self._cut()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def lose_wire(self, seconds: float) -> None:
        """Cut the wire, live on without it, and have it back."""
        self.link.cut()
        await asyncio.sleep(seconds)
        self._buffer = b""
        await self.link.open()

    def send(self, kind: int, payload: bytes, frame_id: int | None = None) -> bytes:
        """Send a frame, under the next number of the board's own where none is given."""
        if frame_id is None:
            self.frame_id = 0x8000 | (self.frame_id + 1)
            frame_id = self.frame_id & 0xFFFF
        raw = pack(frame_id, kind, payload)
        self.link.write(raw)
        return raw

    def say_status(self) -> None:
        """Send a STATUS."""
        payload = struct.pack(
            "<BHHhhBBBBBBHBBBB", self.state, round(self.remaining), 420, 234, 210, self.air, self.level, self.liquid,
            self.cover, self.fault, self.online, self.mist_fault, self.said_misting, self._alive(),
            not self.hot, self.warm,
        )  # fmt: skip
        self.send(4, payload[: self.status_bytes])

    def say_config(self) -> None:
        """Send the CONFIG."""
        payload = struct.pack("<BHHBBB", not self.hot, 420, self.seconds, self.air, self.level, self.warm)
        self.send(6, payload[: self.config_bytes])

    def say_runtime(self) -> None:
        """Send a RUNTIME."""
        head = struct.pack(
            "<BIHBhhhhBBBHBBBBHBHHhhhI", self.state, round(self.remaining), self.fault, self._alive(), 234, 0, 230, 210,
            self.liquid, self.cover, 0, 1200, self.online, self.said_misting, self.level, self.level, self.mist_fault,
            self.heating, 0, 0, 0, 0, 0, self._sample_ms,
        )  # fmt: skip
        payload = head + bytes((self.maintenance, 0, 0, 0)) + bytes(45) + bytes((self.warm,))
        self.send(8, payload[: self.runtime_bytes])

    def _alive(self) -> bool:
        return now() - self.beaten_at < 3

    def _cut(self) -> None:
        while len(self._buffer) >= 7:
            size = 11 + self._buffer[5]
            if len(self._buffer) < size:
                return
            raw, self._buffer = self._buffer[:size], self._buffer[size:]
            frame_id, kind, _ = struct.unpack_from("<HBH", raw, 2)
            assert kind == 1, raw.hex()
            assert raw == pack(frame_id, 1, raw[7:-4]), raw.hex()
            assert 1 <= frame_id < 0x8000
            self._take(frame_id, raw[7], raw[8:-4])

    def _take(self, frame_id: int, command: int, data: bytes) -> None:
        name = NAMES[command]
        self.heard.append((now(), name))
        if self.deaf:
            return
        if command in {0x24, 0x25, 0x27, 0x2A}:
            self._answer(frame_id, command, data)
        else:
            self._queue.put_nowait((frame_id, command, data))

    async def _obey(self) -> None:
        while True:
            frame_id, command, data = await self._queue.get()
            if command == 0x20 and self.faults["START"] != deque(["vanish"]):
                await asyncio.sleep(self.reset_s)
            self._answer(frame_id, command, data)

    def _answer(self, frame_id: int, command: int, data: bytes) -> None:
        name = NAMES[command]
        fault = self.faults[name].popleft() if self.faults[name] else ""
        if fault == "vanish":
            return
        error = fault if isinstance(fault, int) else self._act(name, data)
        if fault == "doubled":
            error = self._act(name, data)
        payload = bytes((command, 0, error, 0)) if error else bytes((command, 1, 0, 0))
        raw = pack(frame_id, 3 if error else 2, payload)
        if fault == "garble":
            raw = raw[:8] + bytes((raw[8] ^ 1,)) + raw[9:]
        if isinstance(fault, float):
            asyncio.get_running_loop().call_later(fault, self.link.write, raw)
        elif fault != "mute":
            self.link.write(raw * 2 if fault == "twice" else raw)

    def _act(self, name: str, data: bytes) -> int:
        if name in {"STATUS", "CONFIG", "RUNTIME"}:
            {"STATUS": self.say_status, "CONFIG": self.say_config, "RUNTIME": self.say_runtime}[name]()
        elif name == "BEAT":
            self.beaten_at = now()
        elif name in ERRORS:
            return self._set(name, int.from_bytes(data, "little"))
        elif name == "START":
            return self._start()
        elif name == "STOP":
            self._rest(KEEP_WARM if self.warm else READY)
        elif name == "CLEAR":
            self.fault, self.state = 0, READY
        return 0

    def _set(self, name: str, value: int) -> int:
        if name == "WARM" and self.config_bytes == 7 and self.status_bytes == 20:
            return 0x7F
        if not (1 <= value <= 60 if name == "TIME" else value <= (1 if name in {"MODE", "WARM"} else 3)):
            return ERRORS[name]
        if name == "TIME":
            self.seconds = value * 60
        else:
            setattr(self, {"MODE": "hot", "AIR": "air", "MIST": "level", "WARM": "warm"}[name], value)
        if name == "MODE":
            self.hot = not value
        if name in {"TIME", "MODE"}:
            self.remaining = self.seconds
        return 0

    def _start(self) -> int:
        for bad, error in ((not self.cover, 0x42), (not self.online, 0x44), (self.mist_fault == 9, 0x43)):
            if bad:
                return error
        if self.state not in {READY, DONE, KEEP_WARM} or self.fault:
            return 0x40
        self.state, self.remaining, self.misting = RUN_HOT if self.hot else RUN_COLD, self.seconds, True
        self.runs_begun += 1
        return 0

    def _rest(self, state: int) -> None:
        self.state, self.maintenance = state, False
        if not self.stuck_on:
            self.misting = False

    async def _supervise(self) -> None:
        """Count down, watch the beats, the cover and the liquid every 50 ms; say STATUS every 500 ms."""
        tick = 0
        while True:
            await asyncio.sleep(0.05)
            tick += 1
            if self.frozen:
                continue
            self._sample()
            self.on_s += 0.05 * self.misting
            running = self.state in {RUN_HOT, RUN_COLD}
            if running:
                self.remaining = max(0.0, self.remaining - 0.05)
                self._guard()
            elif self.state == PAUSED and self._latched and self.cover and self.mist_fault != 9:
                self.state, self.misting, self._latched = RUN_COLD, True, False  # as the makers' firmware does
            if tick % 10 == 0 and not self.quiet:
                self.say_status()

    def _sample(self) -> None:
        self._sample_ms = round((now() - self.started_at) * 1000) % (1 << 32)

    def _guard(self) -> None:
        if self.remaining == 0:
            self._rest(DONE)
        elif not self._alive():
            self._rest(PAUSED)
        elif not self.cover or self.mist_fault == 9:
            self._latched = True
            self._rest(PAUSED)

    async def _look_at_mist(self) -> None:
        while True:
            await asyncio.sleep(self.poll_s)
            self.said_misting = self.misting


def now() -> float:
    """Return the loop's virtual time in seconds."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True)
class Bench:
    """A driver and its board, joined in memory."""

    device: Board9C
    board: FakeBoard

    async def run_for(self, seconds: float, *, beating: bool = True) -> list[Any]:
        """Poll as the runner does, 4 times a second with a beat each 400 ms, and return what was read."""
        until, beaten, read = now() + seconds, float("-inf"), []
        while now() < until:
            if beating and now() - beaten >= 0.4:
                beaten = now()
                await self.device.beat()
            read.append(await self.device.status())
            await asyncio.sleep(0.25)
        return read


@asynccontextmanager
async def join(*, opened: bool = True, liquid_byte: bool = True, **traits: Any) -> AsyncIterator[Bench]:
    """Join a driver and a board with these traits; afterwards no task of the driver may be left."""
    near, far = memory_pair()
    await far.open()
    board = FakeBoard(far, **traits)
    serving = asyncio.create_task(board.run())
    loop = asyncio.get_running_loop()
    profile = replace(read_board_profile(), liquid_byte=liquid_byte)
    device = Board9C(near, port="/x", now_ns=lambda: round(loop.time() * 1e9), profile=profile, simulated=lambda: True)
    if opened:
        identity = await device.open()
        assert not isinstance(identity, CommandFailed), identity
        board.heard.clear()
    try:
        yield Bench(device, board)
    finally:
        await device.close()
        board.finished = True
        far.close()
        await serving
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture(name="join")
def join_fixture() -> Callable[..., object]:
    """Give tests the joint; an async fixture could not check for left-over tasks."""
    return join


@pytest.fixture(name="pack")
def pack_fixture() -> Callable[[int, int, bytes], bytes]:
    """Give tests the board's own codec."""
    return pack
