"""The flow path of a gas controller: set-point, ramp, valve, sensors, the jet behind it and the jet's cup.

What flows at a set-point, and at which pressure, is the plant of `jet.gas`; here are the ways to it and its sensors.
"""

import math
import random
from dataclasses import dataclass

from nebctl_simulators.jet.cup import AL_PER_NL, Cup, Load, advance, draw, duty_ppm, pour
from nebctl_simulators.jet.gas import ATMOSPHERE_PA, NOISE_NS, PA_PER_PSI, ROOM_C, WHOLE_PPM, Flow, GasController
from nebctl_simulators.jet.presets import Unit, draw_load

NS_PER_S = 1_000_000_000
LAG_S = 0.15  # assumed: the maker gives 100 ms or less for most of them
MOST_OVER = 1.28  # a sensor's end, as a multiple of full scale
AUTO_TARE_NS = 2 * NS_PER_S
"""A set-point of 0 for so long tares the flow. Source: DOC-MANUAL-MPL, January 2023, page 30."""
ZERO_SHIFT = 0.005
FINE_NS, MOST_STEPS = 10_000_000, 100
MASS, VOLUME, ABSOLUTE, GAUGE, DIFFERENCE = 37, 36, 34, 38, 39


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong with the flow path at a moment."""

    kinked: bool = False
    weak: bool = False
    no_gas: bool = False
    stuck_valve: bool = False
    zero_shift: bool = False
    over_range: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the sensors say: pressures in psi, the temperature in degrees Celsius, flows in L/min, the total in L."""

    absolute_psi: float
    temperature_c: float
    volumetric: float
    mass: float
    total: float


@dataclass(slots=True)
class Ramp:
    """How fast the set-point may move, in its own unit a second; 0 means at once. The flags say where it applies."""

    rate_s: float = 0.0
    up: bool = True
    down: bool = True
    zero: bool = True
    power: bool = False


