"""A device's own calibration: what a saline run said of its rate."""

import math
from dataclasses import dataclass, replace
from enum import Enum

from nebctl.core.dose.model import DeviceModel
from nebctl.core.units import PartsPerMillion

LEAST_SIGMA_PPM = 15_000
"""No saline run tells a rate better than this: drops, film and the moment of the end remain."""
SHARE_SIGMA_PPM, LEAST_SHARE_SIGMA_PPM = 30_000, 10_000
"""How well a jet's aerosol share is known where nobody said, and at best."""


class By(Enum):
    """How the rate was found: a known volume timed to its end, or the loss of weight over time."""

    TIME = "time"
    BALANCE = "balance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The rate of one device with its standard deviation, both in nL/s of aerosol.

    `share_ppm` is a jet's calibrated aerosol share f of what leaves the cup, None where it was not measured, and
    `share_sigma_ppm` its standard deviation. `age_days` is how old the calibration is when it is used, `drift_ppm` the
    standard deviation that each day of it adds to the rate. `seq` is the calibration record, None for one from a file.
    """

    rate_nl_per_s: int
    sigma_nl_per_s: int
    method: By
    share_ppm: PartsPerMillion | None = None
    share_sigma_ppm: PartsPerMillion | None = None
    age_days: int = 0
    drift_ppm: PartsPerMillion = 0
    seq: int | None = None

    @property
    def sigma_ppm(self) -> PartsPerMillion:
        """Return the standard deviation of ln(rate) today: that of the saline run, and what the days since have added.

        The drift is taken as straight: a mesh that clogs goes on clogging, so a day adds its share and not its square.
        """
        measured = self.sigma_nl_per_s * 1_000_000 / self.rate_nl_per_s
        return max(1, math.ceil(math.hypot(measured, self.drift_ppm * self.age_days)))


def with_calibration(model: DeviceModel, calibration: Calibration) -> DeviceModel:
    """Return what is known of a device after its calibration."""
    known = replace(
        model,
        rate_nl_per_s=calibration.rate_nl_per_s,
        sigma_ppm=max(LEAST_SIGMA_PPM, calibration.sigma_ppm),
        calibration=calibration.seq,
        calibrated=True,
    )
    if calibration.share_ppm is None or not model.dries:
        return known
    sigma = SHARE_SIGMA_PPM if calibration.share_sigma_ppm is None else calibration.share_sigma_ppm
    return replace(
        known, aerosol_share_best_ppm=calibration.share_ppm, share_sigma_ppm=max(LEAST_SHARE_SIGMA_PPM, sigma)
    )
