"""Time at a simulated site: the loop's own, with jumps, and the clock of each host with its steps and boots."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from nebctl.core.instant import NS_PER_S, ClockState, Instant
from nebctl_lab.system.chance import stream

BOOTED_NS = NS_PER_S
"""What a host's monotonic clock shows when its boot begins."""
NO_SOURCE = 532_224
"""MDC_TIME_SYNC_NONE. Source: ISO/IEEE 11073, as used by the HL7 Personal Health Device guide."""


class SiteTime:
    """True time since the site began, in ns: loop time, and what was skipped."""

    def __init__(self, begins: datetime) -> None:
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._begins_ns = int(begins.timestamp()) * NS_PER_S
        self._skipped_ns = 0

    def live_ns(self) -> int:
        """Return the loop's time since the beginning: real time, as watchdogs and wires count it."""
        return round((self._loop.time() - self._began_s) * NS_PER_S)

    def ns(self) -> int:
        """Return the time since the beginning."""
        return self.live_ns() + self._skipped_ns

    def at(self, live_ns: int) -> int:
        """Return the plants' time at a live time."""
        return live_ns + self._skipped_ns

    def wall_ns(self) -> int:
        """Return the true Unix time in ns."""
        return self._begins_ns + self.ns()

    def now(self) -> datetime:
        """Return the true time."""
        return datetime.fromtimestamp(self.wall_ns() / NS_PER_S, UTC)

    def skip(self, ns: int) -> None:
        """Let time pass that nobody lives through."""
        self._skipped_ns += ns


@dataclass(slots=True)
class _Boot:
    name: str
    at_ns: int


class HostClock:
    """One host's clock on the site's time; `step_ns` is how far its wall time is off, `sync` whether NTP holds it."""

    def __init__(self, time: SiteTime, seed: int, host: str) -> None:
        self._time = time
        self._chance = stream(seed, f"boots of {host}")
        self.step_ns = 0
        self.sync = True
        self._boot = _Boot("", 0)
        self.boot()

    def boot(self) -> None:
        """Begin to count anew, under another name, as a machine that was switched on."""
        digits = self._chance.randbytes(16).hex()
        name = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        self._boot = _Boot(name, self._time.ns())

    def instant(self) -> Instant:
        """Return the present moment, as this host sees it."""
        state = ClockState(sync=True, source="sim", scale=1) if self.sync else ClockState(sync=False, source=NO_SOURCE)
        return Instant(
            mono_ns=self._time.ns() - self._boot.at_ns + BOOTED_NS,
            wall_ns=self._time.wall_ns() + self.step_ns,
            boot=self._boot.name,
            clock=state,
        )
