"""End-of-dose evidence from what the device senses: its own dry signal, the drive's fall, a jet's sputter."""

from dataclasses import dataclass, replace

from nebctl.core.dose.model import DeviceModel, Kind
from nebctl.core.dose.reading import Doing, Reading

CONFIRM_MS = 1_000
"""A dry signal that comes and goes is believed once it has stood so long, or the device went off on it."""
DRIVE_CONFIRM_MS = 3_000
DRIVE_FALL = 0.55
DRIVE_GONE = 0.05
"""A dry mesh is unloaded and its current falls; to next to nothing falls that of an empty holder.

Source: fewer than 30 counts for 3 s where wet is over 100, of a public firmware
(https://github.com/dmchaledev/VibratingMeshNebulizerController, config.h).
"""
DRIVE_LEARN_MS = 10_000
ROUGH_FAST_S = 4.0
ROUGH_BASE_S = 30.0
ROUGH_TIMES = 4.0
ROUGH_LEAST = 0.004
SPUTTER_MS = 4_000
SETTLE_MS = 8_000
"""A jet's flow and pressure jump from reading to reading once it spits: four times its own early roughness, and at
least 0.4 % of the value, for 4 s; the first 8 s of gas settle. Planning figures, not tried on hardware."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What speaks for the end of the dose.

    `dry` is the device's own signal, believed; `drive` the fall of its current; `sputter` a jet's rough gas. Each
    `…_since` is when it began in ms, None while it does not hold. `wet_ua` is the current while wet, 0.0 before it is
    learned; `rough` the present and `rough_base` the early roughness of gas as a share of its value.
    """

    dry: bool = False
    drive: bool = False
    sputter: bool = False
    senses_dry: bool = False
    ran: bool = False
    run_ms: int = 0
    at_ms: int = 0
    dry_since: int | None = None
    drive_since: int | None = None
    sputter_since: int | None = None
    wet_ua: float = 0.0
    flow: int = 0
    pressure: int = 0
    rough: float = 0.0
    rough_base: float = 0.0

    @property
    def ended(self) -> bool:
        """Return whether anything that the device senses says that the dose is at its end."""
        return self.dry or self.drive or self.sputter

    @property
    def spits(self) -> bool:
        """Return whether a jet works only part of the time now."""
        return self.sputter_since is not None

    def names(self) -> tuple[str, ...]:
        """Return the witnesses by their names."""
        return (("dry",) if self.dry or self.drive else ()) + (("sputter",) if self.sputter else ())


NO_EVIDENCE = Evidence()


def weigh(before: Evidence, reading: Reading, model: DeviceModel) -> Evidence:
    """Return the evidence after one reading; it goes again where the device runs on as if wet."""
    runs = reading.doing is Doing.RUNNING
    dt_ms = min(max(0, reading.at_ms - before.at_ms), CONFIRM_MS)
    seen = replace(
        before,
        at_ms=reading.at_ms,
        ran=before.ran or runs,
        run_ms=before.run_ms + dt_ms if runs else before.run_ms,
        senses_dry=before.senses_dry or reading.dry is not None,
    )
    seen = _by_signal(seen, reading, runs=runs)
    if model.kind is Kind.MESH:
        return _by_drive(seen, reading, runs=runs)
    return _by_gas(seen, reading, dt_ms / 1000, runs=runs)


def _by_signal(seen: Evidence, reading: Reading, *, runs: bool) -> Evidence:
    if reading.dry is None or not seen.ran:
        return seen
    if not reading.dry:
        return replace(seen, dry_since=None, dry=seen.dry and not runs)
    since = reading.at_ms if seen.dry_since is None else seen.dry_since
    believed = not runs or reading.at_ms - since >= CONFIRM_MS
    return replace(seen, dry_since=since, dry=seen.dry or believed)


def _by_drive(seen: Evidence, reading: Reading, *, runs: bool) -> Evidence:
    """Learn the wet current and notice its fall; the learning stops while it is low."""
    if not runs or reading.drive_ua is None:
        return seen
    if seen.run_ms < DRIVE_LEARN_MS:
        return replace(seen, wet_ua=max(seen.wet_ua, float(reading.drive_ua)))
    low = seen.wet_ua * DRIVE_GONE < reading.drive_ua < seen.wet_ua * DRIVE_FALL
    if not low:
        wet_ua = seen.wet_ua + 0.002 * (reading.drive_ua - seen.wet_ua)
        return replace(seen, wet_ua=wet_ua, drive_since=None, drive=False)
    since = reading.at_ms if seen.drive_since is None else seen.drive_since
    return replace(seen, drive_since=since, drive=seen.drive or reading.at_ms - since >= DRIVE_CONFIRM_MS)


def _by_gas(seen: Evidence, reading: Reading, dt_s: float, *, runs: bool) -> Evidence:
    """Notice sputter by how far flow and pressure jump; a reading after a break has nothing to differ from."""
    if not runs or not reading.gas_sccm:
        return replace(seen, flow=0, pressure=0)
    pressure = reading.pressure_pa or 0
    moved = replace(seen, flow=reading.gas_sccm, pressure=pressure)
    if not seen.flow or seen.run_ms < SETTLE_MS:
        return moved
    jump = max(_jump(seen.flow, reading.gas_sccm), _jump(seen.pressure, pressure))
    rough = seen.rough + min(1.0, dt_s / ROUGH_FAST_S) * (jump - seen.rough)
    limit = ROUGH_TIMES * seen.rough_base + ROUGH_LEAST
    learning = seen.run_ms < SETTLE_MS + ROUGH_BASE_S * 1000
    if learning or rough < limit:
        base = (
            seen.rough_base + dt_s / ROUGH_BASE_S * (min(jump, 0.05) - seen.rough_base) if learning else seen.rough_base
        )
        calm = rough < limit / 2
        since = None if calm else seen.sputter_since
        return replace(moved, rough=rough, rough_base=base, sputter_since=since, sputter=seen.sputter and not calm)
    since = reading.at_ms if seen.sputter_since is None else seen.sputter_since
    return replace(moved, rough=rough, sputter_since=since, sputter=seen.sputter or reading.at_ms - since >= SPUTTER_MS)


def _jump(before: int, after: int) -> float:
    return abs(after - before) / max(before, after) if before > 0 and after > 0 else 0.0
