"""A whole trace, estimated again: the same steps as at the bedside, so the same figures."""

from collections.abc import Iterable
from dataclasses import dataclass

from nebctl.core.dose.charge import Charge, Residual
from nebctl.core.dose.estimate import NOTHING, Code, DoseEstimate, track
from nebctl.core.dose.model import DeviceModel
from nebctl.core.dose.reading import Reading
from nebctl.core.dose.settle import Settled, settle

SENTENCES = {
    Code.PREMATURE_DRY: "The device says dry with more left than a whole run leaves. Tap it, check the plug, resume.",
    Code.RATE_LOW: "The rate fell by more than its tolerance. Look at mesh, gas and liquid.",
    Code.RATE_HIGH: "The rate rose by more than its tolerance. Look for a leak or a drip.",
    Code.WEIGHT_STEP: "The cup became lighter or heavier in one go. Was liquid spilled, added, or the cup changed?",
    Code.CHARGE_CONTRADICTED: "Time, weight and charge do not fit together. Was more or less in the cup than was said?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The estimate after one reading: volumes in nanolitres, 95 % interval."""

    at_ms: int
    low_nl: int
    best_nl: int
    high_nl: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that the estimator found while it followed the trace, such as a premature stop or a lost rate."""

    at_ms: int
    code: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of a trace: rows, findings in their order, the last estimate, the settled dose."""

    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    estimate: DoseEstimate
    settled: Settled


def replay(
    readings: Iterable[Reading], charge: Charge, model: DeviceModel, residual: Residual | None = None
) -> Replayed:
    """Return the estimate of a whole trace, as the unit would have made it reading by reading."""
    estimate, rows, findings = NOTHING, [], []
    for reading in readings:
        after = track(estimate, reading, charge, model)
        emitted = after.emitted
        rows.append(Row(at_ms=reading.at_ms, low_nl=emitted.low_nl, best_nl=emitted.best_nl, high_nl=emitted.high_nl))
        findings += [
            Finding(at_ms=reading.at_ms, code=code.value, sentence=SENTENCES[code])
            for code in after.found
            if code not in estimate.found
        ]
        estimate = after
    settled = settle(estimate, charge, residual, model)
    return Replayed(rows=tuple(rows), findings=tuple(findings), estimate=estimate, settled=settled)
