"""End-of-dose evidence from what the device senses: its own dry signal, the drive's fall, a jet's sputter."""

from typing import NamedTuple

from nebctl.core.dose.model import DeviceModel, Kind
from nebctl.core.dose.reading import Doing, Reading

FADED, FADED_MS = 0.55, 12_000
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
LEARN_MS, LEARN_SAMPLES, LEAST_SAMPLES = 30_000, 60, 30
ROUGH_S, ROUGH_TIMES, CALM_TIMES = 6.0, 3.0, 1.5
CLIP_TIMES, JUMP_LEAST, JUMP_MOST = 16.0, 0.001**2, 0.05**2
SPUTTER_MS = 4_000
SETTLE_MS = 8_000
"""A jet's flow and pressure jump from reading to reading once it spits: the mean square of the jumps over 6 s is then
three times that of the first half minute, for 4 s or more; the first 8 s of gas settle. A tenth of a per cent of the
value is always scatter. Planning figures, not tried on hardware."""


class Evidence(NamedTuple):
    """What speaks for the end of the dose.

    `dry` is the device's own signal, believed, and `dries` how often it was; `drive` the fall of its current;
    `sputter` a jet's rough gas. Each `…_since` is when it began in ms, None while it does not hold. `wet_ua` is the
    current while wet, 0.0 before it is learned; `…_scatter` are the early and the present mean of the squares of the
    gas's jumps, as shares of the value, learned from `felt` jumps. `faded` says that the cup of a jet loses much less
    than before, since `faded_since`.
    """

    dry: bool = False
    drive: bool = False
    sputter: bool = False
    senses_dry: bool = False
    dries: int = 0
    ran: bool = False
    run_ms: int = 0
    at_ms: int = 0
    dry_since: int | None = None
    drive_since: int | None = None
    sputter_since: int | None = None
    wet_ua: float = 0.0
    flow: int = 0
    pressure: int = 0
    flow_scatter: tuple[float, float] = (0.0, 0.0)
    pressure_scatter: tuple[float, float] = (0.0, 0.0)
    felt: int = 0
    faded_since: int | None = None
    faded: bool = False

    @property
    def ended(self) -> bool:
        """Return whether anything that the device senses says that the dose is at its end."""
        return self.dry or self.drive or self.sputter or self.faded

    @property
    def tells(self) -> bool:
        """Return whether a dry mesh would be noticed: it has a signal of its own, or its current was seen."""
        return self.senses_dry or self.wet_ua > 0

    @property
    def spits(self) -> bool:
        """Return whether a jet works only part of the time now."""
        return self.sputter_since is not None

    def names(self) -> tuple[str, ...]:
        """Return the witnesses by their names."""
        return (("dry",) if self.dry or self.drive else ()) + (("sputter",) if self.sputter or self.faded else ())


NO_EVIDENCE = Evidence()


def weigh(before: Evidence, reading: Reading, model: DeviceModel) -> Evidence:
    """Return the evidence after one reading; it goes again where the device runs on as if wet."""
    runs = reading.doing is Doing.RUNNING
    dt_ms = min(max(0, reading.at_ms - before.at_ms), CONFIRM_MS)
    seen = before._replace(
        at_ms=reading.at_ms,
        ran=before.ran or runs,
        run_ms=before.run_ms + dt_ms if runs else before.run_ms,
        senses_dry=before.senses_dry or reading.dry is not None,
    )
    seen = _by_signal(seen, reading, runs=runs)
    if seen.dry and not before.dry:
        seen = seen._replace(dries=before.dries + 1)
    if model.kind is Kind.MESH:
        return _by_drive(seen, reading, runs=runs)
    return _by_gas(seen, reading, dt_ms / 1000, runs=runs)


def fade(seen: Evidence, *, loses: float, lost_before: float, little_left: bool, runs: bool) -> Evidence:
    """Return the evidence with what the balance says of a jet's sputter: it loses at most half of what it lost before.

    `loses` and `lost_before` are in nL/s; `little_left` says that so little is in the cup that a jet may sputter.
    """
    if not runs or not little_left or lost_before <= 0 or loses > FADED * lost_before:
        return seen._replace(faded_since=None, faded=seen.faded and not runs)
    since = seen.at_ms if seen.faded_since is None else seen.faded_since
    return seen._replace(faded_since=since, faded=seen.faded or seen.at_ms - since >= FADED_MS)


