"""The estimate, reading by reading: how much has been emitted, how sure that is, and what was found on the way.

A small state is carried from one reading to the next: the driving time, what the balance told, the evidence of the end,
and the pace. From these the interval is worked out anew each time, so that it holds what the device can have done and
not more. Floats live here alone and are rounded against the claim: the low end down, the high end up.
"""

import math
from dataclasses import dataclass, replace
from enum import Enum

from nebctl.core.dose.charge import Charge, Interval
from nebctl.core.dose.evidence import NO_EVIDENCE, Evidence, fade, weigh
from nebctl.core.dose.exposure import UNEXPOSED, Exposure, expose
from nebctl.core.dose.falls import Fall, Moved, bounded
from nebctl.core.dose.knowledge import know
from nebctl.core.dose.known import NOTHING_KNOWN, Known
from nebctl.core.dose.model import DeviceModel, Kind
from nebctl.core.dose.pace import UNPACED, Pace, pace
from nebctl.core.dose.reading import Doing, Reading
from nebctl.core.dose.weight import UNWEIGHED, Weighed, balance_reads, spilled_nl
from nebctl.core.units import WHOLE_PPM, Nanolitres

NAME = "bell/8"
EARLY_RAISED = 0.5
"""A dry mesh that has more left than a completed run with this probability is asked after."""
CONTRADICTED = 3.3
"""Time or witnesses so many standard deviations apart contradict each other."""
JET_CONTRADICTED = 4.0
LITTLE = 0.6
"""A balance that saw less than this share of what a calibrated clock explains: a rate that falls to half and a pan that
sticks cannot be told apart."""
LONG_MS = 60_000
FADES_NL = 100_000
KEPT_FALLS = 8


class Code(Enum):
    """What the estimator may find while it follows a dose."""

    PREMATURE_DRY = "premature-dry"
    RATE_LOW = "rate-low"
    RATE_HIGH = "rate-high"
    WEIGHT_STEP = "weight-step"
    CHARGE_CONTRADICTED = "charge-contradicted"


