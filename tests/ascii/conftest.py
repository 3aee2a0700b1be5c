"""Scripted devices at the far end of a wire in memory, in virtual time: a gas controller and a balance."""

import asyncio
import tomllib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest

from nebctl.core.device import CommandFailed
from nebctl_drivers.alicat_ascii import source as alicat
from nebctl_drivers.balance import device as balance
from nebctl_drivers.link import MemoryLink, memory_pair

THINKS_S = 0.010
ROW_S = 0.040
"""What a row of 75 bytes takes at 19200 baud."""


def profile(name: str) -> dict[str, Any]:
    """Return a device profile as it stands in its file."""
    return tomllib.loads(files("nebctl_profiles").joinpath(f"{name}.toml").read_text("utf-8"))


def loop_ns() -> int:
    """Return the loop's virtual time in ns."""
    return round(asyncio.get_running_loop().time() * 1e9)


def table(name: str) -> list[str]:
    """Return the golden rows of a table of the gas controller."""
    return next(entry["rows"] for entry in profile("alicat-ascii")["table"] if entry["request"] == name)


@dataclass
class Device:
    """What stands at the far end; `heard` are the commands, `faults` what is done to the next answers to one of them.

    A fault is "drop", "crumbs" for an answer byte by byte, a number of seconds that the answer comes late, or a
    function that makes other bytes of it. `others` are further stations on the same wire.
    """

    far: MemoryLink
    ending: bytes
    heard: list[str] = field(default_factory=list)
    faults: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    others: list["Device"] = field(default_factory=list)

    def answer(self, command: str) -> Sequence[str]:
        """Act on a command and return the lines of its answer."""
        raise NotImplementedError

    async def serve(self) -> None:
        """Answer one command after the other, as such devices do, until the wire is gone."""
        rest = b""
        while not isinstance(data := await self.far.read(), CommandFailed):
            *lines, rest = (rest + data).split(self.ending)
            for line in lines:
                command = line.decode()
                self.heard.append(command)
                await asyncio.sleep(THINKS_S)
                for device in (self, *self.others):
                    await self.say(command, device.answer(command))

    def begin(self, coroutine: Any) -> None:
        """Run something beside the answers."""
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def say(self, command: str, lines: Sequence[str]) -> None:
        """Send an answer with the fault that is armed for it."""
        fault = self.faults[command].pop(0) if lines and self.faults[command] else None
        if fault == "drop":
            return
        if isinstance(fault, float):
            await asyncio.sleep(fault)
        for number, line in enumerate(lines):
            if number:
                await asyncio.sleep(ROW_S)
            data = line.encode() + self.ending
            for piece in [data] if fault != "crumbs" else [bytes([byte]) for byte in data]:
                self.far.write(fault(piece) if callable(fault) else piece)
                await asyncio.sleep(0.0005 * (fault == "crumbs"))


@dataclass
class Controller(Device):
    """A gas controller with the golden tables; the flow follows the set-point at once while the valve is free."""

    unit: str = "A"
    set_point: Decimal = Decimal("0.00")
    most: Decimal = Decimal("500.00")
    held: bool = False
    deaf: bool = False
    stuck: bool = False
    streams: bool = False
    old_stream: bool = False
    label: str = "12 SCCM"
    source: str = "S"
    gas: str = "N2"
    codes: str = ""
    leak: Decimal = Decimal("0.00")
    firmware: str = "10v20.0-R24"
    maker: list[str] = field(default_factory=lambda: table("A??M*"))
    columns: list[str] = field(default_factory=lambda: [*table("A??D*"), ""])

    def frame(self) -> str:
        """Return the data frame of now."""
        flow = Decimal("0.00") if self.held else self.set_point
        flow += self.leak
        held = " HLD" if self.held else ""
        unit = "@" if self.streams else self.unit
        numbers = f"+014.62 +021.89 {flow:+07.2f} {flow:+07.2f} {self.set_point:+07.2f}"
        return f"{unit} {numbers} {self.gas:>6}{held}{self.codes}"

    def answer(self, command: str) -> Sequence[str]:
        """Act as the maker's manual says; another id, and all but its end while it streams, is met with silence."""
        if command == ("@@=A" if self.old_stream else "@@ A"):
            self.streams = False
            return []
        if self.streams or command[:1] != self.unit:
            return []
        return self._answer(command[1:])

    def _answer(self, command: str) -> Sequence[str]:
        if command.startswith("S "):
            if not self.deaf:
                self.set_point = min(Decimal(command[2:]), self.most)
        elif command in {"HC", "C"}:
            self.held = command == "HC" or self.stuck
        elif command == "LS":
            return [f"{self.unit} {self.set_point:+07.2f} {self.set_point:+07.2f} {self.label}"]
        elif command in {"VE", "LSS", "??M*", "??D*"}:
            said = {
                "VE": [f"{self.unit}   {self.firmware} Jan  9 2025,15:04:07"],
                "LSS": [f"{self.unit} {self.source}"],
            }
            return {**said, "??M*": self.maker, "??D*": self.columns}[command]
        elif command:
            return ["?"]
        return [self.frame()]

    async def stream(self) -> None:
        """Send frames by itself every 50 ms."""
        while self.streams:
            await asyncio.sleep(0.05)
            self.far.write(self.frame().encode() + b"\r")