def _by_signal(seen: Evidence, reading: Reading, *, runs: bool) -> Evidence:
    if reading.dry is None or not seen.ran:
        return seen
    if not reading.dry:
        return seen._replace(dry_since=None, dry=seen.dry and not runs)
    since = reading.at_ms if seen.dry_since is None else seen.dry_since
    believed = not runs or reading.at_ms - since >= CONFIRM_MS
    return seen._replace(dry_since=since, dry=seen.dry or believed)


def _by_drive(seen: Evidence, reading: Reading, *, runs: bool) -> Evidence:
    """Learn the wet current and notice its fall; the learning stops while it is low."""
    if not runs or reading.drive_ua is None:
        return seen
    if seen.run_ms < DRIVE_LEARN_MS:
        return seen._replace(wet_ua=max(seen.wet_ua, float(reading.drive_ua)))
    low = seen.wet_ua * DRIVE_GONE < reading.drive_ua < seen.wet_ua * DRIVE_FALL
    if not low:
        wet_ua = seen.wet_ua + 0.002 * (reading.drive_ua - seen.wet_ua)
        return seen._replace(wet_ua=wet_ua, drive_since=None, drive=False)
    since = reading.at_ms if seen.drive_since is None else seen.drive_since
    return seen._replace(drive_since=since, drive=seen.drive or reading.at_ms - since >= DRIVE_CONFIRM_MS)


def _by_gas(seen: Evidence, reading: Reading, dt_s: float, *, runs: bool) -> Evidence:
    """Notice sputter by how far flow or pressure jump; a reading after a break has nothing to differ from."""
    if not runs or not reading.gas_sccm:
        return seen._replace(flow=0, pressure=0)
    pressure = reading.pressure_pa or 0
    moved = seen._replace(flow=reading.gas_sccm, pressure=pressure)
    if not seen.flow or seen.run_ms < SETTLE_MS:
        return moved
    learning = seen.run_ms < SETTLE_MS + LEARN_MS or seen.felt < LEARN_SAMPLES
    flow = _scatter(seen.flow_scatter, seen.flow, reading.gas_sccm, dt_s, felt=seen.felt if learning else None)
    gauge = _scatter(seen.pressure_scatter, seen.pressure, pressure, dt_s, felt=seen.felt if learning else None)
    moved = moved._replace(flow_scatter=flow, pressure_scatter=gauge, felt=seen.felt + learning)
    if learning:
        return moved
    rough = max(_ratio(flow), _ratio(gauge))
    if rough < ROUGH_TIMES:
        calm = rough < CALM_TIMES
        return moved._replace(sputter_since=None if calm else seen.sputter_since, sputter=seen.sputter and not calm)
    since = reading.at_ms if seen.sputter_since is None else seen.sputter_since
    return moved._replace(sputter_since=since, sputter=seen.sputter or reading.at_ms - since >= SPUTTER_MS)


def _scatter(
    scatter: tuple[float, float], before: int, after: int, dt_s: float, *, felt: int | None
) -> tuple[float, float]:
    """Return the early and the present mean of the squares of the jumps, as shares of the value."""
    base, now = scatter
    share = min(dt_s / ROUGH_S, 1 / LEAST_SAMPLES)  # few readings scatter by chance
    if before <= 0 or after <= 0:
        return scatter
    jump = ((after - before) / max(before, after)) ** 2
    if felt is not None:
        base += (min(jump, JUMP_MOST) - base) / (felt + 1)
        return base, base
    most = CLIP_TIMES * (base + JUMP_LEAST)  # one step of the gas, however large, is no sputter
    return base, now + share * (min(jump, most) - now)


def _ratio(scatter: tuple[float, float]) -> float:
    return scatter[1] / (scatter[0] + JUMP_LEAST)
