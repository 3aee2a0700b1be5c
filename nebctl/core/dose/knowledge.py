"""What time, weight and end-of-dose evidence together say of the emitted volume."""

from nebctl.core.dose.charge import Charge
from nebctl.core.dose.exposure import Exposure
from nebctl.core.dose.jet import know_jet
from nebctl.core.dose.known import NOTHING_KNOWN, Known, by_time, cup_of, stories_of
from nebctl.core.dose.mesh import know_mesh
from nebctl.core.dose.model import DeviceModel, Kind
from nebctl.core.dose.reading import Doing
from nebctl.core.dose.weight import Weighed, lost, spilled_nl, unseen_nl
from nebctl.core.units import WHOLE_PPM

CHANGED = 0.3


def gap_nl(exposure: Exposure, weighed: Weighed, rate: float) -> tuple[float, float]:
    """Return how much less, and more, may have left the cup in times in which nobody heard the device."""
    known = [since - missed for since, missed in zip(weighed.unsure_s, weighed.missed_s, strict=True)]
    less, more = known if weighed.started else (0.0, 0.0)
    under, over = exposure.best_s - exposure.least_s - less, exposure.most_s - exposure.best_s - more
    return rate * max(0.0, under), rate * max(0.0, over)


def know(
    exposure: Exposure, weighed: Weighed, charge: Charge, model: DeviceModel, *, ended: bool, steady: bool, tells: bool
) -> Known:
    """Return what is known now; `ended`: the device shows the end of the dose; `steady`: its rate is as it was.

    `tells`: a dry mesh would be noticed."""
    if exposure.best_s <= 0 and not weighed.started and exposure.most_s <= 0:
        return NOTHING_KNOWN
    cup = cup_of(charge, model, spilled_nl(weighed))
    time = by_time(exposure, model)
    if not steady and weighed.readings:  # the rate is not the calibrated one any more: the balance alone knows
        time = time[0], max(time[1], CHANGED * time[0])
    rate = model.rate_nl_per_s * WHOLE_PPM / model.aerosol_share_best_ppm
    gap = gap_nl(exposure, weighed, rate)
    weight = (
        lost(weighed, exposure.best_s, rate, runs=exposure.doing is Doing.RUNNING)
        if weighed.started and weighed.readings
        else None
    )
    stories = stories_of(time, exposure, model)
    if model.kind is Kind.JET:
        return know_jet(gap, time, stories, weight, cup, model, ended=ended)
    return know_mesh(gap, time, stories, weight, unseen_nl(weighed), cup, model, ended=ended, tells=tells)
