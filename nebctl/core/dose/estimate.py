"""The first estimate of the emitted volume: the device's own on-time at a rate that is known only within a factor.

    emitted = rate x on-time,    ln(rate) ~ Normal(ln(nominal or calibrated rate), sigma)

A jet dries what it sprays: only a share f of what leaves the cup is aerosol, and the solution left behind thickens.
Emitted is counted in the solution as filled, so what a cup emits on its way from V0 to V is

    emitted = V0 x (1 - (V / V0)^f),    V = V0 - rate x on-time / f

which for a mesh, f = 1, is the volume that has left. The interval holds 95 % of the rate's distribution and every f of
its range, cut at what the cup can have held. Floats live here alone and are rounded against the claim: the low end
down, the high end up.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from nebctl.core.device import DeviceReport, Output
from nebctl.core.dose.charge import Charge, Interval, Residual, balance
from nebctl.core.units import WHOLE_PPM, Nanolitres, PartsPerMillion

NAME = "on-time/1"
Z95 = 1.96  # two-sided 95 % of a normal distribution
Z999 = 3.29  # two-sided 99.9 %
CLASS_SIGMA_PPM = 200_000
"""A calibrated device may have clogged since: its time is held against a charge as loosely as its class asks."""
SWEEP_MS = 3_000
"""How long one start may sweep for resonance before anything is emitted. Source: docs/wire-protocol.md, section 7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceModel:
    """What is known of a device before the dose.

    `rate_nl_per_s` is its typical rate, `sigma_ppm` the standard deviation of ln(rate) in millionths. `calibration` is
    the seq of the calibration record that the rate comes from; None means the prior of the device class.
    `complete_left_ppm` is the largest share of the charge that a completed run leaves in the cup. `leaves_best_ppm` and
    `leaves_high_ppm` are the share that a completed run usually leaves, and at most in 95 of 100 runs: tracking never
    claims that this part has been emitted. `aerosol_share_*_ppm` is the aerosol's share f of what leaves the cup, the
    whole for a mesh. `operator_ends` says that a person's word counts as end-of-dose evidence, as it does for a jet.
    """

    name: str
    rate_nl_per_s: int
    sigma_ppm: PartsPerMillion
    complete_left_ppm: PartsPerMillion = 100_000
    leaves_best_ppm: PartsPerMillion = 32_000
    leaves_high_ppm: PartsPerMillion = 61_000
    aerosol_share_low_ppm: PartsPerMillion = WHOLE_PPM
    aerosol_share_best_ppm: PartsPerMillion = WHOLE_PPM
    aerosol_share_high_ppm: PartsPerMillion = WHOLE_PPM
    operator_ends: bool = False
    calibration: int | None = None
    calibrated: bool = False

    @property
    def dries(self) -> bool:
        """Return whether part of what leaves the cup is vapour."""
        return self.aerosol_share_low_ppm < WHOLE_PPM


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseEstimate:
    """What has left the nebulizer so far, by on-time alone.

    `emitted` is cut at the charge; `reach_nl` is the uncut upper end of what left the cup, so that a device which ran
    far too short shows. `starts` counts the starts, each of which may sweep before it emits. `dry` is the device's own
    end-of-dose evidence; `end_seen_by` is the operator who saw the end, "" where nobody said so. `goal_nl` is what a
    completed run usually emits, 0 before the first reading. `outran`: it ran longer than the charge can explain, even
    for a very slow device, so that the cup must have held more.
    """

    on_ms: int
    starts: int
    emitted: Interval
    reach_nl: Nanolitres
    rate_nl_per_s: int
    dry: bool = False
    end_seen_by: str = ""
    goal_nl: Nanolitres = 0
    outran: bool = False


NOTHING = DoseEstimate(on_ms=0, starts=0, emitted=Interval(low_nl=0, best_nl=0, high_nl=0), reach_nl=0, rate_nl_per_s=0)


