"""Where plant time comes from: real time, a fixed scale of it, or a clock file shared by several processes."""

import struct
import sys
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
