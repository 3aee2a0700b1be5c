"""The dose once the residual is known or refused: what it was, by which witnesses, and whether it was whole."""

import math
from dataclasses import dataclass

from nebctl.core.dose.belief import Nodes, density, interval, shares
from nebctl.core.dose.charge import Charge, Interval, Residual, balance
from nebctl.core.dose.denied import denies, unvouched
from nebctl.core.dose.estimate import Code, DoseEstimate
from nebctl.core.dose.jet import emitted_of
from nebctl.core.dose.model import DeviceModel, Kind
from nebctl.core.units import WHOLE_PPM

EARLY_MOST = 0.05
VERY_EARLY_MOST, TWICE_DRY_MOST = 0.0012, 0.0005
VOUCHES_PPM = 120_000
"""A run is complete without a residual where it kept more than a completed run with at most 5 %, and `VERY` much more
with at most the second figure, or with at most the third where it said dry once and then ran on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The dose after the residual was measured or refused.

    `final` is what the verdict is about; `tracked` what the device's readings alone said. `witnesses` name the
    independent evidence. `complete` needs two of them that agree (S17); `contradiction` says that two exclude each
    other, and then the interval spans both. `added_nl` is the most that came into the cup in mid-dose, by the balance,
    by a run that the charge cannot explain or by a person's word; `final` is at most the charge and this.
    """

    final: Interval
    tracked: Interval
    witnesses: tuple[str, ...]
    complete: bool
    partial: bool
    contradiction: bool = False
    added_nl: int = 0


def settle(
    estimate: DoseEstimate,
    charge: Charge,
    residual: Residual | None,
    model: DeviceModel,
    *,
    doubted: bool = False,
    topped_up: Interval | None = None,
) -> Settled:
    """Return the settled dose: by the residual where it was measured, else by what was tracked.

    What is `doubted` for a reason that no reading tells keeps all that was loaded as its upper bound, and no residual
    narrows it. What a person `topped_up` in mid-dose was loaded too, and leaves no lower bound: nobody knows how much
    of the product left the cup.
    """
    seen = model.operator_ends and bool(estimate.end_seen_by)
    ended = estimate.evidence.names() + (("operator-end",) if seen else ())
    amount = _amount_witness(estimate, model)
    if topped_up is not None:
        added_nl = max(estimate.added_nl, topped_up.high_nl)
        top = max(estimate.emitted.high_nl, charge.volume.high_nl + added_nl)
        final = Interval(low_nl=0, best_nl=estimate.emitted.best_nl, high_nl=top)
        return _uncertain(final, estimate, ended, added_nl)
    if doubted:
        top = max(estimate.emitted.high_nl, charge.volume.high_nl + estimate.added_nl)
        final = Interval(low_nl=estimate.emitted.low_nl, best_nl=estimate.emitted.best_nl, high_nl=top)
        return _uncertain(final, estimate, ended, estimate.added_nl)
    if Code.CHARGE_CONTRADICTED in estimate.found or Code.WEIGHT_STEP in estimate.found:
        return _contradicted(estimate, charge, residual, ended, model)
    if residual is None:
        return _by_tracking(estimate, charge, ended, amount, model)
    return _by_residual(estimate, charge, residual, ended, amount, model)


def _uncertain(final: Interval, estimate: DoseEstimate, ended: tuple[str, ...], added_nl: int) -> Settled:
    tracked = estimate.emitted
    return Settled(final=final, tracked=tracked, witnesses=ended, complete=False, partial=False, added_nl=added_nl)


def _amount_witness(estimate: DoseEstimate, model: DeviceModel) -> str | None:
    """Return what bears witness of the amount itself: a weight, or a time at a calibrated rate."""
    if estimate.known.weight is not None:
        return "weight"
    sure = math.hypot(model.sigma_ppm, model.run_sigma_ppm) <= VOUCHES_PPM
    return "calibrated-time" if model.calibrated and sure and estimate.exposure.best_s > 0 else None


def _by_tracking(
    estimate: DoseEstimate, charge: Charge, ended: tuple[str, ...], amount: str | None, model: DeviceModel
) -> Settled:
    tracked, known = estimate.emitted, estimate.known
    limit_nl = model.most_left_nl(charge.volume.best_nl)
    if model.kind is Kind.JET:
        left = charge.volume.best_nl - known.weight[0] + 2 * known.weight[1] if known.weight else math.inf
        whole = amount == "weight" and left <= limit_nl
    else:
        very_early_most = VERY_EARLY_MOST if amount == "weight" else _very_early_most(estimate.evidence.dries)
        whole = known.early <= EARLY_MOST and known.very_early <= very_early_most
    complete = bool(ended) and amount is not None and whole
    witnesses = (*ended, amount) if amount is not None and (whole or amount == "weight") else ended
    least = charge.volume.low_nl - limit_nl
    return Settled(
        final=tracked if amount == "weight" or (amount and ended) else unvouched(tracked, estimate, model),
        tracked=tracked,
        witnesses=witnesses,
        complete=complete,
        partial=not complete and tracked.high_nl < least,
    )


def _very_early_most(dries: int) -> float:
    """Return what is asked of a clock alone: a device that said dry and ran on was wrong, and twice is too often."""
    return (VERY_EARLY_MOST, VERY_EARLY_MOST, TWICE_DRY_MOST)[dries] if dries <= 2 else -1.0


