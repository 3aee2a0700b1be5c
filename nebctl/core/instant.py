"""A moment as the edge read it: monotonic time for durations, wall time for labels, and how far to trust the clock."""

from dataclasses import dataclass

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """How the wall clock stood when it was read.

    `source` is an ISO/IEEE 11073 MDC_TIME_SYNC_PROTOCOL number, or "sim" for simulated time.
    `max_error_us` bounds the wall clock's error in microseconds; None means that no bound is known.
    `scale` is simulated seconds a real second; None means real time.
    """

    sync: bool
    source: int | str
    max_error_us: int | None = None
    scale: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """One reading of the clock.

    `mono_ns` counts nanoseconds since boot and never steps; `wall_ns` is Unix time in nanoseconds and may step.
    `boot` names the boot that `mono_ns` belongs to: two readings compare only within one boot.
    """

    mono_ns: int
    wall_ns: int
    boot: str
    clock: ClockState
