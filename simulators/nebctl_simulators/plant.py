"""The physics of a vibrating mesh on a cup, as frozen values that move by `advance(plant, dt, drive)`.

Volumes are exact: a rate in nL/s times a time in ns gives attolitres (1 nL = 10^9 aL), all in integers. So the result
does not depend on how the time was cut, and what was filled always equals emitted plus drawn plus what is in the cup.
"""

import math
from dataclasses import dataclass, replace
from enum import Enum

AL_PER_NL = 1_000_000_000
NS_PER_S = 1_000_000_000
SWEEP_CURRENT_PERCENT = 40  # off resonance the mesh draws less; an assumption, no source gives the figure


class Drive(Enum):
    """What the controller does with the mesh; only ON, at resonance, makes aerosol."""

    OFF = "off"
    SWEEP = "sweep"
    ON = "on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """The constants of one built unit.

    `current_dma` is the wet current in tenths of a milliampere, `power_mw` the wet power in mW, both at resonance.
    `drift_hz` is reached after `drift_ns` of driving. A dry mesh falls to `dry_percent` of the wet current and rises
    by `dry_rise_hz` within `dry_fall_ns`. The liquid warms from `ambient_dc` by at most `warm_dc` (tenths of a degree
    Celsius) with the time constant `warm_ns`. `cup_nl` is what the cup holds when it is full.
    """

    resonance_hz: int
    drift_hz: int
    drift_ns: int
    current_dma: int
    power_mw: int
    dry_percent: int
    dry_rise_hz: int
    dry_fall_ns: int
    ambient_dc: int
    warm_dc: int
    warm_ns: int
    cup_nl: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What chance gives one filling: its rate in nL/s, and the part of it in ppm that never leaves the cup."""

    rate_nl_s: int
    residual_ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """The truth about one mesh and its cup.

    `filled_nl` and `drawn_nl` are totals since the start, `emitted_al` the total emitted in attolitres, `charge_nl`
    what was in the cup after the last pour. `driven_ns` is the driving time since that pour, `dry_ns` how long a dry
    mesh has been driven without a break (0 while wet or OFF), `at_ns` the plant's own time since its start.
    """

    mesh: Mesh
    load: Load
    at_ns: int = 0
    filled_nl: int = 0
    drawn_nl: int = 0
    emitted_al: int = 0
    charge_nl: int = 0
    driven_ns: int = 0
    dry_ns: int = 0

    @property
    def cup_al(self) -> int:
        """What is in the cup, in attolitres."""
        return (self.filled_nl - self.drawn_nl) * AL_PER_NL - self.emitted_al

    @property
    def cup_nl(self) -> int:
        """What is in the cup, in nanolitres rounded up, so that it adds up exactly with `emitted_nl` rounded down."""
        return -(-self.cup_al // AL_PER_NL)

    @property
    def emitted_nl(self) -> int:
        """What has left as aerosol since the start, in nanolitres rounded down."""
        return self.emitted_al // AL_PER_NL

    @property
    def available_al(self) -> int:
        """What can still leave as aerosol, in attolitres: the cup less its residual; 0 means that the mesh is dry."""
        return max(0, self.cup_al - self.charge_nl * self.load.residual_ppm * (AL_PER_NL // 1_000_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What the controller can sense: tenths of a milliampere, Hz, mW, tenths of a degree Celsius."""

    current_dma: int
    frequency_hz: int
    power_mw: int
    temp_dc: int


def wet_ns(plant: Plant) -> int:
    """Return for how many ns more the mesh stays wet when it is driven ON; 0 means dry now."""
    return -(-plant.available_al // plant.load.rate_nl_s)


def advance(plant: Plant, dt_ns: int, drive: Drive) -> Plant:
    """Return the plant `dt_ns` later, driven in one way all the time."""
    if dt_ns < 0:
        raise ValueError(
            f"plant time steps back: saw dt {dt_ns} ns, expected 0 or more; check the clock that drives it"
        )
    at_ns = plant.at_ns + dt_ns
    if drive is Drive.OFF:
        return replace(plant, at_ns=at_ns, dry_ns=0)
    driven_ns = plant.driven_ns + dt_ns
    if drive is Drive.SWEEP:
        dry_ns = 0 if plant.available_al else plant.dry_ns + dt_ns
        return replace(plant, at_ns=at_ns, driven_ns=driven_ns, dry_ns=dry_ns)
    emitted_al = plant.emitted_al + min(plant.available_al, plant.load.rate_nl_s * dt_ns)
    dry_ns = plant.dry_ns + dt_ns - min(dt_ns, wet_ns(plant))
    return replace(plant, at_ns=at_ns, driven_ns=driven_ns, dry_ns=dry_ns, emitted_al=emitted_al)


def pour(plant: Plant, volume_nl: int, load: Load) -> Plant:
    """Return the plant with `volume_nl` more in the cup, which from now on behaves as `load` says.

    Raises: ValueError for a volume that is not positive or does not fit the cup.
    """
    room_nl = plant.mesh.cup_nl - plant.cup_nl
    if not 0 < volume_nl <= room_nl:
        raise ValueError(f"the cup cannot take {volume_nl} nL; it has room for 1 to {room_nl} nL")
    charge_nl = plant.cup_nl + volume_nl
    return replace(plant, load=load, filled_nl=plant.filled_nl + volume_nl, charge_nl=charge_nl, driven_ns=0, dry_ns=0)


def draw(plant: Plant) -> tuple[Plant, int]:
    """Return the plant with an empty cup, and how many nanolitres were drawn out of it."""
    drawn_nl = plant.cup_nl
    # The started nanolitre counts as drawn: nothing is lost between two roundings, however often the cup is emptied.
    emitted_al = plant.emitted_nl * AL_PER_NL
    emptied = replace(plant, emitted_al=emitted_al, drawn_nl=plant.drawn_nl + drawn_nl, charge_nl=0, driven_ns=0)
    return emptied, drawn_nl


def sense(plant: Plant, drive: Drive) -> Signals:
    """Return what the controller measures while it drives the mesh in this way."""
    temp_dc = _temperature_dc(plant)
    if drive is Drive.OFF:
        return Signals(current_dma=0, frequency_hz=0, power_mw=0, temp_dc=temp_dc)
    percent = SWEEP_CURRENT_PERCENT if drive is Drive.SWEEP else 100 - _fallen_percent(plant)
    return Signals(
        current_dma=plant.mesh.current_dma * percent // 100,
        frequency_hz=_resonance_hz(plant),
        power_mw=plant.mesh.power_mw * percent // 100,
        temp_dc=temp_dc,
    )


def _dry_share(plant: Plant) -> tuple[int, int]:
    return min(plant.dry_ns, plant.mesh.dry_fall_ns), plant.mesh.dry_fall_ns


def _fallen_percent(plant: Plant) -> int:
    part, whole = _dry_share(plant)
    return (100 - plant.mesh.dry_percent) * part // whole


def _resonance_hz(plant: Plant) -> int:
    mesh = plant.mesh
    part, whole = _dry_share(plant)
    drift_hz = mesh.drift_hz * min(plant.driven_ns, mesh.drift_ns) // mesh.drift_ns
    return mesh.resonance_hz + drift_hz + mesh.dry_rise_hz * part // whole


def _temperature_dc(plant: Plant) -> int:
    warmed = -math.expm1(-plant.driven_ns / plant.mesh.warm_ns)
    return plant.mesh.ambient_dc + round(plant.mesh.warm_dc * warmed)