ZERO = Interval(low_nl=0, best_nl=0, high_nl=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseEstimate:
    """What has left the nebulizer so far, in nanolitres of the solution as filled.

    `emitted` is the 95 % interval. `end_seen_by` is the operator who saw the end, "" where nobody said so. `goal_nl` is
    what a completed run usually emits, 0 before the first reading. `found` are the findings in force, each once in the
    order in which they came. `falls` are the last times that a bound fell, with the witness that said so.
    """

    emitted: Interval = ZERO
    rate_nl_per_s: int = 0
    goal_nl: Nanolitres = 0
    end_seen_by: str = ""
    exposure: Exposure = UNEXPOSED
    evidence: Evidence = NO_EVIDENCE
    weighed: Weighed = UNWEIGHED
    pace: Pace = UNPACED
    known: Known = NOTHING_KNOWN
    found: tuple[Code, ...] = ()
    falls: tuple[Fall, ...] = ()

    @property
    def on_ms(self) -> int:
        """Return the driving time in milliseconds."""
        return self.exposure.on_ms

    @property
    def dry(self) -> bool:
        """Return whether the device itself gives evidence of the end of the dose."""
        return self.evidence.ended

    @property
    def added_nl(self) -> Nanolitres:
        """Return what the balance saw being added to the cup in mid-dose, 0 where nothing was."""
        return max(0, -spilled_nl(self.weighed))

    @property
    def outran(self) -> bool:
        """Return whether time and charge, or time and weight, contradict each other."""
        return Code.CHARGE_CONTRADICTED in self.found


NOTHING = DoseEstimate()


def track(estimate: DoseEstimate, reading: Reading, charge: Charge, model: DeviceModel) -> DoseEstimate:
    """Return the estimate after one reading; low and best fall only where a named witness says so (S33)."""
    before, before_pace = estimate.exposure, estimate.pace
    evidence = weigh(estimate.evidence, reading, model)
    # A mesh that says it is dry emits no more, however long it is driven on.
    driven = reading if not (evidence.ended and model.kind is Kind.MESH) else replace(reading, doing=_idle(reading))
    exposure = expose(before, driven, model, spits=evidence.spits)
    loses = model.rate_nl_per_s * WHOLE_PPM / model.aerosol_share_best_ppm
    sigma = math.hypot(model.sigma_ppm, model.run_sigma_ppm) / WHOLE_PPM
    weighed = balance_reads(estimate.weighed, reading, exposure, rate=loses, rate_sigma=sigma)
    if model.kind is Kind.JET and weighed.readings:
        little = charge.volume.best_nl - weighed.lost_nl < model.most_left_nl(charge.volume.best_nl) + FADES_NL
        evidence = fade(
            evidence,
            loses=weighed.rate,
            lost_before=before_pace.usual,
            little_left=little,
            runs=reading.doing is Doing.RUNNING,
        )
    known = know(
        exposure,
        weighed,
        charge,
        model,
        ended=evidence.ended,
        steady=not (before_pace.slow or before_pace.fast),
        tells=evidence.tells,
    )
    kept = model.usual_left_nl(charge.volume.best_nl) if model.kind is Kind.MESH else 0
    left = charge.volume.best_nl - kept - (known.weight[0] if known.weight else loses * exposure.best_s)
    paced = pace(estimate.pace, exposure, weighed, model, left_nl=left, spits=evidence.spits)
    moved = Moved(exposure.at_ms, evidence, weighed, known)
    emitted, fall = bounded(moved, estimate.emitted, charge, model, ended=estimate.evidence.ended)
    now = DoseEstimate(
        emitted=emitted,
        rate_nl_per_s=_rate(exposure, weighed, model, loses),
        goal_nl=model.usually_emits_nl(charge.volume.best_nl),
        end_seen_by=estimate.end_seen_by,
        exposure=exposure,
        evidence=evidence,
        weighed=weighed,
        pace=paced,
        known=known,
        found=estimate.found,
        falls=estimate.falls if fall is None else (*estimate.falls, fall)[-KEPT_FALLS:],
    )
    return _found(now, model)


def _idle(reading: Reading) -> Doing:
    return Doing.PAUSED if reading.doing is Doing.RUNNING else reading.doing


def _rate(exposure: Exposure, weighed: Weighed, model: DeviceModel, loses: float) -> int:
    """Return the present rate of aerosol in nL/s, 0 while nothing runs."""
    if exposure.doing is not Doing.RUNNING:
        return 0
    if weighed.readings and loses > 0:
        return round(weighed.rate * model.rate_nl_per_s / loses)
    return round(model.rate_nl_per_s * min(1.0, exposure.gas_share))


def _found(moved: DoseEstimate, model: DeviceModel) -> DoseEstimate:
    """Return the estimate with what has been found by now; what was found stays, but a premature stop that ran on."""
    known = moved.known
    weighs = (
        model.kind is Kind.MESH and model.calibrated and known.weight is not None and moved.exposure.on_ms > LONG_MS
    )
    found = [code for code in moved.found if code is not Code.PREMATURE_DRY or moved.evidence.ended]
    for code, holds in (
        (Code.PREMATURE_DRY, moved.evidence.ended and known.early_at_least > EARLY_RAISED),
        (Code.RATE_LOW, moved.pace.slow or (weighs and known.apart < -CONTRADICTED)),
        (Code.RATE_HIGH, moved.pace.fast or (weighs and known.apart > CONTRADICTED)),
        (Code.WEIGHT_STEP, bool(spilled_nl(moved.weighed))),
        (Code.CHARGE_CONTRADICTED, _contradicts(known, model, ended=moved.evidence.ended)),
    ):
        if holds and code not in found:
            found.append(code)
    return moved if tuple(found) == moved.found else replace(moved, found=tuple(found))


def _contradicts(known: Known, model: DeviceModel, *, ended: bool) -> bool:
    """Return whether what is known cannot all be so.

    The cup held more than was said, no rate explains the loss, or a balance saw much less leave than the time explains.
    """
    if model.kind is Kind.JET:
        return ended and (known.apart > JET_CONTRADICTED or _weighs_little(known))
    if known.weight is None:
        return ended and known.past > CONTRADICTED
    leaks = model.calibrated and ended and known.apart > CONTRADICTED
    return known.past > CONTRADICTED or leaks or (model.calibrated and ended and _weighs_little(known))


def _weighs_little(known: Known) -> bool:
    """Return whether a balance saw so little leave that it is stuck or too coarse, or the device gave far too little.

    Of a jet too, if all that left were aerosol.
    """
    if known.time is None or known.weight is None:
        return False
    return known.weight[0] + 2 * known.weight[1] < LITTLE * known.time[0]


def ran_dry_early(estimate: DoseEstimate) -> bool:
    """Return whether a device that says it is dry has probably more left than usual: a premature stop (S29)."""
    return Code.PREMATURE_DRY in estimate.found


def seconds_left(estimate: DoseEstimate, charge: Charge) -> int | None:
    """Return about how many seconds of running are left; None while nothing runs."""
    if not estimate.rate_nl_per_s:
        return None
    goal_nl = min(charge.volume.best_nl, estimate.goal_nl)
    return max(0, goal_nl - estimate.emitted.best_nl) // estimate.rate_nl_per_s