def started(estimate: DoseEstimate) -> DoseEstimate:
    """Return the estimate after one more start, whose sweep may have emitted nothing."""
    return replace(estimate, starts=estimate.starts + 1)


def track(estimate: DoseEstimate, report: DeviceReport, charge: Charge, model: DeviceModel) -> DoseEstimate:
    """Return the estimate after one reading of the device; its bounds never fall (S33)."""
    on_ms = max(estimate.on_ms, report.on_ms)
    factor = math.exp(Z95 * model.sigma_ppm / 1e6)
    top, share = charge.volume, model.aerosol_share_best_ppm
    reach = math.ceil(model.rate_nl_per_s * on_ms / 1000 * factor * (WHOLE_PPM / model.aerosol_share_low_ppm))
    likely = model.rate_nl_per_s * on_ms * WHOLE_PPM // (1000 * share)
    goal = _emitted(top.best_nl, _less(top.best_nl, model.leaves_best_ppm), share, math.floor)
    usual = _emitted(top.best_nl, min(likely, _less(top.best_nl, model.leaves_best_ppm)), share, math.floor)
    most = _emitted(top.high_nl, min(reach, top.high_nl), model.aerosol_share_low_ppm, math.ceil)
    high = max(estimate.emitted.high_nl, most)
    best = max(estimate.emitted.best_nl, min(usual, high))
    surely_ms = max(0, on_ms - SWEEP_MS * max(1, estimate.starts))
    low = max(estimate.emitted.low_nl, min(_surely(surely_ms, factor, charge, model), best))
    return replace(
        estimate,
        on_ms=on_ms,
        emitted=Interval(low_nl=low, best_nl=best, high_nl=high),
        reach_nl=max(estimate.reach_nl, reach),
        rate_nl_per_s=model.rate_nl_per_s if report.output is not Output.OFF else 0,
        dry=bool(report.dry),
        goal_nl=goal,
        outran=estimate.outran or _outruns(surely_ms, charge, model),
    )


def _outruns(surely_ms: int, charge: Charge, model: DeviceModel) -> bool:
    """Return whether even one device in a thousand would have emptied the charge by now."""
    slowest = math.exp(Z999 * max(model.sigma_ppm, CLASS_SIGMA_PPM) / 1e6)
    return model.rate_nl_per_s * surely_ms / 1000 / slowest > charge.volume.high_nl


def _surely(surely_ms: int, factor: float, charge: Charge, model: DeviceModel) -> Nanolitres:
    """Return what has been emitted at least; a dry gas empties the cup early, a moist one makes less vapour."""
    most_lost = _less(charge.volume.low_nl, model.leaves_high_ppm)
    return min(
        _emitted(
            charge.volume.low_nl,
            min(math.floor(model.rate_nl_per_s * surely_ms / 1000 / factor * (WHOLE_PPM / share)), most_lost),
            share,
            math.floor,
        )
        for share in (model.aerosol_share_low_ppm, model.aerosol_share_high_ppm)
    )


def _emitted(
    filled_nl: Nanolitres, lost_nl: Nanolitres, share_ppm: PartsPerMillion, to_whole: Callable[[float], int]
) -> Nanolitres:
    """Return what a cup emits that loses `lost_nl` of `filled_nl`; without vapour exactly what it loses."""
    if share_ppm == WHOLE_PPM or lost_nl >= filled_nl:
        return lost_nl
    return to_whole(filled_nl * -math.expm1(share_ppm / WHOLE_PPM * math.log1p(-lost_nl / filled_nl)))


def ran_dry_early(estimate: DoseEstimate, charge: Charge, model: DeviceModel) -> bool:
    """Return whether a dry device surely has more left than a completed run leaves: a premature stop (S29)."""
    return estimate.dry and estimate.reach_nl < _less(charge.volume.low_nl, model.complete_left_ppm)


