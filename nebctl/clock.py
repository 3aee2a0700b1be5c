"""Where time comes from: the system's clock with the kernel's own bound, or a shared clock of simulated time."""

import ctypes
import struct
import time
from pathlib import Path

from nebctl.core.instant import ClockState, Instant

TRUSTED_US = 60_000_000
"""The clock is trusted while its error is bounded below 60 s (S32)."""
NTP = 532_226
NO_SOURCE = 532_224
"""MDC_TIME_SYNC_PROTOCOL numbers. Source: ISO/IEEE 11073, as used by the HL7 Personal Health Device guide."""
UNSYNCHRONISED_US = 16_000_000
"""The kernel reports this bound, or more, for a clock that nothing synchronises. Source: Linux NTP_PHASE_LIMIT."""
APART_NS = 1_000_000
READ_AGAIN = 5
"""Both clocks are read within 1 ms, or again, at most five times: time held up between them would look like a step."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIMEX_BYTES = 208  # struct timex on 64-bit Linux; maxerror is its fourth 64-bit word
_MAXERROR_AT = 24


def boot_id() -> str:
    """Return the name of this boot."""
    return _BOOT_ID.read_text("ascii").strip()


def trusted(state: ClockState) -> bool:
    """Return whether a study day may be told by a clock in this state."""
    return state.sync and (state.max_error_us is None or state.max_error_us < TRUSTED_US)


class SystemClock:
    """The system's clock: boot-time for durations, Unix time for labels, and the kernel's bound on its error."""

    def __init__(self) -> None:
        self._boot = boot_id()
        self._libc = ctypes.CDLL(None, use_errno=True)

    def instant(self) -> Instant:
        """Return the present moment."""
        mono_ns, wall_ns = _both()
        return Instant(mono_ns=mono_ns, wall_ns=wall_ns, boot=self._boot, clock=self._state())

    def _state(self) -> ClockState:
        timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: read only
        if self._libc.adjtimex(timex) < 0:
            return ClockState(sync=False, source=NO_SOURCE)
        (max_error_us,) = struct.unpack_from("<q", timex, _MAXERROR_AT)
        sync = max_error_us < UNSYNCHRONISED_US
        return ClockState(sync=sync, source=NTP if sync else NO_SOURCE, max_error_us=max_error_us)


def _both() -> tuple[int, int]:
    """Return the boot's time and Unix time of one moment; a process that is held up between the two reads again."""
    for _ in range(READ_AGAIN):
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        wall_ns = time.time_ns()
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if after - before < APART_NS:
            break
    return (before + after) // 2, wall_ns


class ClockFileFault(Exception):  # noqa: N818 - a fault is of the world, not of the program
    """A shared clock that cannot be read."""


class FileClock:
    """Simulated time, shared by every process of a demonstration through one small file.

    The file names a pair of moments, real and simulated, and how fast the simulated one runs; whoever steers the
    demonstration replaces it whole. Simulated time never steps back.
    """

    MAGIC = b"NEBCLK1\n"
    LAYOUT = struct.Struct("<8sqqqq")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._boot = boot_id()
        self._references = (0, 0, 0, 1000)
        self._last_ns = 0
        self.instant()

    def instant(self) -> Instant:
        """Return the present simulated moment.

        Raises: `ClockFileFault` where the file is missing or is no shared clock.
        """
        self._reload()
        real_ref, mono_ref, wall_ref, scale_milli = self._references
        elapsed = (time.clock_gettime_ns(time.CLOCK_MONOTONIC) - real_ref) * scale_milli // 1000
        self._last_ns = max(self._last_ns, mono_ref + elapsed)
        return Instant(
            mono_ns=self._last_ns,
            wall_ns=wall_ref + self._last_ns - mono_ref,
            boot=self._boot,
            clock=ClockState(sync=True, source="sim", scale=max(1, scale_milli // 1000)),
        )

    def _reload(self) -> None:
        """Take the file's references anew where it was replaced; a running clock outlives a file that is lost."""
        try:
            status = self._path.stat()
            if (status.st_ino, status.st_mtime_ns) == self._seen:
                return
            self._references = self._read()
            self._seen = (status.st_ino, status.st_mtime_ns)
        except OSError as error:
            if self._seen is None:
                raise ClockFileFault(f"the shared clock {self._path} cannot be read: {error.strerror}") from None
        except ClockFileFault:
            if self._seen is None:
                raise

    def _read(self) -> tuple[int, int, int, int]:
        data = self._path.read_bytes()
        if len(data) != self.LAYOUT.size or data[:8] != self.MAGIC:
            raise ClockFileFault(f"{self._path} is no shared clock: expected 40 bytes that begin with NEBCLK1")
        _, real, mono, wall, scale = self.LAYOUT.unpack(data)
        return real, mono, wall, scale


def write_clock_file(path: Path, *, mono_ns: int, wall_ns: int, scale_milli: int) -> None:
    """Set the shared clock: from now on, simulated time runs from here at `scale_milli` thousandths of real time."""
    real = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(FileClock.LAYOUT.pack(FileClock.MAGIC, real, mono_ns, wall_ns, scale_milli))
    fresh.replace(path)
