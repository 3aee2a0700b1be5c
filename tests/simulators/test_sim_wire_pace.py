"""The time that bytes take on a paced wire: as arithmetic, in virtual time, and loosely on a real terminal."""

import asyncio
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nebctl_simulators.line.bus import Bus, collide
from nebctl_simulators.line.pace import PACKET, Lane, Pace, PacedWire
from nebctl_simulators.mesh.codec import encode_line
from nebctl_simulators.serve import Bench
from nebctl_simulators.shim import LineFault, Shim
from nebctl_simulators.wire import MemoryWire

MS = 1_000_000
SECOND = 1_000_000_000
FAST = Pace(baud=115_200)


def arrivals(lane: Lane) -> list[tuple[int, bytes]]:
    """Take everything off a lane, each part at the time that it names."""
    taken = []
    while (due_ns := lane.next_ns()) is not None:
        assert lane.due(due_ns - 1) == b""
        taken.append((due_ns, lane.due(due_ns)))
    return taken


def test_a_frame_takes_ten_bits_a_byte() -> None:
    """256 bytes at 9600 baud end after 2560/9600 s, and none is lost or out of order."""
    lane = Lane(Pace(baud=9600))
    lane.push(bytes(range(256)), 0)
    parts = arrivals(lane)
    assert b"".join(data for _, data in parts) == bytes(range(256))
    assert parts[-1][0] == 2560 * SECOND // 9600
    assert len(parts) == 256  # at 9600 a byte takes longer than a grain


