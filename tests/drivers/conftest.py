"""A controller for tests, written from docs/wire-protocol.md alone: its own codec, and faults on demand."""

import asyncio
import itertools
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from nebctl.core.device import CommandFailed
from nebctl_drivers.link import MemoryLink, memory_pair
from nebctl_drivers.mesh_reference.device import MeshReference


def sign_line(payload: str) -> bytes:
    """Return the line of `payload`, with the CRC worked out bit by bit as the page describes it."""
    register = 0xFFFF
    for bit in (byte >> place & 1 for byte in payload.encode() for place in range(8)):
        register = (register >> 1) ^ (0xA001 if (register ^ bit) & 1 else 0)
    return f"${payload}*{register:04X}\r\n".encode()


class FakeController:
    """The page's state table without physics; the on-time follows the loop's clock.

    `faults[command]` holds what befalls its next requests, in order: "" nothing, "vanish" (the request is lost),
    "mute" (acted on, the answer is lost), "garble" (a bit of the answer flips), "twice" (answered twice), a number
    (the answer comes so many seconds later), or a payload that is sent in place of the answer.
    """

    def __init__(self, link: MemoryLink) -> None:
        self.link = link
        self.heard: list[tuple[float, str]] = []
        self.faults: dict[str, deque[str | float]] = defaultdict(deque)
        self.hello = "0.1.0,nebctl,mesh-fake,FAKE-0001,0.1.0"
        self.boot, self.state, self.run, self.end = 7, "OFF", "-", "POWER"
        self.stuck_on = False
        self.send: Callable[[bytes], object] = link.write
        self._on_ms, self._since = 0, 0.0

    @property
    def commands(self) -> list[str]:
        """Return the commands heard, in order."""
        return [payload.split(",")[2] for _, payload in self.heard]

    @property
    def on_ms(self) -> int:
        """Return the run's on-time in milliseconds."""
        running = asyncio.get_running_loop().time() - self._since if self.state != "OFF" else 0
        return self._on_ms + round(running * 1000)

    def turn_off(self, end: str) -> None:
        """Turn the output off for the reason `end`."""
        if self.state != "OFF":
            self._on_ms, self.state, self.end = self.on_ms, "OFF", end

    def restart(self) -> None:
        """Lose power and come up again."""
        self.boot, self.state, self.run, self.end, self._on_ms = self.boot + 1, "OFF", "-", "POWER", 0

    async def serve(self) -> None:
        """Answer requests until the wire is gone."""
        buffer = b""
        while not isinstance(data := await self.link.read(), CommandFailed):
            *lines, buffer = (buffer + data).split(b"\r\n")
            for line in lines:
                payload = line[1:-5].decode()
                assert line + b"\r\n" == sign_line(payload), line
                self.heard.append((asyncio.get_running_loop().time(), payload))
                self._serve_one(payload)

    def _serve_one(self, payload: str) -> None:
        _, seq, command, *args = payload.split(",")
        fault = self.faults[command].popleft() if self.faults[command] else ""
        if fault == "vanish":
            return
        line = sign_line(f"A,{seq},{command}" + self._act(command, args))
        if fault == "garble":
            line = line[:6] + bytes([line[6] ^ 1]) + line[7:]
        elif isinstance(fault, float):
            asyncio.get_running_loop().call_later(fault, self.send, line)
        elif "," in fault:
            line = sign_line(fault.format(seq=seq))
        if fault != "mute" and not isinstance(fault, float):
            self.send(line * 2 if fault == "twice" else line)

    def _act(self, command: str, args: list[str]) -> str:
        if command == "HELLO":
            self.turn_off("HOST")
            return f",{args[0]},{self.hello},{self.boot},1800000,S"
        if command == "START":
            self._on_ms = self._on_ms if self.run == args[0] else 0
            self.state, self.run, self.end, self._since = "RUN", args[0], "-", asyncio.get_running_loop().time()
            return f",{args[0]},{args[1]}"
        if command == "STOP":
            if not self.stuck_on:
                self.turn_off("STOP")
            return f",{self.state},{self.on_ms}"
        if command == "STAT":
            return f",{self.state},{self.run},{self.on_ms},{self.end},{self.boot},83.4,128250,1460,221,0,-"
        return f",{self.run},{self.on_ms},{self.end},{self.boot}" if command == "LAST" else ""


@dataclass(frozen=True)
class Bench:
    """A driver and its controller, joined in memory."""

    device: MeshReference
    controller: FakeController


@asynccontextmanager
async def join(*, opened: bool = True) -> AsyncIterator[Bench]:
    """Join a driver and a controller; afterwards no task of the driver may be left."""
    near, far = memory_pair()
    await far.open()
    controller = FakeController(far)
    serving = asyncio.create_task(controller.serve())
    nonces = (f"{number:08x}" for number in itertools.count(1))
    loop = asyncio.get_running_loop()
    device = MeshReference(near, port="/x", nonce=lambda: next(nonces), now_ns=lambda: round(loop.time() * 1e9))
    if opened:
        identity = await device.open()
        assert not isinstance(identity, CommandFailed), identity
        controller.heard.clear()
    try:
        yield Bench(device, controller)
    finally:
        await device.close()
        far.close()
        await serving
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture(name="join")
def join_fixture() -> Callable[..., object]:
    """Give tests the joint; an async fixture could not check for left-over tasks."""
    return join


@pytest.fixture(name="sign_line")
def sign_line_fixture() -> Callable[[str], bytes]:
    """Give tests the controller's own codec."""
    return sign_line
