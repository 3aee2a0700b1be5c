"""The physics of a vibrating mesh on a cup, as frozen values that move by `advance(plant, dt, drive)`.

Volumes are exact: a rate in nL/s times a time in ns gives attolitres (1 nL = 10^9 aL), all in integers. The rate is a
whole number too; where it changes (cold liquid that warms, a mesh that clogs) it stands still for one `CELL_NS` of
driving and is that of the cell's middle. The cells lie on the plant's own time, not on the caller's. So the result does
not depend on how the time was cut, and what was filled always equals emitted plus drawn plus what is in the cup.
"""

import math
from dataclasses import dataclass, replace
from enum import Enum

AL_PER_NL = 1_000_000_000
NS_PER_S = 1_000_000_000
WHOLE_PPM = 1_000_000
CELL_NS = NS_PER_S
MATCHED_PPM = 10_000  # the mismatch at which detuning was measured: 1 % of the resonance
WATER_PPM = WHOLE_PPM
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
    by `dry_rise_hz` within `dry_fall_ns`. The liquid goes to `ambient_dc`, driven to `warm_dc` above it (tenths of a
    degree Celsius), with the time constant `warm_ns`. `cup_nl` is what the cup holds when it is full.

    Each kelvin below `nominal_dc` costs `cold_ppm` of the rate; 1 % off resonance costs `detune_loss_ppm` of it and
    takes `detune_power_ppm` more power. The rate goes with the viscosity to the power of -`thick_ppm` millionths.
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
    nominal_dc: int = 220
    cold_ppm: int = 0
    thick_ppm: int = 0
    detune_loss_ppm: int = 0
    detune_power_ppm: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What chance gives one filling: its rate in nL/s, and what of it never leaves the cup.

    The rate is that at resonance, of water, at the nominal temperature or above. What stays is `residual_ppm` of the
    charge and `residual_nl` besides. `stops_early` says that it is so much because the mesh stops before its end.
    """

    rate_nl_s: int
    residual_ppm: int
    residual_nl: int = 0
    stops_early: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquid:
    """What is poured: `temp_dc` in tenths of a degree Celsius, None for the room's; viscosity in ppm of water's."""

    temp_dc: int | None = None
    viscosity_ppm: int = WATER_PPM


@dataclass(frozen=True, slots=True, kw_only=True)
class Clog:
    """Pores that close while the mesh is driven: evenly over `over_ns`, until `loss_ppm` of the rate is gone."""

    loss_ppm: int
    over_ns: int
    driven_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """The truth about one mesh and its cup.

    `filled_nl` and `drawn_nl` are totals since the start, `emitted_al` the total emitted in attolitres, `charge_nl`
    what was in the cup after the last pour. `driven_ns` is the driving time since that pour, `dry_ns` how long a dry
    mesh has been driven without a break (0 while wet or OFF), `at_ns` the plant's own time since its start.

    `off_ppm` is how far from its resonance the mesh is driven, 0 where the controller follows it. `warming` says
    whether the liquid is being warmed, for `phase_ns` so far, or cools; it was `start_dk` tenths of a kelvin above the
    room when that began. Without `supplied` an open contact keeps the drive from the mesh, and nothing leaves.
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
    off_ppm: int = 0
    viscosity_ppm: int = WATER_PPM
    clog: Clog | None = None
    warming: bool = False
    phase_ns: int = 0
    start_dk: float = 0.0
    supplied: bool = True

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
    def residual_al(self) -> int:
        """What of the present charge never leaves, in attolitres."""
        load = self.load
        return self.charge_nl * load.residual_ppm * (AL_PER_NL // WHOLE_PPM) + load.residual_nl * AL_PER_NL

    @property
    def available_al(self) -> int:
        """What can still leave as aerosol, in attolitres: the cup less its residual; 0 means that the mesh is dry."""
        return max(0, self.cup_al - self.residual_al)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What the controller can sense: tenths of a milliampere, Hz, mW, tenths of a degree Celsius."""

    current_dma: int
    frequency_hz: int
    power_mw: int
    temp_dc: int


def rate_nl_s(plant: Plant) -> int:
    """Return what leaves a second while the mesh is ON and wet, as things stand now; at least 1 nL."""
    middle_ns = plant.phase_ns - plant.phase_ns % CELL_NS + CELL_NS // 2
    share = _still_share(plant) * _warmth_share(plant, middle_ns) * _open_share(plant, middle_ns)
    return plant.load.rate_nl_s if share == 1.0 else max(1, round(plant.load.rate_nl_s * share))


def wet_ns(plant: Plant) -> int:
    """Return for how many ns more the mesh stays wet when it is driven ON; 0 means dry now.

    Exact while the rate stands still, else a time after which it is still wet, or just dry.
    """
    plant = _enter(plant, warming=True)
    if _is_steady(plant):
        return -(-plant.available_al // rate_nl_s(plant))
    most_nl_s = math.ceil(plant.load.rate_nl_s * _still_share(plant)) + 1  # neither cold nor clogged
    return plant.available_al // most_nl_s


def advance(plant: Plant, dt_ns: int, drive: Drive) -> Plant:
    """Return the plant `dt_ns` later, driven in one way all the time.

    Raises: ValueError for time that steps back.
    """
    if dt_ns < 0:
        raise ValueError(
            f"plant time steps back: saw dt {dt_ns} ns, expected 0 or more; check the clock that drives it"
        )
    if not dt_ns:
        return replace(plant, dry_ns=0) if drive is Drive.OFF and plant.dry_ns else plant
    drive = drive if plant.supplied else Drive.OFF
    plant = _enter(plant, warming=drive is not Drive.OFF)
    if drive is Drive.OFF:
        return replace(plant, at_ns=plant.at_ns + dt_ns, phase_ns=plant.phase_ns + dt_ns, dry_ns=0)
    if drive is Drive.SWEEP:
        return _drive(plant, dt_ns, 0, 0 if plant.available_al else plant.dry_ns + dt_ns)
    while not _is_steady(plant) and plant.available_al:
        step_ns = min(dt_ns, CELL_NS - plant.phase_ns % CELL_NS)
        plant = _emit(plant, step_ns)
        dt_ns -= step_ns
        if not dt_ns:
            return plant
    return _emit(plant, dt_ns)


def pour(plant: Plant, volume_nl: int, load: Load, liquid: Liquid | None = None) -> Plant:
    """Return the plant with `volume_nl` more in the cup, which from now on behaves as `load` says.

    Without `liquid` it is as thin as water and as warm as the room. It mixes with what is in the cup.

    Raises: ValueError for a volume that is not positive or does not fit the cup.
    """
    room_nl = plant.mesh.cup_nl - plant.cup_nl
    if not 0 < volume_nl <= room_nl:
        raise ValueError(f"the cup cannot take {volume_nl} nL; it has room for 1 to {room_nl} nL")
    liquid = liquid or Liquid()
    charge_nl = plant.cup_nl + volume_nl
    fresh_dk = 0 if liquid.temp_dc is None else liquid.temp_dc - plant.mesh.ambient_dc
    return replace(
        plant,
        load=load,
        filled_nl=plant.filled_nl + volume_nl,
        charge_nl=charge_nl,
        driven_ns=0,
        dry_ns=0,
        viscosity_ppm=(plant.viscosity_ppm * plant.cup_nl + liquid.viscosity_ppm * volume_nl) // charge_nl,
        start_dk=(_above_room_dk(plant, plant.phase_ns) * plant.cup_nl + fresh_dk * volume_nl) / charge_nl,
        phase_ns=0,
    )


def draw(plant: Plant) -> tuple[Plant, int]:
    """Return the plant with an empty cup, and how many nanolitres were drawn out of it."""
    drawn_nl = plant.cup_nl
    # The started nanolitre counts as drawn: nothing is lost between two roundings, however often the cup is emptied.
    emitted_al = plant.emitted_nl * AL_PER_NL
    emptied = replace(plant, emitted_al=emitted_al, drawn_nl=plant.drawn_nl + drawn_nl, charge_nl=0, driven_ns=0)
    return emptied, drawn_nl


def clog(plant: Plant, loss_ppm: int, over_ns: int) -> Plant:
    """Return the plant whose mesh clogs from now on while it is driven; a loss of 0 means that it was cleaned.

    Raises: ValueError for a loss that is none or more than all, or for a time that is not positive.
    """
    if not 0 <= loss_ppm < WHOLE_PPM or over_ns <= 0:
        raise ValueError(f"a mesh loses 0 to 999999 ppm of its rate over more than 0 ns, got {loss_ppm}, {over_ns}")
    return replace(plant, clog=Clog(loss_ppm=loss_ppm, over_ns=over_ns) if loss_ppm else None)


def detune(plant: Plant, off_ppm: int) -> Plant:
    """Return the plant that is driven `off_ppm` of its resonance above it, below it where negative."""
    return replace(plant, off_ppm=off_ppm)


def sense(plant: Plant, drive: Drive) -> Signals:
    """Return what the controller measures while it drives the mesh in this way.

    Assumed: off resonance the current falls with the root of the output, because both follow the mesh's amplitude.
    """
    temp_dc = plant.mesh.ambient_dc + round(_above_room_dk(plant, plant.phase_ns))
    if drive is Drive.OFF:
        return Signals(current_dma=0, frequency_hz=0, power_mw=0, temp_dc=temp_dc)
    percent = SWEEP_CURRENT_PERCENT if drive is Drive.SWEEP else 100 - _fallen_percent(plant)
    current_dma, power_mw = plant.mesh.current_dma * percent // 100, plant.mesh.power_mw * percent // 100
    if plant.off_ppm and drive is Drive.ON:
        current_dma = int(current_dma * math.sqrt(_tuned_share(plant)))
        power_mw = int(power_mw * (1 + plant.mesh.detune_power_ppm / WHOLE_PPM * _mismatch(plant)))
    frequency_hz = _resonance_hz(plant)
    frequency_hz += frequency_hz * plant.off_ppm // WHOLE_PPM
    return Signals(current_dma=current_dma, frequency_hz=frequency_hz, power_mw=power_mw, temp_dc=temp_dc)


def _emit(plant: Plant, dt_ns: int) -> Plant:
    """Drive ON for a time in which the rate stands still."""
    rate, available_al = rate_nl_s(plant), plant.available_al
    left_al = min(available_al, rate * dt_ns)
    return _drive(plant, dt_ns, left_al, plant.dry_ns + dt_ns - min(dt_ns, -(-available_al // rate)))


def _drive(plant: Plant, dt_ns: int, left_al: int, dry_ns: int) -> Plant:
    clogs = plant.clog
    # Every field by its name: `replace` takes half as long again, and this is where all the time goes.
    return Plant(
        mesh=plant.mesh,
        load=plant.load,
        at_ns=plant.at_ns + dt_ns,
        filled_nl=plant.filled_nl,
        drawn_nl=plant.drawn_nl,
        emitted_al=plant.emitted_al + left_al,
        charge_nl=plant.charge_nl,
        driven_ns=plant.driven_ns + dt_ns,
        dry_ns=dry_ns,
        off_ppm=plant.off_ppm,
        viscosity_ppm=plant.viscosity_ppm,
        clog=None if clogs is None else replace(clogs, driven_ns=clogs.driven_ns + dt_ns),
        warming=plant.warming,
        phase_ns=plant.phase_ns + dt_ns,
        start_dk=plant.start_dk,
    )


def _enter(plant: Plant, *, warming: bool) -> Plant:
    """Begin to warm or to cool the liquid where it was the other way."""
    if plant.warming is warming:
        return plant
    return replace(plant, warming=warming, phase_ns=0, start_dk=_above_room_dk(plant, plant.phase_ns))


def _is_steady(plant: Plant) -> bool:
    """Whether the rate of a driven mesh stands still from here to the next change of drive or liquid."""
    clogs, mesh = plant.clog, plant.mesh
    if clogs is not None and clogs.driven_ns - plant.phase_ns % CELL_NS < clogs.over_ns:
        return False
    # The temperature goes from where it is to its limit and never beyond: if both are warm enough, all of the way is.
    low_dk = mesh.nominal_dc - mesh.ambient_dc
    if not mesh.cold_ppm or min(plant.start_dk, mesh.warm_dc) >= low_dk:
        return True
    return mesh.warm_dc >= low_dk and _above_room_dk(plant, plant.phase_ns - plant.phase_ns % CELL_NS) >= low_dk


def _still_share(plant: Plant) -> float:
    share = 1.0 if not plant.off_ppm else _tuned_share(plant)
    if plant.viscosity_ppm == WATER_PPM:
        return share
    return float(share * (plant.viscosity_ppm / WATER_PPM) ** (-plant.mesh.thick_ppm / WHOLE_PPM))


def _warmth_share(plant: Plant, phase_ns: int) -> float:
    mesh = plant.mesh
    if (
        not mesh.cold_ppm
        or min(plant.start_dk, mesh.warm_dc if plant.warming else 0) >= mesh.nominal_dc - mesh.ambient_dc
    ):
        return 1.0
    cold_dk = mesh.nominal_dc - mesh.ambient_dc - _above_room_dk(plant, phase_ns)
    return 1.0 if cold_dk <= 0 else max(0.0, 1 - cold_dk / 10 * mesh.cold_ppm / WHOLE_PPM)


def _open_share(plant: Plant, phase_ns: int) -> float:
    if plant.clog is None:
        return 1.0
    clogged_ns = plant.clog.driven_ns + phase_ns - plant.phase_ns
    return 1 - plant.clog.loss_ppm / WHOLE_PPM * min(1.0, max(0, clogged_ns) / plant.clog.over_ns)


def _mismatch(plant: Plant) -> float:
    return (plant.off_ppm / MATCHED_PPM) ** 2


def _tuned_share(plant: Plant) -> float:
    """Return the share of the output off resonance: a resonance curve through the loss that is known at 1 %."""
    loss = plant.mesh.detune_loss_ppm / WHOLE_PPM
    return 1 / (1 + loss / (1 - loss) * _mismatch(plant))


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


def _above_room_dk(plant: Plant, phase_ns: int) -> float:
    """Return how far above the room's temperature the liquid is, so long into its warming or cooling."""
    limit_dk = plant.mesh.warm_dc if plant.warming else 0
    return limit_dk + (plant.start_dk - limit_dk) * math.exp(-phase_ns / plant.mesh.warm_ns)
