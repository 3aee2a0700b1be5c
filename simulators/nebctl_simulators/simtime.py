"""Where time comes from: plant time from real time, a scale or a clock file; real time from the system or a host."""

import heapq
import itertools
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

MAGIC = b"NEBCLK1\n"
# Magic, then real_ref_ns (CLOCK_MONOTONIC), sim_mono_ns, sim_wall_ns, scale_milli; little-endian.
LAYOUT = struct.Struct("<8sqqqq")


class SimTime(Protocol):
    """Turns real monotonic time into plant time."""

    def at(self, real_ns: int) -> int:
        """Return the plant time in ns at this real time in ns; it never steps back."""
        ...


class ScaledTime:
    """Plant time that runs `scale_milli` thousandths as fast as real time; 1000 is real time."""

    def __init__(self, real_ns: int, scale_milli: int = 1000) -> None:
        self._start_ns = real_ns
        self._scale_milli = scale_milli

    def at(self, real_ns: int) -> int:
        """Return the plant time in ns since the start."""
        return (real_ns - self._start_ns) * self._scale_milli // 1000


class ClockFile:
    """Plant time from a clock file that another process replaces; a file that vanishes leaves the last scale in force.

    Raises: ValueError when the file cannot be read at the start or is no clock file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._latest_ns = 0
        self._reference = _read_reference(path)

    def at(self, real_ns: int) -> int:
        """Return the file's simulated monotonic time in ns."""
        self._look_again()
        real_ref_ns, sim_ref_ns, scale_milli = self._reference
        sim_ns = sim_ref_ns + (real_ns - real_ref_ns) * scale_milli // 1000
        self._latest_ns = max(self._latest_ns, sim_ns)
        return self._latest_ns

    def _look_again(self) -> None:
        try:
            status = self._path.stat()
            if (status.st_ino, status.st_mtime_ns) != self._seen:
                self._reference = _read_reference(self._path)
                self._seen = (status.st_ino, status.st_mtime_ns)
        except (OSError, ValueError) as error:
            if self._seen != (0, 0):
                sys.stderr.write(f"simulator: the clock file went bad, its last scale stays in force: {error}\n")
            self._seen = (0, 0)


def _read_reference(path: Path) -> tuple[int, int, int]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"{path}: cannot read the clock file ({error.strerror}); start what writes it first"
        ) from error
    if len(data) != LAYOUT.size or not data.startswith(MAGIC):
        raise ValueError(
            f"{path}: not a clock file, expected {LAYOUT.size} bytes that begin with {MAGIC!r}, got {len(data)}"
        )
    _, real_ref_ns, sim_mono_ns, _, scale_milli = LAYOUT.unpack(data)
    return real_ref_ns, sim_mono_ns, scale_milli


class Timer(Protocol):
    """Something that will happen."""

    def cancel(self) -> None:
        """Let it not happen."""
        ...


class Timers(Protocol):
    """Real time for what lies about a device, and what happens at a moment of it."""

    def now_ns(self) -> int:
        """Return the present real time in ns."""
        ...

    def call_at(self, at_ns: int, call: Callable[[], None]) -> Timer:
        """Let something happen."""
        ...


class _Waiting:
    """A call of the lockstep clock; None: it was cancelled."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Let it not happen."""
        self.call = None


class Lockstep:
    """Real time that stands still until it is moved: device, line and pacing see no other.

    It begins at 0. `every_ns` apart, and whenever it is touched, it calls those who look at everything.
    """

    def __init__(self, every_ns: int = 10_000_000) -> None:
        self._now_ns = 0
        self._every_ns = every_ns
        self._next_look_ns = every_ns
        self._order = itertools.count()
        self._waiting: list[tuple[int, int, _Waiting]] = []
        self._lookers: list[Callable[[], None]] = []

    def now_ns(self) -> int:
        """Return the present time in ns."""
        return self._now_ns

    def call_at(self, at_ns: int, call: Callable[[], None]) -> Timer:
        """Let something happen when time gets there; what is due already happens with the next touch or move."""
        waiting = _Waiting(call)
        heapq.heappush(self._waiting, (at_ns, next(self._order), waiting))
        return waiting

    def look(self, call: Callable[[], None]) -> None:
        """Let somebody look at everything from now on."""
        self._lookers.append(call)

    def touch(self) -> None:
        """Let all that is due at this moment happen, without moving time."""
        self._happen()
        for call in self._lookers:
            call()
        self._happen()

    def move(self, by_ns: int) -> int:
        """Let time pass, with everything in it in its order, and return the new time in ns."""
        self.touch()
        end_ns = self._now_ns + by_ns
        while self._now_ns < end_ns:
            due_ns = self._waiting[0][0] if self._waiting else end_ns
            self._now_ns = max(self._now_ns, min(due_ns, self._next_look_ns, end_ns))
            self._happen()
            if self._now_ns >= self._next_look_ns:
                self._next_look_ns += self._every_ns
                for call in self._lookers:
                    call()
        self.touch()
        return self._now_ns

    def _happen(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._now_ns:
            call = heapq.heappop(self._waiting)[2].call
            if call is not None:
                call()