def seconds_left(estimate: DoseEstimate, charge: Charge) -> int | None:
    """Return about how many seconds of running are left; None while nothing runs."""
    if not estimate.rate_nl_per_s:
        return None
    goal_nl = min(charge.volume.best_nl, estimate.goal_nl)
    return max(0, goal_nl - estimate.emitted.best_nl) // estimate.rate_nl_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The dose after the residual was measured or refused.

    `final` is what the verdict is about; `tracked` what on-time alone said. `witnesses` name the independent evidence.
    `complete` needs two of them that agree (S17); `contradiction` says that residual and tracking exclude each other.
    """

    final: Interval
    tracked: Interval
    witnesses: tuple[str, ...]
    complete: bool
    partial: bool
    contradiction: bool = False


def settle(estimate: DoseEstimate, charge: Charge, residual: Residual | None, model: DeviceModel) -> Settled:
    """Return the settled dose: the volume balance where the residual was measured, else what was tracked.

    A residual that tracking excludes leaves both values standing: the interval then spans both. A run that the charge
    cannot explain proves the charge wrong, and then nothing is certain, not even the low end.
    """
    tracked, seen = estimate.emitted, model.operator_ends and bool(estimate.end_seen_by)
    witnesses = (("dry",) if estimate.dry else ()) + (("operator-end",) if seen else ())
    if estimate.outran:
        doubtful = Interval(low_nl=0, best_nl=tracked.best_nl, high_nl=charge.volume.high_nl)
        return Settled(
            final=doubtful, tracked=tracked, witnesses=witnesses, complete=False, partial=False, contradiction=True
        )
    if residual is None:
        return _settle_by_time(estimate, charge, witnesses, model)
    drawn = _drawn(charge, residual, model)
    if not drawn.overlaps(tracked):
        spanned = Interval(
            low_nl=min(drawn.low_nl, tracked.low_nl),
            best_nl=drawn.best_nl,
            high_nl=max(drawn.high_nl, tracked.high_nl),
        )
        return Settled(
            final=spanned, tracked=tracked, witnesses=witnesses, complete=False, partial=False, contradiction=True
        )
    left = residual.volume.high_nl * WHOLE_PPM <= charge.volume.best_nl * model.complete_left_ppm
    return Settled(
        final=drawn,
        tracked=tracked,
        witnesses=(*witnesses, "residual"),
        complete=(estimate.dry or seen) and left,
        partial=not left,
    )


def _settle_by_time(estimate: DoseEstimate, charge: Charge, witnesses: tuple[str, ...], model: DeviceModel) -> Settled:
    """Return the dose without a residual; a jet is never complete without one, for it always leaves much (S17)."""
    least = _less(charge.volume.low_nl, model.complete_left_ppm)
    enough = model.calibrated and not model.dries and estimate.emitted.low_nl >= least
    return Settled(
        final=estimate.emitted,
        tracked=estimate.emitted,
        witnesses=(*witnesses, "calibrated-time") if enough else witnesses,
        complete=estimate.dry and enough,
        partial=min(estimate.reach_nl, charge.volume.high_nl) < least,
    )


def _drawn(charge: Charge, residual: Residual, model: DeviceModel) -> Interval:
    """Return what was emitted by the volume balance; for a mesh, exactly charge less residual."""
    lost, filled = balance(charge, residual), charge.volume
    return Interval(
        low_nl=_emitted(filled.low_nl, lost.low_nl, model.aerosol_share_low_ppm, math.floor),
        best_nl=_emitted(filled.best_nl, lost.best_nl, model.aerosol_share_best_ppm, math.floor),
        high_nl=_emitted(filled.high_nl, lost.high_nl, model.aerosol_share_high_ppm, math.ceil),
    )


def _less(volume_nl: Nanolitres, share_ppm: PartsPerMillion) -> Nanolitres:
    """Return the volume without a share of it, rounded down."""
    return volume_nl * (WHOLE_PPM - share_ppm) // WHOLE_PPM
