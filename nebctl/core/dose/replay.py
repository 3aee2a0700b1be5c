"""A whole trace, estimated again: the same steps as at the bedside, so the same figures."""

from collections.abc import Iterable
from dataclasses import dataclass

from nebctl.core.dose.charge import Charge, Residual
from nebctl.core.dose.estimate import DeviceModel, DoseEstimate, Settled
from nebctl.core.dose.reading import Reading


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
    raise NotImplementedError("the estimator is being written")
