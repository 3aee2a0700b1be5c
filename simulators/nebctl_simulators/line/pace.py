"""The time that bytes take: a wire's baud rate and an adapter's buffer, each way.

A lane is arithmetic alone; `PacedWire` puts two of them about a wire of the event loop. The loop's timers set the
accuracy: a late timer delays the bytes that it carries and never the ones behind them, which keep their own times.
Measured on two virtual cores, for the last of 21 bytes at 115200 baud: with `early_ns` = 0.25 ms on a loop with a
`select` selector (`serve.run_precisely`, what the commands do) 0.01 ms late at the median and 0.05 ms at p99; without
`early_ns` 0.18 and 0.34 ms; on the usual loop with `epoll`, which waits in whole milliseconds, 0.6 and 1.1 ms. A
device's own computing, 0.1 to 0.3 ms an answer, comes on top, as in a real one.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from nebctl_simulators.simtime import Timer, Timers
from nebctl_simulators.wire import OnBytes, Wire

NS_PER_S = 1_000_000_000
PACKET = 62
"""Bytes that an adapter sends up at once, however long it would like to wait.

Source: full-speed FTDI adapters: USB packets of 64 bytes that begin with two bytes of status (Linux, ftdi_sio.h).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a wire is: bits a second (None: no time at all), bits a character with start, parity and stop.

    `latency_ns` is for how long an adapter gathers bytes before it hands them on, 0 for none. Without one, bytes come
    in grains of `grain_ns`, as from a serial chip's own buffer, the last of a frame at its exact time.

    A real loop wakes late: with `early_ns` it is woken so much before the time and watches the clock for the rest.
    Leave it at 0 where time is virtual and stands still while somebody watches.
    """

    baud: int | None = None
    char_bits: int = 10
    latency_ns: int = 0
    grain_ns: int = 1_000_000
    early_ns: int = 0

    def wire_ns(self, count: int) -> int:
        """Return how long so many bytes take on the wire."""
        return count * self.char_bits * NS_PER_S // self.baud if self.baud else 0


@dataclass(slots=True)
class _Packet:
    due_ns: int
    data: bytearray


class Lane:
    """One direction of a wire: what is pushed comes out when it would have arrived."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._free_ns = 0
        self._packets: deque[_Packet] = deque()

    def push(self, data: bytes, now_ns: int) -> None:
        """Put bytes on the wire, behind what is on it."""
        start_ns = max(now_ns, self._free_ns)
        self._free_ns = start_ns + self._pace.wire_ns(len(data))
        if self._pace.latency_ns:
            self._gather(data, start_ns)
        else:
            self._cut(data, start_ns)

    def due(self, now_ns: int) -> bytes:
        """Return what has arrived by now, and forget it."""
        ready = bytearray()
        while self._packets and self._packets[0].due_ns <= now_ns:
            ready += self._packets.popleft().data
        return bytes(ready)

    def next_ns(self) -> int | None:
        """Return when something arrives next; None: nothing is on the way."""
        return self._packets[0].due_ns if self._packets else None

    def discard(self) -> None:
        """Lose what is on the way."""
        self._packets.clear()
        self._free_ns = 0

    def _cut(self, data: bytes, start_ns: int) -> None:
        grain = max(1, self._pace.grain_ns // max(1, self._pace.wire_ns(1))) if self._pace.baud else len(data)
        for place in range(0, len(data), max(1, grain)):
            part = data[place : place + grain]
            self._packets.append(_Packet(start_ns + self._pace.wire_ns(place + len(part)), bytearray(part)))

    def _gather(self, data: bytes, start_ns: int) -> None:
        for place in range(len(data)):
            arrived_ns = start_ns + self._pace.wire_ns(place + 1)
            packet = self._packets[-1] if self._packets else None
            if packet is None or packet.due_ns < arrived_ns or len(packet.data) == PACKET:
                packet = _Packet(arrived_ns + self._pace.latency_ns, bytearray())
                self._packets.append(packet)
            packet.data.append(data[place])
            if len(packet.data) == PACKET:
                packet.due_ns = arrived_ns


class PacedWire:
    """A wire on which bytes take their time, each way on its own; pulling it loses what is on the way.

    `timers` give the time; None: the running loop does.
    """

    def __init__(self, wire: Wire, pace: Pace, timers: Timers | None = None) -> None:
        self._wire = wire
        self._timers = timers or _LoopTimers()
        self._up = _Belt(Lane(pace), wire.write, pace.early_ns, self._timers)
        self._down: _Belt | None = None
        self._pace = pace

    @property
    def address(self) -> str:
        """The wire's own address."""
        return self._wire.address

    def plug(self, on_bytes: OnBytes) -> None:
        """Make the line reachable."""
        self._down = _Belt(Lane(self._pace), on_bytes, self._pace.early_ns, self._timers)
        self._wire.plug(self._down.push)

    def unplug(self) -> None:
        """Take the line away."""
        self._wire.unplug()
        self._up.stop()
        if self._down is not None:
            self._down.stop()

    def write(self, data: bytes) -> None:
        """Send bytes to the host; they arrive later."""
        self._up.push(data)


class _LoopTimers:
    """The running loop's time."""

    def now_ns(self) -> int:
        return round(asyncio.get_running_loop().time() * NS_PER_S)

    def call_at(self, at_ns: int, call: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_at(at_ns / NS_PER_S, call)


class _Belt:
    """A lane that delivers by itself."""

    def __init__(self, lane: Lane, deliver: Callable[[bytes], None], early_ns: int, timers: Timers) -> None:
        self._lane = lane
        self._early_ns = early_ns
        self._deliver = deliver
        self._timers = timers
        self._timer: Timer | None = None

    def push(self, data: bytes) -> None:
        """Take bytes and deliver them in time."""
        self._lane.push(data, self._timers.now_ns())
        if self._timer is None:
            self._arm()

    def stop(self) -> None:
        """Lose what is on the way."""
        self._lane.discard()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        due_ns = self._lane.next_ns()
        if due_ns is not None:
            self._timer = self._timers.call_at(due_ns - self._early_ns, partial(self._fire, due_ns))

    def _fire(self, due_ns: int) -> None:
        self._timer = None
        while self._early_ns and self._timers.now_ns() < due_ns:
            pass
        # A loop may wake a hair too early: what it was woken for is due all the same.
        data = self._lane.due(max(due_ns, self._timers.now_ns()))
        self._arm()
        self._deliver(data)
