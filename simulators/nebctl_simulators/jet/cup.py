"""The physics of a jet nebulizer's cup, as frozen values that move by `advance(cup, dt, pressure)`.

Gas tears the liquid into droplets and dries it at the same time: `share` of what leaves is aerosol and the rest is
vapour, which leaves the solute behind. So the solution in the cup thickens, C/C0 = (V0/V)^(1 - share), and what is
*emitted* is counted in the solution as filled: the solute that left, as the volume it was poured in.

Drying cools the cup, and a cold jet gives less. The closed form stands for a cup that has cooled; a warmer one gets
through more of it in the same time, so that here too the result follows the time and not its cuts, to 1 nL.

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
    never leaves, unless somebody taps the cup: then `tap_nl` of it runs back from the wall, the next time half of that.

    The rate is that of a cup that has cooled by `cool_mk` thousandths of a kelvin, with the time constant `cool_ns`; at
    room temperature it is `fresh_ppm` millionths of it higher. 0 for `cool_mk`: the cup does not cool.
    """

    aerosol_nl_s: int
    share_ppm: int
    residual_nl: int
    onset_nl: int
    least_ppm: int
    tap_nl: int = 0
    cool_mk: int = 0
    cool_ns: int = 120 * NS_PER_S
    fresh_ppm: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cup:
    """The truth about one cup; all but `size_nl` (what it holds) and `at_ns` (its own time) are in attolitres.

    `solute_al` is the solute now in the cup, as the volume of solution that it was poured in. `cooled` is how much of
    its load's cooling the cup has gone through, from 0 at room temperature to 1.
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
    cooled: float = 0.0

    @property
    def volume_al(self) -> int:
        """What is in the cup."""
        return self.filled_al - self.drawn_al - self.aerosol_al - self.vapour_al

    @property
    def emitted_al(self) -> int:
        """The solute that has left as aerosol since the start."""
        return self.filled_al - self.drawn_solute_al - self.solute_al

    @property
    def cooling_mk(self) -> int:
        """How far below the room's temperature the liquid is, in thousandths of a kelvin."""
        return round(self.load.cool_mk * self.cooled)

    @property
    def thickening(self) -> float:
        """The concentration in the cup as a multiple of that of what was filled; 1 for an empty cup."""
        return self.solute_al / self.volume_al if self.volume_al else 1.0

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


def rate_nl_s(cup: Cup, pressure_ppm: int) -> int:
    """Return what leaves as droplets in a second at this pressure as things stand now, in nL; 0 for a spent cup."""
    fresh = 1 + cup.load.fresh_ppm / WHOLE_PPM * (1 - cup.cooled if cup.load.cool_mk else 0)
    return round(cup.load.aerosol_nl_s * fresh * pressure_ppm / WHOLE_PPM * duty_ppm(cup) / WHOLE_PPM)


def advance(cup: Cup, dt_ns: int, pressure_ppm: int) -> Cup:
    """Return the cup `dt_ns` later at a steady pressure, given in millionths of the nominal one; 0 means no jet.

    Raises: ValueError for time that steps back.
    """
    if dt_ns < 0:
        raise ValueError(
            f"plant time steps back: saw dt {dt_ns} ns, expected 0 or more; check the clock that drives it"
        )
    # The gas keeps a spent cup cold too: its residual dries on, and the gas itself cools as it expands.
    moved = replace(cup, at_ns=cup.at_ns + dt_ns, cooled=_cooled_after(cup, dt_ns, blows=pressure_ppm > 0))
    volume = cup.volume_al
    left = _volume_after(cup, _cold_time_ns(cup, dt_ns), pressure_ppm) if pressure_ppm else volume
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


def _cooled_after(cup: Cup, dt_ns: int, *, blows: bool) -> float:
    if not cup.load.cool_mk:
        return 0.0
    limit = 1.0 if blows else 0.0
    return limit + (cup.cooled - limit) * math.exp(-dt_ns / cup.load.cool_ns)


def _cold_time_ns(cup: Cup, dt_ns: int) -> float:
    """Return for how long a cup that has cooled would have to run to give what this one gives in `dt_ns`."""
    load = cup.load
    if not load.cool_mk or not load.fresh_ppm:
        return dt_ns
    warm_ns = (1 - cup.cooled) * load.cool_ns * -math.expm1(-dt_ns / load.cool_ns)
    return dt_ns + load.fresh_ppm / WHOLE_PPM * warm_ns


def _volume_after(cup: Cup, dt_ns: float, pressure_ppm: int) -> int:
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
    cooled = cup.cooled * cup.volume_al / (cup.volume_al + added)  # what is poured is as warm as the room
    return replace(cup, load=load, filled_al=cup.filled_al + added, solute_al=cup.solute_al + added, cooled=cooled)


def tap(cup: Cup) -> Cup:
    """Return the cup after a tap on its wall: part of what clung there runs back and can be nebulized after all."""
    load = cup.load
    back_nl = min(load.tap_nl, load.residual_nl)
    onset_nl = max(load.residual_nl, load.onset_nl) - back_nl
    eased = replace(load, residual_nl=load.residual_nl - back_nl, onset_nl=onset_nl, tap_nl=back_nl // 2)
    return replace(cup, load=eased)


def draw(cup: Cup) -> tuple[Cup, int]:
    """Return the emptied cup, and how many nanolitres were drawn out of it, rounded down."""
    volume = cup.volume_al
    emptied = replace(
        cup,
        drawn_al=cup.drawn_al + volume,
        drawn_solute_al=cup.drawn_solute_al + cup.solute_al,
        solute_al=0,
        cooled=0.0,
    )
    return emptied, volume // AL_PER_NL
