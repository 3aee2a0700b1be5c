"""A device's own calibration: what a saline run said of its rate."""

from dataclasses import dataclass, replace
from enum import Enum

from nebctl.core.dose.estimate import DeviceModel
from nebctl.core.units import PartsPerMillion


class By(Enum):
    """How the rate was found: a known volume timed to its end, or the loss of weight over time."""

    TIME = "time"
    BALANCE = "balance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The rate of one device with its standard deviation, both in nL/s of aerosol.

    `share_ppm` is a jet's calibrated aerosol share f of what leaves the cup, None where it was not measured. `age_days`
    is how old the calibration is when it is used. `seq` is the calibration record, None for one from a file.
    """

    rate_nl_per_s: int
    sigma_nl_per_s: int
    method: By
    share_ppm: PartsPerMillion | None = None
    age_days: int = 0
    seq: int | None = None


def with_calibration(model: DeviceModel, calibration: Calibration) -> DeviceModel:
    """Return what is known of a device after its calibration."""
    sigma_ppm = max(1, calibration.sigma_nl_per_s * 1_000_000 // calibration.rate_nl_per_s)
    return replace(
        model,
        rate_nl_per_s=calibration.rate_nl_per_s,
        sigma_ppm=sigma_ppm,
        calibration=calibration.seq,
        calibrated=True,
    )
