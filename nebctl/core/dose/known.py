"""What is known of the emitted volume, and the parts that it is worked out from: the cup, and what time explains."""

import math
from functools import lru_cache
from typing import NamedTuple

from nebctl.core.dose.belief import spread_of
from nebctl.core.dose.charge import Charge
from nebctl.core.dose.exposure import COLD_SIGMA_PER_K, SPUTTER_SIGMA, WEAK_SINCE, Exposure, start_delay_s, weakness
from nebctl.core.dose.model import DeviceModel, Kind
from nebctl.core.units import WHOLE_PPM

FRESH, FRESH_SIGMA, FRESH_S = 0.06, 0.02, 120.0
"""A jet gives more while its cup is still warm, by 6 % +- 4.5 % with a time constant of 2 min.

Source: solution cools by 8 to 15 degrees within 2 to 5 min and output falls with it (Phipps and Gonda, Chest
1990;97:1327, gives the principle); how much it falls is a planning figure.
"""


WEAK_SIGMA = 0.45
"""Between a compressor that was weak when the jet was calibrated and one that became so: a standard deviation."""


CHILLED, CHILLED_LESS, CHILLED_SIGMA, WARMS_S = 0.1, 0.36, 0.4, 300.0
"""One kit in ten is thought to come from the refrigerator where no sensor tells: 18 degrees below 22 °C, which takes
36 % of a mesh's rate at first, +- 40 % of that, and less as it warms, by a time constant of 5 min; planning figures.
"""
Story = tuple[float, float, float]
"""A volume in nL as mean and standard deviation, and how likely it is that this is what happened."""


class Known(NamedTuple):
    """What is known of the emitted volume after one reading, in nL.

    `low`, `best` and `high` are the 95 % interval. `time` and `weight` are (mean, standard deviation) of what each says
    alone of what left the cup, None where it says nothing. `early` is the probability that more than a completed run's
    share is still in the cup, `very_early` that it is twice that, with what a device may have stood still unheard; both
    are 0.0 while nothing speaks for the end.
    `early_at_least` is the first where the device ran through all the time in which nobody heard it.
    `apart` is how many standard deviations the weight's loss is above the time's, below zero where it is less; of a
    jet, how far time, weight and end are from any aerosol share. `past` is how many the run went on after the charge
    should have been gone; `late` says that the cup should be at its end by now and is not.
    """

    low: float
    best: float
    high: float
    time: tuple[float, float] | None = None
    weight: tuple[float, float] | None = None
    early: float = 0.0
    early_at_least: float = 0.0
    very_early: float = 0.0
    apart: float = 0.0
    past: float = 0.0
    late: bool = False


NOTHING_KNOWN = Known(low=0.0, best=0.0, high=0.0)


class Cup(NamedTuple):
    """The charge as mean and standard deviation, and what of it can leave, in nL."""

    filled: float
    filled_sigma: float
    available: float
    available_sigma: float


@lru_cache(maxsize=16)
def cup_of(charge: Charge, model: DeviceModel, gone_nl: int) -> Cup:
    """Return the charge and what of it this device can emit, as bells; `gone_nl` was spilled, below zero added."""
    volume = charge.volume
    sigma = max(1.0, (volume.high_nl - volume.low_nl) / 3.92)
    filled = max(1.0, float(volume.best_nl + max(0, -gone_nl)))
    share, share_sigma = model.leaves_best_ppm / WHOLE_PPM, model.leaves_sigma_ppm / WHOLE_PPM
    available = max(1.0, filled * (1 - share) - model.leaves_nl - max(0, gone_nl))
    spread = spread_of(((1 - share) * sigma, share_sigma * filled, model.leaves_sigma_nl))
    return Cup(filled, sigma, available, max(1.0, spread))


def by_time(exposure: Exposure, model: DeviceModel) -> tuple[float, float]:
    """Return mean and standard deviation of the aerosol that driving time alone explains."""
    delay, delay_sigma = start_delay_s(exposure, model.kind)
    driven = max(0.0, exposure.best_s - delay)
    if exposure.best_s <= 0:
        return 0.0, 1.0
    early = _early_share(driven) if model.kind is Kind.JET else 0.0
    unsure = WEAK_SIGMA * weakness(exposure, model) if model.calibrated else 0.0
    relative = spread_of((model.sigma_ppm / 1e6, model.run_sigma_ppm / 1e6, FRESH_SIGMA * early, unsure))
    driven *= 1 + FRESH * early
    cold = COLD_SIGMA_PER_K * exposure.cold_ks
    spread = spread_of((relative * driven, delay_sigma, cold, SPUTTER_SIGMA * exposure.spat_s))
    return model.rate_nl_per_s * driven, max(1.0, model.rate_nl_per_s * spread)


def stories_of(time: tuple[float, float], exposure: Exposure, model: DeviceModel) -> tuple[Story, ...]:
    """Return what `time` may stand for, each story with its probability; their sum may be narrower than `time`.

    A weak compressor was as weak when the jet was calibrated, or became so since. Where no sensor tells how warm a
    mesh's liquid is, it may have come from the refrigerator.
    """
    mean, sigma = time
    if mean <= 0:
        return ((mean, sigma, 1.0),)
    if model.kind is Kind.JET:
        return _of_a_compressor(mean, sigma, weakness(exposure, model) if model.calibrated else 0.0)
    return ((mean, sigma, 1.0),) if exposure.felt else _of_a_kit(mean, sigma, exposure.best_s)


def _of_a_compressor(mean: float, sigma: float, weak: float) -> tuple[Story, ...]:
    if not weak:
        return ((mean, sigma, 1.0),)
    as_then = mean / (1 - WEAK_SINCE * weak)
    relative = math.sqrt(max(0.0, (sigma / mean) ** 2 - (WEAK_SIGMA * weak) ** 2))
    return tuple((each, max(1.0, relative * each), 0.5) for each in (as_then, as_then * (1 - weak)))


def _of_a_kit(mean: float, sigma: float, driven_s: float) -> tuple[Story, ...]:
    less = CHILLED_LESS * WARMS_S / driven_s * -math.expm1(-driven_s / WARMS_S)
    cold = mean * (1 - less)
    return ((mean, sigma, 1 - CHILLED), (cold, spread_of((sigma * (1 - less), CHILLED_SIGMA * less * mean)), CHILLED))


def _early_share(driven_s: float) -> float:
    """Return the mean over a jet's run so far of what its first moment's warmth has faded to, 1.0 at first."""
    return FRESH_S / driven_s * -math.expm1(-driven_s / FRESH_S) if driven_s > 0 else 0.0
