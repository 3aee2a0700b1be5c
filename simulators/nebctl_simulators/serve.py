"""Puts a simulated device on its wire and keeps it running until it is told to end."""

import asyncio
import selectors
import signal
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol, TextIO

from nebctl_simulators.mesh.memory import Memory, save_memory
from nebctl_simulators.plant import NS_PER_S
from nebctl_simulators.simtime import Lockstep, Timer
from nebctl_simulators.wire import Wire

TICK_S = 0.01  # half of the 20 ms that the wire protocol gives an answer
FURTHER = {
    "vapour_nl": "vapour_nl",
    "residual_nl": "residual_nl",
    "rate_nl_s": "rate_now_nl_s",
    "duty_ppm": "duty_ppm",
    "current_dma": "current_dma",
    "frequency_hz": "frequency_hz",
}
"""Further columns of the truth, and where a device's truth has them."""
PROGRESS_MS = 1000  # a run's on-time is put down this often while it is on


class Truth(Protocol):
    """What every device tells of what is really so, beside what its own kind adds; a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def t_ns(self) -> int:
        """Plant time in ns."""
        ...

    @property
    def emitted_nl(self) -> int:
        """What has left as aerosol, in nL of the solution as filled."""
        ...

    @property
    def cup_nl(self) -> int:
        """What is in the cup."""
        ...

    @property
    def output(self) -> str:
        """What the output does; OFF while it makes no aerosol."""
        ...


class OnWire(Protocol):
    """A simulated device as its wire sees it; every call names the real time in ns."""

    @property
    def is_plugged(self) -> bool:
        """Whether the cable was in at the last step."""
        ...

    def step(self, real_ns: int) -> bytes:
        """Let time pass and return the bytes that are due to the host."""
        ...

    def feed(self, data: bytes, real_ns: int) -> bytes:
        """Take bytes from the host and return those that are due to it."""
        ...

    def next_ns(self) -> int | None:
        """Return the real time in ns at which `step` has bytes to give; None: nothing waits."""
        ...


class Control(Protocol):
    """A way for tests and demonstrations to reach behind the wire."""

    @property
    def address(self) -> str:
        """Where it listens."""
        ...

    async def start(self) -> None:
        """Begin to listen."""
        ...

    async def stop(self) -> None:
        """End within a fraction of a second."""
        ...


class MemoryFile:
    """The file behind the controller's memory; without a path nothing outlives the process."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._saved: Memory | None = None

    def keep(self, memory: Memory) -> None:
        """Save the memory if it says something new; of a running on-time, each second counts as new."""
        if self._path is not None and _is_news(memory, self._saved):
            save_memory(self._path, memory)
            self._saved = memory


def _is_news(memory: Memory, saved: Memory | None) -> bool:
    if saved is None or memory.end != "-":
        return memory != saved
    same_run = (memory.boot, memory.run, memory.end) == (saved.boot, saved.run, saved.end)
    return not same_run or memory.on_ms - saved.on_ms >= PROGRESS_MS