def test_bytes_come_in_grains_and_the_last_at_its_time() -> None:
    """At 115200 eleven bytes come together, a byte is never earlier than on the wire, and a frame ends exactly."""
    lane = Lane(FAST)
    lane.push(bytes(29), 5 * MS)
    assert [(due_ns - 5 * MS, len(data)) for due_ns, data in arrivals(lane)] == [
        (11 * 10 * SECOND // 115_200, 11),
        (22 * 10 * SECOND // 115_200, 11),
        (29 * 10 * SECOND // 115_200, 7),
    ]


def test_a_busy_wire_makes_the_next_frame_wait() -> None:
    """What is pushed while bytes are on the wire begins when they have ended."""
    lane = Lane(FAST)
    lane.push(bytes(12), 0)
    lane.push(bytes(12), MS // 2)
    assert arrivals(lane)[-1][0] == pytest.approx(24 * 10 * SECOND / 115_200, abs=2)


def test_eleven_bits_with_parity() -> None:
    """With a parity bit a byte takes eleven bits."""
    assert Pace(baud=19_200, char_bits=11).wire_ns(100) == 1100 * SECOND // 19_200


def test_an_adapter_gathers_bytes() -> None:
    """A short answer comes in one piece, 16 ms after its first byte; a long one as soon as a packet is full."""
    lane = Lane(Pace(baud=115_200, latency_ns=16 * MS))
    lane.push(bytes(21), 0)
    assert arrivals(lane) == [(FAST.wire_ns(1) + 16 * MS, bytes(21))]
    lane.push(bytes(100), 100 * MS)
    assert [(due_ns - 100 * MS, len(data)) for due_ns, data in arrivals(lane)] == [
        (FAST.wire_ns(PACKET), PACKET),
        (FAST.wire_ns(PACKET + 1) + 16 * MS, 100 - PACKET),
    ]


def test_a_full_packet_goes_up_without_a_baud_rate_too() -> None:
    """Behind a wire that takes no time, 62 bytes go up at once and the rest after the latency."""
    lane = Lane(Pace(latency_ns=16 * MS))
    lane.push(bytes(100), 0)
    assert [(due_ns, len(data)) for due_ns, data in arrivals(lane)] == [(0, PACKET), (16 * MS, 100 - PACKET)]


def test_without_a_pace_bytes_take_no_time() -> None:
    """Neither baud rate nor latency: everything is there at once."""
    lane = Lane(Pace())
    lane.push(b"abc", 7)
    assert arrivals(lane) == [(7, b"abc")]


class Parrot:
    """A device that answers each byte string with itself, through a shim."""

    is_plugged = True

    def __init__(self) -> None:
        self.shim = Shim(1)

    def step(self, real_ns: int) -> bytes:
        """Return what is due."""
        return self.shim.due(real_ns)

    def feed(self, data: bytes, real_ns: int) -> bytes:
        """Answer."""
        self.shim.answer(data, real_ns)
        return self.shim.due(real_ns)

    def next_ns(self) -> int | None:
        """Return when something is due."""
        return self.shim.next_ns()


def loop_ns() -> int:
    """Return the loop's virtual time in ns."""
    return round(asyncio.get_running_loop().time() * SECOND)


async def hear(pace: Pace, fault: LineFault | None = None, ms: int = 0) -> list[tuple[int, bytes]]:
    """Send 11 bytes at time 0 to a parrot on a paced wire, and return when what comes back has come."""
    heard: list[tuple[int, bytes]] = []
    wire = MemoryWire(lambda data: heard.append((loop_ns(), data)))
    parrot = Parrot()
    if fault is not None:
        parrot.shim.arm(fault, 1, ms)
    bench = Bench(parrot, PacedWire(wire, pace), clock=loop_ns)
    bench.plug()
    wire.receive(b"hello world")
    await asyncio.sleep(1)
    bench.unplug()
    wire.receive(b"nobody hears this")
    await asyncio.sleep(1)
    return heard


@pytest.mark.virtual
async def test_both_ways_take_their_time() -> None:
    """Eleven bytes there and eleven back at 115200 take twice their wire time, to a microsecond."""
    [(at_ns, data)] = await hear(FAST)
    assert data == b"hello world"
    assert at_ns == pytest.approx(2 * FAST.wire_ns(11), abs=1000)


@pytest.mark.virtual
async def test_latency_counts_each_way() -> None:
    """With 16 ms in the adapter and no baud rate an exchange takes 32 ms."""
    [(at_ns, _)] = await hear(Pace(latency_ns=16 * MS))
    assert at_ns == pytest.approx(32 * MS, abs=1000)


@pytest.mark.virtual
async def test_faults_keep_their_times_on_the_bench() -> None:
    """A late answer comes at its very time and not at the next look 10 ms later; so does a split one's second half."""
    [(at_ns, _)] = await hear(Pace(), LineFault.LATE, 33)
    assert at_ns == pytest.approx(33 * MS, abs=1000)
    halves = await hear(FAST, LineFault.SPLIT, 30)
    assert b"".join(data for _, data in halves) == b"hello world"
    assert halves[-1][0] - halves[0][0] == pytest.approx(30 * MS, abs=MS)


@pytest.mark.virtual
async def test_a_pulled_cable_loses_what_is_on_the_way() -> None:
    """Bytes that have not arrived when the cable is pulled never do, and no timer is left."""
    heard: list[bytes] = []
    wire = MemoryWire(heard.append)
    bench = Bench(Parrot(), PacedWire(wire, Pace(baud=300)), clock=loop_ns)
    bench.plug()
    wire.receive(b"hello world")
    await asyncio.sleep(0.04)  # the first byte has been heard, and answered
    bench.unplug()
    await asyncio.sleep(5)
    assert heard == []


@pytest.mark.virtual
async def test_a_bus_of_several_dialects() -> None:
    """Two devices behind one wire both hear the host; answers at the same moment collide, one alone is whole."""
    heard: list[bytes] = []
    wire = MemoryWire(heard.append)
    one, other = Parrot(), Parrot()
    bus = Bus([one, other])
    bench = Bench(bus, wire, clock=loop_ns)
    bench.plug()
    other.shim.arm(LineFault.LATE, 1, 40)
    wire.receive(b"\xf0\x0f")
    assert heard == [b"\xf0\x0f"]
    assert bus.next_ns() == 40 * MS
    await asyncio.sleep(0.1)
    assert heard == [b"\xf0\x0f"] * 2
    other.shim.arm(LineFault.BAD_CRC, 1, 0)
    wire.receive(b"abcdef")
    assert heard[-1] == collide([b"abcdef", b"abc0ef"]) != b"abcdef"


def test_a_collision_is_the_common_ones() -> None:
    """A bit is 1 only where all who talk send a 1; a longer answer's end is heard; silence hurts nobody."""
    assert collide([b"\x0c\xff\x55", b"\x0a\x0f"]) == b"\x08\x0f\x55"
    assert collide([b"", b"\x0a"]) == b"\x0a"
    assert collide([]) == b""


def test_pacing_on_a_real_terminal(tmp_path: Path) -> None:
    """At 9600 baud an exchange of some 90 bytes takes its 90 ms and not much longer; unpaced it takes a few."""
    took = {}
    for options in ((), ("--baud", "9600")):
        path = tmp_path / f"line{len(options)}"
        command = [sys.executable, "-m", "nebctl_simulators", "mesh", "--pty", str(path), *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            try:
                assert process.stdout is not None
                process.stdout.readline()
                took[bool(options)] = exchange(path)
            finally:
                process.kill()
    [(fast, few), (slow, many)] = took[False], took[True]
    assert few == many
    wire_s = many * 10 / 9600
    assert wire_s * 0.95 <= slow <= wire_s + 0.3
    assert fast < wire_s


def exchange(path: Path) -> tuple[float, int]:
    """Ask for the status and return how long that took, and how many bytes went both ways."""
    request = encode_line("C,1,STAT")
    line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        while select.select([line], [], [], 0.2)[0]:
            os.read(line, 4096)  # the event of the start
        began, answer = time.monotonic(), b""
        os.write(line, request)
        while not answer.endswith(b"\r\n"):
            assert select.select([line], [], [], 5)[0]
            answer += os.read(line, 4096)
        return time.monotonic() - began, len(request) + len(answer)
    finally:
        os.close(line)
