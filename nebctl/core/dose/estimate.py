"""The first estimate of the emitted volume: the device's own on-time at a rate that is known only within a factor.

    emitted = rate x on-time,    ln(rate) ~ Normal(ln(nominal or calibrated rate), sigma)

The interval holds 95 % of that distribution, cut at what the cup can have held. Floats live here alone and are rounded
against the claim: the low end down, the high end up.
"""

import math
from dataclasses import dataclass, replace

from nebctl.core.device import DeviceReport, Output
from nebctl.core.dose.charge import Charge, Interval, Residual, balance
from nebctl.core.units import Nanolitres, PartsPerMillion

NAME = "on-time/1"
Z95 = 1.96  # two-sided 95 % of a normal distribution
SWEEP_MS = 3_000
"""How long one start may sweep for resonance before anything is emitted. Source: docs/wire-protocol.md, section 7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceModel:
    """What is known of a device before the dose.

    `rate_nl_per_s` is its typical rate, `sigma_ppm` the standard deviation of ln(rate) in millionths. `calibration` is
    the seq of the calibration record that the rate comes from; None means the prior of the device class.
    `complete_left_ppm` is the largest share of the charge that a completed run leaves in the cup. `leaves_best_ppm` and
    `leaves_high_ppm` are the share that a completed run usually leaves, and at most in 95 of 100 runs: tracking never
    claims that this part has been emitted.
    """

    name: str
    rate_nl_per_s: int
    sigma_ppm: PartsPerMillion
    complete_left_ppm: PartsPerMillion = 100_000
    leaves_best_ppm: PartsPerMillion = 32_000
    leaves_high_ppm: PartsPerMillion = 61_000
    calibration: int | None = None
    calibrated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseEstimate:
    """What has left the nebulizer so far, by on-time alone.

    `emitted` is cut at the charge; `reach_nl` is the uncut upper end, so that a device which ran far too short shows.
    `starts` counts the starts, each of which may sweep before it emits. `dry` is the device's own end-of-dose evidence.
    """

    on_ms: int
    starts: int
    emitted: Interval
    reach_nl: Nanolitres
    rate_nl_per_s: int
    dry: bool = False


NOTHING = DoseEstimate(on_ms=0, starts=0, emitted=Interval(low_nl=0, best_nl=0, high_nl=0), reach_nl=0, rate_nl_per_s=0)


def started(estimate: DoseEstimate) -> DoseEstimate:
    """Return the estimate after one more start, whose sweep may have emitted nothing."""
    return replace(estimate, starts=estimate.starts + 1)


def track(estimate: DoseEstimate, report: DeviceReport, charge: Charge, model: DeviceModel) -> DoseEstimate:
    """Return the estimate after one reading of the device; its bounds never fall (S33)."""
    on_ms = max(estimate.on_ms, report.on_ms)
    factor = math.exp(Z95 * model.sigma_ppm / 1e6)
    surely_ms = max(0, on_ms - SWEEP_MS * max(1, estimate.starts))
    reach = math.ceil(model.rate_nl_per_s * on_ms / 1000 * factor)
    likely = model.rate_nl_per_s * on_ms // 1000
    surely = math.floor(model.rate_nl_per_s * surely_ms / 1000 / factor)
    top = charge.volume
    high = max(estimate.emitted.high_nl, min(reach, top.high_nl))
    best = max(estimate.emitted.best_nl, min(likely, _less(top.best_nl, model.leaves_best_ppm), high))
    low = max(estimate.emitted.low_nl, min(surely, _less(top.low_nl, model.leaves_high_ppm), best))
    return replace(
        estimate,
        on_ms=on_ms,
        emitted=Interval(low_nl=low, best_nl=best, high_nl=high),
        reach_nl=max(estimate.reach_nl, reach),
        rate_nl_per_s=model.rate_nl_per_s if report.output is not Output.OFF else 0,
        dry=bool(report.dry),
    )


def ran_dry_early(estimate: DoseEstimate, charge: Charge, model: DeviceModel) -> bool:
    """Return whether a dry device surely has more left than a completed run leaves: a premature stop (S29)."""
    return estimate.dry and estimate.reach_nl < _less(charge.volume.low_nl, model.complete_left_ppm)


def seconds_left(estimate: DoseEstimate, charge: Charge) -> int | None:
    """Return about how many seconds of running are left; None while nothing runs."""
    if not estimate.rate_nl_per_s:
        return None
    return max(0, charge.volume.best_nl - estimate.emitted.best_nl) // estimate.rate_nl_per_s


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

    A residual that tracking excludes leaves both values standing: the interval then spans both.
    """
    tracked = estimate.emitted
    witnesses: tuple[str, ...] = ("dry",) if estimate.dry else ()
    if residual is None:
        enough = model.calibrated and tracked.low_nl >= _less(charge.volume.low_nl, model.complete_left_ppm)
        witnesses += ("calibrated-time",) if enough else ()
        return Settled(
            final=tracked,
            tracked=tracked,
            witnesses=witnesses,
            complete=estimate.dry and enough,
            partial=tracked.high_nl < _less(charge.volume.low_nl, model.complete_left_ppm),
        )
    drawn = balance(charge, residual)
    if not drawn.overlaps(tracked):
        spanned = Interval(
            low_nl=min(drawn.low_nl, tracked.low_nl),
            best_nl=drawn.best_nl,
            high_nl=max(drawn.high_nl, tracked.high_nl),
        )
        return Settled(
            final=spanned, tracked=tracked, witnesses=witnesses, complete=False, partial=False, contradiction=True
        )
    left = residual.volume.high_nl * 1_000_000 <= charge.volume.best_nl * model.complete_left_ppm
    return Settled(
        final=drawn,
        tracked=tracked,
        witnesses=(*witnesses, "residual"),
        complete=estimate.dry and left,
        partial=not left,
    )


def _less(volume_nl: Nanolitres, share_ppm: PartsPerMillion) -> Nanolitres:
    """Return the volume without a share of it, rounded down."""
    return volume_nl * (1_000_000 - share_ppm) // 1_000_000
