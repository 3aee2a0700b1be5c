"""The interval in whole nanolitres, rounded against the claim; it falls only where a named witness says so (S33)."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from nebctl.core.dose.charge import Charge, Interval
from nebctl.core.dose.evidence import Evidence
from nebctl.core.dose.known import Known
from nebctl.core.dose.model import DeviceModel, Kind
from nebctl.core.dose.weight import Weighed, spilled_nl


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """A bound that fell because a named witness said so (S33): which, before and after in nL, at the trace's time."""

    at_ms: int
    witness: str
    before: Interval
    after: Interval


class Moved(NamedTuple):
    """What one more reading, at `at_ms` of the trace, has made of the evidence, the weight and what is known."""

    at_ms: int
    evidence: Evidence
    weighed: Weighed
    known: Known


def bounded(
    moved: Moved, was: Interval, charge: Charge, model: DeviceModel, *, ended: bool
) -> tuple[Interval, Fall | None]:
    """Return the interval, within what was loaded, and the fall where a bound fell; None where none did.

    `was` is the interval before; `ended`: the device had said that it was at its end.
    """
    known, top = moved.known, charge.volume.high_nl + max(0, -spilled_nl(moved.weighed))
    most = min(known.high, top) if model.kind is Kind.JET else known.high
    high = min(top, math.ceil(most))
    best = min(high, round(known.best))
    low = min(best, math.floor(known.low))
    witness = _witness(moved, most, was, ended=ended)
    if witness is None:
        low, best = max(low, was.low_nl), max(best, was.best_nl)
        high = max(high, best)
        low = min(low, best)
    emitted = Interval(low_nl=max(0, low), best_nl=max(0, best), high_nl=max(0, high))
    if witness is None or (emitted.low_nl >= was.low_nl and emitted.best_nl >= was.best_nl):
        return emitted, None
    return emitted, Fall(at_ms=moved.at_ms, witness=witness, before=was, after=emitted)


def _witness(moved: Moved, most: float, was: Interval, *, ended: bool) -> str | None:
    """Return what now allows a bound to fall, None where nothing does: dry that came or did not, or the weight."""
    if moved.evidence.ended is not ended:
        return "dry" if moved.evidence.ended else "not-dry"
    if moved.known.weight is None:
        # It should be dry by now and is not: so its rate is lower than was thought.
        return "not-dry" if moved.known.late and not moved.evidence.ended else None
    mean, sigma = moved.known.weight
    # The balance's scatter moves nothing; what it has against the claim must stand out of its own interval.
    return "weight" if mean + 2 * sigma < was.best_nl or most < was.low_nl else None
