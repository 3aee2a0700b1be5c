"""The weighing cell: what lies on the pan, how the reading settles, and what disturbs it. Weights in whole micrograms.

1 nL weighs 1 ug: the solution counts as water.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

NS_PER_S = 1_000_000_000
LAG_S = 0.25
CALM_NS = NS_PER_S
DRIFT_UG_S = 20.0
DRIP_UG, DRIP_NS = 20_000, 3 * NS_PER_S
HOSE_UG, HOSE_NS = 30_000, 20 * NS_PER_S
HAND_UG, PAN_UG = 300_000_000, 50_000_000
NOISE_NS = 100_000_000  # readings within this much plant time see the same noise
OVER_STEPS = 9  # so many steps above its capacity a balance still shows
"""All assumed, typical of an analytical balance; the steps above capacity are those of the verified ones.

A hose pulls with a part of the 60 to 90 mg by which drips, hoses and condensate spoil the weighing of 3 mL.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Make:
    """What was bought: capacity, readability (the step of the display) and the reading's scatter (one sigma)."""

    capacity_ug: int = 220_000_000
    step_ug: int = 100
    noise_ug: int = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong on and around the pan at a moment.

    A hand on it weighs 300 g, a missing pan as much less as it weighs; drips fall every 3 s, 20 mg each. A hose
    (`tubing`) pulls with some 30 mg, up or down, which stay until it slips: every 20 s.
    """

    shakes: bool = False
    drifts: bool = False
    drips: bool = False
    no_pan: bool = False
    hand: bool = False
    tubing: bool = False


class Pan:
    """The pan and its cell; `load` gives what lies there in ug at any moment."""

    def __init__(self, make: Make, seed: int, load: Callable[[], int]) -> None:
        self.make = make
        self.trouble = Trouble()
        self._seed = seed
        self._load = load
        self._drift_ug = 0.0
        self._drips_ns = 0
        self._at_ns = 0
        self._settled_ug = 0.0
        self._calm_ns = 0
        self.restart()

    def restart(self) -> None:
        """Come up after a loss of power: what lies there now is zero."""
        self._settled_ug = float(self.true_ug)
        self._calm_ns = CALM_NS
        self.first_zero_ug = self.zero_ug = round(self._settled_ug)
        self.tare_ug = 0

    @property
    def true_ug(self) -> int:
        """What presses on the cell."""
        drips_ug = DRIP_UG * (self._drips_ns // DRIP_NS)
        upon_it_ug = HAND_UG * self.trouble.hand - PAN_UG * self.trouble.no_pan
        return self._load() + drips_ug + round(self._drift_ug) + upon_it_ug + self._pull_ug

    @property
    def is_stable(self) -> bool:
        """Whether the reading has settled."""
        return self._calm_ns >= CALM_NS and not self.trouble.shakes

    @property
    def gross_ug(self) -> int:
        """The reading above zero, with its noise, not yet in steps."""
        chance = random.Random(f"{self._seed}/{self._at_ns // NOISE_NS}")  # noqa: S311 - noise, not a secret
        noise = chance.gauss(0, self.make.noise_ug * (50 if self.trouble.shakes else 1))
        return round(self._settled_ug + noise) - self.zero_ug

    @property
    def net_ug(self) -> int:
        """The reading above zero and tare, in steps of the display."""
        step = self.make.step_ug
        return step * round((self.gross_ug - self.tare_ug) / step)

    @property
    def range(self) -> str:
        """`+` above the range, `-` below it, else an empty text."""
        gross_ug, make = round(self._settled_ug) - self.zero_ug, self.make
        if gross_ug > make.capacity_ug + OVER_STEPS * make.step_ug:
            return "+"
        return "-" if gross_ug < -make.capacity_ug // 50 else ""

    def advance(self, dt_ns: int) -> None:
        """Let plant time pass; what others put on the pan is there all the while."""
        while dt_ns > (step_ns := self._even_ns()):
            self._settle(step_ns)
            dt_ns -= step_ns
        self._settle(dt_ns)

    @property
    def _pull_ug(self) -> int:
        if not self.trouble.tubing:
            return 0
        chance = random.Random(f"{self._seed}/hose/{self._at_ns // HOSE_NS}")  # noqa: S311 - a force, not a secret
        return round(chance.gauss(0, HOSE_UG))

    def _even_ns(self) -> int:
        """Return the time until the next drip, or the next slip of the hose."""
        drip_ns = DRIP_NS - self._drips_ns % DRIP_NS if self.trouble.drips else HOSE_NS
        return min(drip_ns, HOSE_NS - self._at_ns % HOSE_NS)

    def _settle(self, dt_ns: int) -> None:
        """Follow an even load, or one that drifts evenly, with the cell's lag."""
        seconds, drift_ug_s = dt_ns / NS_PER_S, DRIFT_UG_S if self.trouble.drifts else 0.0
        load_ug, half_ug = self.true_ug, self.make.step_ug / 2
        gap_ug = self._settled_ug - load_ug
        behind_ug = drift_ug_s * LAG_S
        self._settled_ug = (
            load_ug + drift_ug_s * seconds - behind_ug + (gap_ug + behind_ug) * math.exp(-seconds / LAG_S)
        )
        self._at_ns += dt_ns
        self._drift_ug += drift_ug_s * seconds
        self._drips_ns += dt_ns if self.trouble.drips else 0
        moving_ns = round(LAG_S * NS_PER_S * math.log(abs(gap_ug) / half_ug)) if abs(gap_ug) > half_ug else 0
        self._calm_ns = max(0, dt_ns - moving_ns) + (0 if moving_ns else self._calm_ns)

    def set_zero(self) -> None:
        """Take the present weight for zero; a tare is forgotten."""
        self.zero_ug, self.tare_ug = round(self._settled_ug), 0

    def in_zero_range(self) -> str:
        """Return `+` or `-` where the weight is too far from the first zero to be zeroed, else an empty text.

        Source: 2 % of the capacity, typical of verified balances; not checked against one model's manual.
        """
        off_ug = round(self._settled_ug) - self.first_zero_ug
        most_ug = self.make.capacity_ug // 50
        return "" if abs(off_ug) <= most_ug else "+" if off_ug > 0 else "-"

    def set_tare(self) -> None:
        """Take the present weight for the tare."""
        step = self.make.step_ug
        self.tare_ug = step * round(self.gross_ug / step)
