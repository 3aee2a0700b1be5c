"""What a clock denies, and what it cannot vouch for: where a residual or a charge alone would narrow a dose too far."""

import math

from nebctl.core.dose.charge import Interval
from nebctl.core.dose.estimate import CONTRADICTED, Code, DoseEstimate
from nebctl.core.dose.exposure import start_delay_s
from nebctl.core.dose.model import DeviceModel, Kind
from nebctl.core.units import WHOLE_PPM


def denies(estimate: DoseEstimate, drawn: Interval, model: DeviceModel, *, left: bool) -> bool:
    """Return whether a mesh's clock denies what a residual says: it called the stop early, or each is beside the other.

    `left`: the residual says that much was left.
    What is neither in the cup nor explained by the time may have been spilled.
    """
    if model.kind is Kind.JET or estimate.known.weight is not None:
        return False
    tracked = estimate.emitted
    beside = not (
        tracked.low_nl <= drawn.best_nl <= tracked.high_nl or drawn.low_nl <= tracked.best_nl <= drawn.high_nl
    )
    return beside or (Code.PREMATURE_DRY in estimate.found and not left)


def unvouched(final: Interval, estimate: DoseEstimate, model: DeviceModel) -> Interval:
    """Return the interval of a mesh where nothing vouches for the amount: down to what its slowest rate explains.

    A dry cup may have been spilled, and the clock of a class's rate cannot tell. The slowest rate is the last one that
    the charge does not contradict, so that no such dose is WITHIN by its charge alone.
    """
    if model.kind is Kind.JET:
        return final
    if estimate.known.late and not estimate.evidence.ended:  # it should be dry by now, and nothing says that it is
        return Interval(low_nl=0, best_nl=final.best_nl, high_nl=final.high_nl)
    driven_s = max(0.0, estimate.exposure.least_s - start_delay_s(estimate.exposure, model.kind)[0])
    slowest = math.exp(-CONTRADICTED * math.hypot(model.sigma_ppm, model.run_sigma_ppm) / WHOLE_PPM)
    least_nl = math.floor(model.rate_nl_per_s * driven_s * slowest)
    return Interval(low_nl=min(final.low_nl, least_nl), best_nl=final.best_nl, high_nl=final.high_nl)