class Loop:
    """The control loop from power-up on, in L/min and psi; `requested` is the set-point, `current` the ramped one."""

    def __init__(self, unit: Unit, full_scale: float) -> None:
        self.full_scale = full_scale
        self.trouble = Trouble()
        self._unit = unit
        self._plant = GasController(unit.gas, unit.seed)
        empty = Load(aerosol_nl_s=1, share_ppm=WHOLE_PPM, residual_nl=0, onset_nl=0, least_ppm=200_000)
        self.cup = Cup(size_nl=unit.cup_nl, load=empty)
        self._pours = 0
        self.restart()

    def restart(self) -> None:
        """Come up after a loss of power: no set-point, no hold, the valve shut."""
        self.requested = self.current = self.actual = self.tare = self.total = 0.0
        self.variable = MASS
        self.hold: str | None = None
        self.ramp = Ramp()
        self._zero_ns = 0

    def request(self, value: float) -> None:
        """Take a set-point in the unit of the control variable, kept within its range."""
        self.requested = min(max(value, 0.0), self.full_scale if self.variable in (MASS, VOLUME) else 160.0)
        self._follow_ramp(0)

    def tare_flow(self) -> None:
        """Take the present reading for zero, whatever flows."""
        self.tare = self.actual + self._shift

    def pour(self, volume_nl: int) -> None:
        """Pour into the jet's cup.

        Raises: ValueError for a volume that does not fit.
        """
        self.cup = pour(self.cup, volume_nl, draw_load(self._unit, self._pours + 1))
        self._pours += 1

    def empty_cup(self) -> int:
        """Draw what is in the cup and return it in nL."""
        self.cup, drawn_nl = draw(self.cup)
        return drawn_nl

    def advance(self, dt_ns: int) -> None:
        """Let plant time pass."""
        fine_ns = max(FINE_NS, dt_ns // MOST_STEPS)
        while dt_ns > 0:
            step_ns = min(fine_ns, dt_ns)
            self._step(step_ns)
            dt_ns -= step_ns

    def lose_power(self, dt_ns: int) -> None:
        """Let plant time pass without power: the valve is shut."""
        self.actual = 0.0
        self._plant.setpoint = 0.0
        self.cup = advance(self.cup, dt_ns, 0)

    @property
    def sccm(self) -> int:
        """What truly flows, in mL/min under standard conditions."""
        return self._flow().sccm

    def gauge_pa(self) -> int:
        """Return the true pressure before the jet, above the atmosphere's."""
        return self._flow().gauge_pa

    def read(self) -> Reading:
        """Return what the sensors say now; within 20 ms of plant time their noise stays the same."""
        chance = random.Random(f"{self._unit.seed}/{self.cup.at_ns // NOISE_NS}")  # noqa: S311 - noise, not a secret
        gas, flow = self._unit.gas, self._flow()
        gap_ppm = WHOLE_PPM - duty_ppm(self.cup) if self.cup.volume_al else 0
        spits = chance.random() < gap_ppm / WHOLE_PPM
        spread = (gas.ripple_ppm if spits else gas.steady_ppm) / WHOLE_PPM
        pascal = ATMOSPHERE_PA + flow.gauge_pa * (1 + spread * chance.uniform(-1, 1))
        true = MOST_OVER * self.full_scale if self.trouble.over_range else flow.sccm / 1000
        mass = true * (1 + spread * chance.uniform(-1, 1)) + self._shift - self.tare
        return Reading(
            absolute_psi=pascal / PA_PER_PSI,
            temperature_c=ROOM_C,
            volumetric=mass * ATMOSPHERE_PA / pascal,
            mass=mass,
            total=self.total,
        )

    @property
    def _shift(self) -> float:
        return ZERO_SHIFT * self.full_scale if self.trouble.zero_shift else 0.0

    def _flow(self) -> Flow:
        self._plant.kinked, self._plant.weak = self.trouble.kinked, self.trouble.weak
        self._plant.setpoint = self.actual
        return self._plant.flow(supplied=not self.trouble.no_gas)

    def _step(self, dt_ns: int) -> None:
        self._follow_ramp(dt_ns)
        self._tare_itself(dt_ns)
        target = self._target()
        self.actual = target + (self.actual - target) * math.exp(-dt_ns / NS_PER_S / LAG_S)
        if self.actual < self.full_scale / 100_000:
            self.actual = 0.0
        flow = self._flow()
        self.total += flow.sccm / 1000 * dt_ns / NS_PER_S / 60
        pressure_ppm = 0 if self.trouble.no_gas else self._plant.pressure_ppm(supplied=True)
        self.cup = advance(self.cup, dt_ns, pressure_ppm)

    def _follow_ramp(self, dt_ns: int) -> None:
        ramp, gap = self.ramp, self.requested - self.current
        applies = ramp.zero if self.requested == 0 else ramp.up if gap > 0 else ramp.down
        most = ramp.rate_s * dt_ns / NS_PER_S
        if ramp.rate_s and applies and abs(gap) > most:
            self.current += math.copysign(most, gap)
        else:
            self.current = self.requested

    def _tare_itself(self, dt_ns: int) -> None:
        self._zero_ns = self._zero_ns + dt_ns if self.requested == 0 and self.actual == 0 and not self.hold else 0
        if self._zero_ns >= AUTO_TARE_NS:
            self.tare_flow()

    def _target(self) -> float:
        if self.trouble.stuck_valve or self.hold == "position":
            return self.actual
        if self.hold == "closed" or self.current <= 0:
            return 0.0
        if self.variable == MASS:
            wanted = self.current - self._shift + self.tare
        elif self.variable == VOLUME:
            wanted = self.current * (1 + self.gauge_pa() / ATMOSPHERE_PA)
        else:
            base_pa = ATMOSPHERE_PA if self.variable == ABSOLUTE else 0
            gauge_pa = max(0.0, self.current * PA_PER_PSI - base_pa)
            wanted = self._unit.gas.nominal_sccm / 1000 * gauge_pa / self._unit.gas.nominal_pa
        return min(max(wanted, 0.0), MOST_OVER * self.full_scale)


def emitted_nl(cup: Cup) -> int:
    """Return what has left a cup as aerosol, in nL of the solution as filled."""
    return cup.emitted_al // AL_PER_NL
