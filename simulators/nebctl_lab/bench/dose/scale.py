"""The balance under the cup: the simulated pan, with what stands on it and what disturbs it."""

import random
from collections.abc import Callable
from dataclasses import replace

from nebctl_lab.bench.dose.run import Stress
from nebctl_simulators.balance.pan import Make, Pan

FINE = Make()
COARSE = Make(capacity_ug=2_200_000_000, step_ug=10_000, noise_ug=5_000)
NS_PER_S = 1_000_000_000
SCALE_ERROR = 0.007
"""What of a run's loss of weight is not what left as aerosol: density, condensate that runs back, the pull of a hose.

A planning figure: such balances are said to be right to 2 or 3 %, drips included, and drips are a stress of their own.
"""


class Scale:
    """A balance whose zero nobody knows; `load` gives what the cup holds in ug at any moment."""

    def __init__(self, chance: random.Random, stress: Stress, load: Callable[[], int]) -> None:
        make = chance.choice((FINE, COARSE))
        if stress is Stress.NOISE:
            make = replace(make, noise_ug=2 * make.noise_ug)
        self._pan = Pan(make, chance.getrandbits(30), load)
        self._zero_ug = make.step_ug * (chance.randint(-30_000_000, 60_000_000) // make.step_ug)
        self._bouts = _draw_bouts(chance) if stress is Stress.DRIPS else ()
        drifts = chance.random() < 0.25
        self._pan.trouble = replace(self._pan.trouble, drifts=drifts, tubing=stress is Stress.HOSE)
        self._scale = chance.gauss(1, SCALE_ERROR)
        self._step_ug = make.step_ug
        self._at_ns = 0

    def advance(self, dt_ns: int) -> None:
        """Let time pass."""
        self._at_ns += dt_ns
        at_s = self._at_ns / NS_PER_S
        drips = any(begin <= at_s < begin + lasts for begin, lasts in self._bouts)
        if drips is not self._pan.trouble.drips:
            self._pan.trouble = replace(self._pan.trouble, drips=drips)
        self._pan.advance(dt_ns)

    def touch(self, *, on: bool) -> None:
        """Lay a hand on the pan, or take it away."""
        self._pan.trouble = replace(self._pan.trouble, hand=on)

    def read_ug(self) -> int:
        """Return the reading."""
        net_ug = round(self._pan.net_ug * self._scale / self._step_ug) * self._step_ug
        return net_ug + self._zero_ug


def _draw_bouts(chance: random.Random) -> tuple[tuple[float, float], ...]:
    """Return when condensate drips, and for how long: two to five drops in all, as 60 to 90 mg spoil a weighing."""
    return tuple((chance.uniform(10, 400), chance.uniform(3.5, 9)) for _ in range(chance.randint(1, 2)))
