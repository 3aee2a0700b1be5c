"""What the device did against what it should have done: a finding of its own, never merged with the verdict."""

import math
from enum import Enum

from nebctl.core.dose.charge import Charge, Residual
from nebctl.core.dose.estimate import Code, DoseEstimate
from nebctl.core.dose.exposure import start_delay_s
from nebctl.core.dose.model import DeviceModel, Kind
from nebctl.core.dose.settle import Settled
from nebctl.core.units import WHOLE_PPM

UNUSUAL = 2.58
"""A rate so many standard deviations from what is known of the device is not its own: one run in a hundred."""


class Conduct(Enum):
    """How the device behaved in one dose."""

    AS_EXPECTED = "as-expected"
    STOPPED_EARLY = "stopped-early"
    LEFT_MUCH = "left-much"
    SLOW = "slow"
    FAST = "fast"
    NOT_FINISHED = "not-finished"
    NOT_KNOWN = "not-known"


def conduct(
    settled: Settled, estimate: DoseEstimate, charge: Charge, residual: Residual | None, model: DeviceModel
) -> Conduct:
    """Return how the device behaved: whether it came to its end, and at the rate that is known of it.

    NOT_KNOWN where what is known contradicts itself, or where nothing but a class's rate could say so.
    """
    if settled.contradiction:
        return Conduct.NOT_KNOWN
    if Code.PREMATURE_DRY in estimate.found and not settled.complete:  # a residual may show that it ran to its end
        return Conduct.STOPPED_EARLY
    if not (estimate.dry or (model.operator_ends and estimate.end_seen_by)):
        return Conduct.NOT_FINISHED
    if residual and residual.volume.low_nl > model.most_left_nl(charge.volume.best_nl):
        return Conduct.LEFT_MUCH
    if not model.calibrated or model.kind is Kind.JET:  # a jet's rate cannot be told from its share of aerosol
        return Conduct.AS_EXPECTED if settled.complete else Conduct.NOT_KNOWN
    return _by_rate(settled, estimate, model)


def _by_rate(settled: Settled, estimate: DoseEstimate, model: DeviceModel) -> Conduct:
    driven = estimate.exposure.best_s - start_delay_s(estimate.exposure, model.kind)[0]
    if driven <= 0 or settled.final.best_nl <= 0:
        return Conduct.NOT_KNOWN
    off = math.log(settled.final.best_nl / driven / model.rate_nl_per_s)
    limit = UNUSUAL * math.hypot(model.sigma_ppm, model.run_sigma_ppm) / WHOLE_PPM
    if abs(off) <= limit:
        return Conduct.AS_EXPECTED
    return Conduct.SLOW if off < 0 else Conduct.FAST