@dataclass
class Scale(Device):
    """A balance of 220 g with 0.1 mg; `load` are micrograms on the pan, of which tare and zero are taken."""

    load: int = 100_000_000
    tare: int = 0
    steady: bool = True
    streams: bool = False
    state: str = ""
    serial: str = "B123456789"

    def weight(self, name: str = "S") -> str:
        """Return a weight, or the state in its place."""
        net = self.load - self.tare
        return f"{name} {self.state}" if self.state else f"{name} {'SD'[not self.steady]} {net / 1e6:10.4f} g"

    def answer(self, command: str) -> Sequence[str]:
        """Act as the maker's manual says."""
        self.streams = command == "SIR" or (self.streams and command not in {"@", "S", "SI"})
        if command == "SIR":
            self.begin(self.stream())
        if command in {"T", "Z"} and (self.state or not self.steady):
            return [f"{command} {self.state or 'I'}"]
        if command in {"T", "Z"}:
            self.tare = self.load
        texts = {"@": f'I4 A "{self.serial}"', "I2": 'I2 A "XS205DU 220.00000 g"', "I3": 'I3 A "2.10"', "Z": "Z A"}
        texts |= {"SI": self.weight(), "SIR": self.weight(), "T": self.weight("T"), "I4": texts["@"]}
        return [texts.get(command, "ES")]

    async def stream(self) -> None:
        """Send weights by itself ten times a second."""
        while self.streams:
            await asyncio.sleep(0.1)
            if self.streams:
                self.far.write(self.weight().encode() + b"\r\n")


@dataclass
class Bench:
    """A driver, its bus, and what it talks to."""

    driver: Any
    device: Any
    bus: Any


@asynccontextmanager
async def _bench(make: Callable[[MemoryLink, MemoryLink], Bench], *, opened: bool) -> AsyncIterator[Bench]:
    near, far = memory_pair()
    await far.open()
    bench = make(near, far)
    serving = asyncio.create_task(bench.device.serve())
    if opened:
        failure = await bench.driver.open()
        assert not isinstance(failure, CommandFailed), failure.sentence()
        bench.device.heard.clear()
    try:
        yield bench
    finally:
        await bench.driver.close()
        bench.device.streams = False
        far.close()
        await asyncio.wait({serving, *bench.device.tasks})
    assert asyncio.all_tasks() == {asyncio.current_task()}


def gas_bench(*, opened: bool = True, baud: int = 19_200, serial: str | None = None, **traits: Any) -> Any:
    """Join a gas source and a scripted controller."""

    def make(near: MemoryLink, far: MemoryLink) -> Bench:
        bus = alicat.make_bus(near, baud=baud, now_ns=loop_ns)
        return Bench(alicat.AlicatSource(bus, serial=serial), Controller(far, b"\r", **traits), bus)

    return _bench(make, opened=opened)


def scale_bench(*, opened: bool = True, serial: str | None = None, **traits: Any) -> Any:
    """Join a balance and a scripted scale."""

    def make(near: MemoryLink, far: MemoryLink) -> Bench:
        bus = balance.make_bus(near, baud=9600, now_ns=loop_ns)
        return Bench(balance.Balance(bus, serial=serial), Scale(far, b"\r\n", **traits), bus)

    return _bench(make, opened=opened)


@pytest.fixture(name="gas")
def gas_fixture() -> Callable[..., Any]:
    """Give tests the gas bench; an async fixture could not check for left-over tasks."""
    return gas_bench


@pytest.fixture(name="scale")
def scale_fixture() -> Callable[..., Any]:
    """Give tests the balance bench."""
    return scale_bench


@pytest.fixture(name="profile")
def profile_fixture() -> Callable[[str], dict[str, Any]]:
    """Give tests the profiles."""
    return profile
