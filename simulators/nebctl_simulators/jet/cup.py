"""The physics of a jet nebulizer's cup, as frozen values that move by `advance(cup, dt, pressure)`.

Gas tears the liquid into droplets and dries it at the same time: `share` of what leaves is aerosol and the rest is
vapour, which leaves the solute behind. So the solution in the cup thickens, C/C0 = (V0/V)^(1 - share), and what is
*emitted* is counted in the solution as filled: the solute that left, as the volume it was poured in.

Volumes are whole attolitres (1 nL = 10^9 aL). What was poured always equals aerosol + vapour + drawn + what is in the
cup, and the solute poured equals the solute emitted + drawn + in the cup, both exactly.
"""

import math
from dataclasses import dataclass, replace

AL_PER_NL = 1_000_000_000
NS_PER_S = 1_000_000_000
WHOLE_PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What chance gives one filling at nominal pressure.

    `aerosol_nl_s` is the volume of droplets a second, `share_ppm` their part of all that leaves. Below `onset_nl` the
    jet sputters: the part of the time in which it makes aerosol falls evenly to `least_ppm` at `residual_nl`, which
    never leaves.
    """

    aerosol_nl_s: int
    share_ppm: int
    residual_nl: int
    onset_nl: int
    least_ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cup:
    """The truth about one cup; all but `size_nl` (what it holds) and `at_ns` (its own time) are in attolitres.

    `solute_al` is the solute now in the cup, as the volume of solution that it was poured in.
    """

    size_nl: int
    load: Load
    at_ns: int = 0
    filled_al: int = 0
    drawn_al: int = 0
    drawn_solute_al: int = 0
    aerosol_al: int = 0
    vapour_al: int = 0
    solute_al: int = 0

    @property
    def volume_al(self) -> int:
        """What is in the cup."""
        return self.filled_al - self.drawn_al - self.aerosol_al - self.vapour_al

    @property
    def emitted_al(self) -> int:
        """The solute that has left as aerosol since the start."""
        return self.filled_al - self.drawn_solute_al - self.solute_al

    @property
    def is_spent(self) -> bool:
        """Whether only the residual is left."""
        return self.volume_al <= self.load.residual_nl * AL_PER_NL


def duty_ppm(cup: Cup) -> int:
    """Return the part of the time in which the jet makes aerosol, in millionths; 0 means that the cup is spent."""
    load = cup.load
    over_nl = cup.volume_al // AL_PER_NL - load.residual_nl
    if cup.is_spent:
        return 0
    band_nl = max(1, load.onset_nl - load.residual_nl)
    return min(WHOLE_PPM, load.least_ppm + (WHOLE_PPM - load.least_ppm) * over_nl // band_nl)


def advance(cup: Cup, dt_ns: int, pressure_ppm: int) -> Cup:
    """Return the cup `dt_ns` later at a steady pressure, given in millionths of the nominal one; 0 means no jet.

    Raises: ValueError for time that steps back.
    """
    if dt_ns < 0:
        raise ValueError(
            f"plant time steps back: saw dt {dt_ns} ns, expected 0 or more; check the clock that drives it"
        )
    moved = replace(cup, at_ns=cup.at_ns + dt_ns)
    volume = cup.volume_al
    left = _volume_after(cup, dt_ns, pressure_ppm) if pressure_ppm else volume
    lost = volume - left
    if not lost:
        return moved
    aerosol = lost * cup.load.share_ppm // WHOLE_PPM
    kept = (left / volume) ** (cup.load.share_ppm / WHOLE_PPM)
    return replace(
        moved,
        aerosol_al=cup.aerosol_al + aerosol,
        vapour_al=cup.vapour_al + lost - aerosol,
        solute_al=min(cup.solute_al, round(cup.solute_al * kept)),
    )


def _volume_after(cup: Cup, dt_ns: int, pressure_ppm: int) -> int:
    """Return what is in the cup after `dt_ns`: an even loss down to the onset of sputter, from there a decaying one."""
    if cup.is_spent:
        return cup.volume_al
    load = cup.load
    rate = load.aerosol_nl_s * WHOLE_PPM / load.share_ppm * pressure_ppm / WHOLE_PPM  # nL/s, or aL/ns
    volume, floor = cup.volume_al, load.residual_nl * AL_PER_NL
    onset = max(floor, load.onset_nl * AL_PER_NL)
    even_ns = max(0, volume - onset) / rate
    if dt_ns <= even_ns:
        return max(floor, round(volume - rate * dt_ns))
    if onset == floor:
        return floor
    start = min(volume, onset)
    least = load.least_ppm / WHOLE_PPM
    band = onset - floor
    tail = band * least / (1 - least)  # the volume below the floor at which a falling duty would reach nothing
    decay = math.exp(-rate * (1 - least) / band * (dt_ns - even_ns))
    return max(floor, round(floor - tail + (start - floor + tail) * decay))


def pour(cup: Cup, volume_nl: int, load: Load) -> Cup:
    """Return the cup with `volume_nl` more of fresh solution in it, which from now on behaves as `load` says.

    Raises: ValueError for a volume that is not positive or does not fit.
    """
    room_nl = cup.size_nl - -(-cup.volume_al // AL_PER_NL)
    if not 0 < volume_nl <= room_nl:
        raise ValueError(f"the cup cannot take {volume_nl} nL; it has room for 1 to {room_nl} nL")
    added = volume_nl * AL_PER_NL
    return replace(cup, load=load, filled_al=cup.filled_al + added, solute_al=cup.solute_al + added)


def draw(cup: Cup) -> tuple[Cup, int]:
    """Return the emptied cup, and how many nanolitres were drawn out of it, rounded down."""
    volume = cup.volume_al
    emptied = replace(
        cup,
        drawn_al=cup.drawn_al + volume,
        drawn_solute_al=cup.drawn_solute_al + cup.solute_al,
        solute_al=0,
    )
    return emptied, volume // AL_PER_NL