class TruthLog:
    """Ground truth as CSV: a row for each change of output, pour and draw, and each second of plant time in a run.

    The last row stands at the end of the log. What a device has not is left empty. New columns come behind the others.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: Truth | None = None
        stream.write(",".join(("t_s", "emitted_nl", "cup_nl", "output", *FURTHER)) + "\n")

    def note(self, truth: Truth) -> None:
        """Write a row if there is something to say."""
        last = self._last
        if last is None or truth.output != last.output or _has_moved(truth, last):
            self._write(truth)

    def end(self, truth: Truth) -> None:
        """Write the last row, so that the file says until when the device ran; none where that is written already."""
        if self._last is None or truth.t_ns > self._last.t_ns:
            self._write(truth)

    def _write(self, truth: Truth) -> None:
        seconds, rest_ns = divmod(truth.t_ns, NS_PER_S)
        milliseconds = rest_ns // 1_000_000
        further = (str(getattr(truth, field, "")) for field in FURTHER.values())
        row = (f"{seconds}.{milliseconds:03d}", str(truth.emitted_nl), str(truth.cup_nl), truth.output, *further)
        self._stream.write(",".join(row) + "\n")
        self._stream.flush()
        self._last = truth


def _has_moved(truth: Truth, last: Truth) -> bool:
    volumes, before = (truth.emitted_nl, truth.cup_nl), (last.emitted_nl, last.cup_nl)
    # While OFF volumes change only by pouring and drawing: each is worth its row.
    return volumes != before and (truth.output == "OFF" or truth.t_ns - last.t_ns >= NS_PER_S)


class Bench:
    """One device on one wire, or a bus of them; what is due goes out at its time, on the running loop.

    `keep` puts down what the device would remember, `note` its truth; None: nothing to put down. `clock` gives the
    real time in ns that the device is told; with `lockstep` that clock's time alone counts.
    """

    def __init__(
        self,
        device: OnWire,
        wire: Wire,
        keep: Callable[[], None] | None = None,
        note: Callable[[], None] | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        lockstep: Lockstep | None = None,
    ) -> None:
        self._lockstep = lockstep
        self._device = device
        self._wire = wire
        self._keep = keep
        self._note = note
        self._clock = clock if lockstep is None else lockstep.now_ns
        self._plugged = False
        self._timer: Timer | None = None

    def tick(self) -> None:
        """Bring device, cable and files to the present."""
        self._send(self._device.step(self._clock()))
        if self._plugged and not self._device.is_plugged:
            self.unplug()
        elif not self._plugged and self._device.is_plugged:
            self.plug()

    def plug(self) -> None:
        """Put the cable in."""
        self._wire.plug(self._take)
        self._plugged = True
        self._wait()

    def unplug(self) -> None:
        """Pull the cable."""
        self._wire.unplug()
        self._plugged = False
        self._forget_timer()

    def _take(self, data: bytes) -> None:
        self._send(self._device.feed(data, self._clock()))

    def _send(self, data: bytes) -> None:
        # The memory goes to the file before the answer leaves: what a host was told survives a kill.
        if self._keep is not None:
            self._keep()
        if data and self._plugged:
            self._wire.write(data)
        if self._note is not None:
            self._note()
        self._wait()

    def _wait(self) -> None:
        self._forget_timer()
        due_ns = self._device.next_ns() if self._plugged else None
        if due_ns is not None and self._lockstep is not None:
            self._timer = self._lockstep.call_at(due_ns, partial(self._wake, due_ns))
        elif due_ns is not None:
            delay_s = max(0, due_ns - self._clock()) / NS_PER_S
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._wake, due_ns)

    def _wake(self, due_ns: int) -> None:
        self._timer = None
        # A loop may wake a hair too early: what it was woken for is due all the same.
        self._send(self._device.step(max(due_ns, self._clock())))

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def run_precisely(main: Coroutine[object, object, None]) -> None:
    """Run to the end on a loop whose timers are good to about 0.1 ms.

    The usual selector of Linux waits in whole milliseconds, rounded up: more than a frame's gap at 115200 baud.
    """
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(main)


async def serve(
    bench: Bench,
    wire: Wire,
    control: Control | None,
    announce: Callable[[str], None],
    lockstep: Lockstep | None = None,
) -> None:
    """Run the bench until SIGTERM or SIGINT; `announce` gets one line when host and control can connect.

    With `lockstep` nothing moves but by that clock.
    """
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        bench.plug()
        if control is not None:
            await control.start()
        announce(f"ready {wire.address}" + (f" control {control.address}" if control else ""))
        if lockstep is not None:
            lockstep.look(bench.tick)
            await ended.wait()
            bench.tick()
        else:
            await _tick_until(ended, bench)
    finally:
        bench.unplug()
        if control is not None:
            await control.stop()


async def _tick_until(ended: asyncio.Event, bench: Bench) -> None:
    while not ended.is_set():
        bench.tick()
        await asyncio.sleep(TICK_S)
    bench.tick()  # what happened since the last tick reaches the files
