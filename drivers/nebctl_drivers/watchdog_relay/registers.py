"""The register map of the cut-off relay, from its profile, and its readings (docs/devices/watchdog-relay.md)."""

from collections.abc import Sequence
from dataclasses import dataclass

from nebctl.core.device import EndCause
from nebctl_drivers.modbus import Read, SetCoil, Write
from nebctl_drivers.profiles import Table, read_profile

PROFILE = "watchdog-relay"
_CAUSES = {0: EndCause.POWER_UP, 1: EndCause.STOP, 2: EndCause.BEAT, 3: EndCause.MAX_ON, 4: EndCause.NONE}


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayReading:
    """One reading; `at_ns` is the host's monotonic time of the answer.

    `run` is None before the first run since power-up; `closed_ms` that run's on-time by the relay.
    """

    at_ns: int
    closed: bool
    cause: EndCause
    watchdog_ms: int
    run: str | None
    max_on_ms: int
    closed_ms: int
    serial: str


class RelayMap:
    """Where the values of the profile stand; `unit` is the relay's Modbus unit id."""

    def __init__(self, unit: int, profile: Table | None = None) -> None:
        table = profile if profile is not None else read_profile(PROFILE)
        points: dict[str, Table] = table["point"]
        block: Table = table["block"]["all"]
        self._unit = unit
        self._identity: Table = table["identity"]
        self._watchdog_ms: int = points["watchdog"]["limits"]["most"]
        self._beat: int = points["beat"]["address"]
        self._run: int = points["run"]["address"]  # the maximum on-time stands behind it, and is written with it
        self.read_all = Read(unit, block["address"], block["count"])
        self.open_contact = SetCoil(unit, points["coil"]["address"], on=False)
        self.close_contact = SetCoil(unit, points["coil"]["address"], on=True)

    def feed(self, number: int) -> Write:
        """Return the request that feeds the watchdog; `number` tells one feeding from the next."""
        return Write(self._unit, self._beat, (number & 0xFFFF,))

    def arm(self, run: str, max_on_ms: int) -> Write:
        """Return the request that names the run (8 hex digits) and its maximum on-time."""
        number = int(run, 16)
        words = (number >> 16, number & 0xFFFF, max_on_ms >> 16, max_on_ms & 0xFFFF)
        return Write(self._unit, self._run, words)

    def parse(self, words: Sequence[int], at_ns: int) -> RelayReading | str:
        """Return the reading, or what is wrong with it."""
        identity, version, closed, cause, _, watchdog_ms = words[:6]
        if (identity, version) != (self._identity["word"], self._identity["map_version"]):
            return f"identity {identity:#06x} with map version {version}"
        if cause not in _CAUSES or closed not in (0, 1) or (closed == 1) != (_CAUSES[cause] is EndCause.NONE):
            return f"contact {closed} with cause {cause}"
        if watchdog_ms > self._watchdog_ms:
            return f"a watchdog of {watchdog_ms} ms"
        run = words[6] << 16 | words[7]
        return RelayReading(
            at_ns=at_ns,
            closed=closed == 1,
            cause=_CAUSES[cause],
            watchdog_ms=watchdog_ms,
            run=f"{run:08x}" if run else None,
            max_on_ms=words[8] << 16 | words[9],
            closed_ms=words[10] << 16 | words[11],
            serial=_text(words[12:]),
        )


def _text(words: Sequence[int]) -> str:
    data = b"".join(word.to_bytes(2) for word in words)
    return data.rstrip(b"\0").decode("ascii", errors="replace")