def _by_residual(
    estimate: DoseEstimate,
    charge: Charge,
    residual: Residual,
    ended: tuple[str, ...],
    amount: str | None,
    model: DeviceModel,
) -> Settled:
    tracked, drawn = estimate.emitted, drawn_of(charge, residual, estimate, model)
    witnesses = (*ended, *((amount,) if amount else ()), "residual")
    left = residual.volume.high_nl > model.most_left_nl(charge.volume.best_nl)
    if drawn is None or not drawn.overlaps(tracked) or denies(estimate, drawn, model, left=left):
        spanned = _hull(tracked, drawn or _emitted(charge, residual, model))
        return Settled(
            final=spanned, tracked=tracked, witnesses=witnesses, complete=False, partial=False, contradiction=True
        )
    # What is not in the cup need not have left as aerosol: only time or weight can say that a mesh spilled nothing.
    vouched = amount is not None or model.kind is Kind.JET
    return Settled(
        final=drawn if vouched else unvouched(_hull(tracked, drawn), estimate, model),
        tracked=tracked,
        witnesses=witnesses,
        complete=bool(ended) and not left and vouched,
        partial=left,
    )


def _contradicted(
    estimate: DoseEstimate, charge: Charge, residual: Residual | None, ended: tuple[str, ...], model: DeviceModel
) -> Settled:
    """Return the dose whose cup was spilled, topped up or wrongly charged: nothing narrows it, WITHIN is impossible."""
    drawn = _emitted(charge, residual, model) if residual else None
    span = _hull(estimate.emitted, drawn) if drawn else estimate.emitted
    added_nl = max(estimate.added_nl, _outrun_nl(estimate, charge, model))
    doubtful = Interval(
        low_nl=min(span.low_nl, _least_of(estimate)),
        best_nl=span.best_nl,
        high_nl=max(span.high_nl, charge.volume.high_nl + added_nl),
    )
    return Settled(
        final=doubtful,
        tracked=estimate.emitted,
        witnesses=(*ended, *(("residual",) if residual else ())),
        complete=False,
        partial=False,
        contradiction=True,
        added_nl=added_nl,
    )


def _outrun_nl(estimate: DoseEstimate, charge: Charge, model: DeviceModel) -> int:
    """Return how much more than the charge a mesh's weight, or else its running, explains: a top-up, if it is one."""
    if model.kind is Kind.JET:
        return 0
    gone = estimate.known.weight or estimate.known.time
    return 0 if gone is None else max(0, math.ceil(gone[0] + 2 * gone[1]) - charge.volume.high_nl)


def _least_of(estimate: DoseEstimate) -> int:
    """Return the least that either witness allows; where charge, time and weight deny each other there is none."""
    denied = estimate.known.weight is None or Code.CHARGE_CONTRADICTED in estimate.found
    return 0 if denied else estimate.emitted.low_nl


def _hull(first: Interval, second: Interval) -> Interval:
    return Interval(
        low_nl=min(first.low_nl, second.low_nl),
        best_nl=second.best_nl,
        high_nl=max(first.high_nl, second.high_nl),
    )


def _emitted(charge: Charge, residual: Residual, model: DeviceModel) -> Interval:
    """Return what was emitted by the volume balance alone, with every aerosol share of the class."""
    gone, filled = balance(charge, residual), charge.volume
    low, best, high = (
        ppm / WHOLE_PPM
        for ppm in (model.aerosol_share_low_ppm, model.aerosol_share_best_ppm, model.aerosol_share_high_ppm)
    )
    if model.kind is Kind.MESH:
        return gone
    return Interval(
        low_nl=math.floor(emitted_of(filled.low_nl, gone.low_nl, low)),
        best_nl=round(emitted_of(filled.best_nl, gone.best_nl, best)),
        high_nl=math.ceil(emitted_of(filled.high_nl, gone.high_nl, high)),
    )


def drawn_of(charge: Charge, residual: Residual, estimate: DoseEstimate, model: DeviceModel) -> Interval | None:
    """Return what was emitted by the residual, for a jet with the time's word on its aerosol share.

    None means that no share of the class fits both the residual and the time.
    """
    if model.kind is Kind.MESH or estimate.known.time is None:
        return _emitted(charge, residual, model)
    filled, left = charge.volume.best_nl, residual.volume.best_nl
    gone = max(0, filled - left)
    gone_sigma = max(
        1.0,
        math.hypot(
            (charge.volume.high_nl - charge.volume.low_nl) / 3.92,
            (residual.volume.high_nl - residual.volume.low_nl) / 3.92,
        ),
    )
    mean, sigma = estimate.known.time
    nodes: Nodes = []
    for share, belief in shares(model):
        fits = density((share * gone - mean) / math.hypot(sigma, share * gone_sigma)) if mean > 0 else 1.0
        for z, weight in ((-1.2247, 0.5), (0.0, 1.0), (1.2247, 0.5)):
            lost = min(filled, max(0.0, gone + z * gone_sigma))
            nodes.append((emitted_of(filled, lost, share), belief * weight * fits))
    if max(weight for _, weight in nodes) < 0.004:  # no share within 3.3 standard deviations
        return None
    nodes.sort()
    low, best, high = interval(nodes)
    top = charge.volume.high_nl
    return Interval(low_nl=min(top, math.floor(low)), best_nl=min(top, round(best)), high_nl=min(top, math.ceil(high)))
