"""The verdict against the study protocol: one rule for every device, recomputed by every reader."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from nebctl.core.dose.charge import Interval
from nebctl.core.units import Nanolitres


class Verdict(Enum):
    """What the emitted volume means against the study protocol."""

    WITHIN = "WITHIN"
    UNDER = "UNDER"
    OVER = "OVER"
    UNCERTAIN = "UNCERTAIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What counts as the prescribed volume: from `lower_nl` to `upper_nl`, both included."""

    lower_nl: Nanolitres
    upper_nl: Nanolitres


def judge(emitted: Interval, limits: Limits) -> Verdict:
    """Return WITHIN iff the whole interval lies within the limits, UNDER or OVER iff it lies wholly outside."""
    if emitted.high_nl < limits.lower_nl:
        return Verdict.UNDER
    if emitted.low_nl > limits.upper_nl:
        return Verdict.OVER
    if emitted.low_nl >= limits.lower_nl and emitted.high_nl <= limits.upper_nl:
        return Verdict.WITHIN
    return Verdict.UNCERTAIN


class Deviation(Enum):
    """A finding against the study protocol, by its code."""

    UNDERDOSE = "underdose"
    OVERDOSE = "overdose"
    UNCERTAIN_DOSE = "uncertain-dose"
    UNCERTAIN_END = "uncertain-end"
    STOPPED_EARLY = "stopped-early"
    PREMATURE_DRY = "premature-dry"
    RATE_LOW = "rate-low"
    RATE_HIGH = "rate-high"
    CUP_CHANGED = "cup-changed"
    MESH_CHANGED = "mesh-changed"
    RESIDUAL_REFUSED = "residual-refused"
    RESIDUAL_CONTRADICTS = "residual-contradicts"
    CHARGE_CONTRADICTED = "charge-contradicted"
    VIAL_NOT_EMPTIED = "vial-not-emptied"
    IN_USE_TIME = "in-use-time"
    DEVICE_CLASS_UNDER = "device-class-under"
    CUT_OFF = "cut-off"


_BY_VERDICT = {
    Verdict.UNDER: Deviation.UNDERDOSE,
    Verdict.OVER: Deviation.OVERDOSE,
    Verdict.UNCERTAIN: Deviation.UNCERTAIN_DOSE,
}


def deviations(verdict: Verdict, findings: Iterable[Deviation]) -> tuple[Deviation, ...]:
    """Return the verdict's own deviation and the other findings, each once, in a fixed order."""
    found = set(findings)
    if verdict in _BY_VERDICT:
        found.add(_BY_VERDICT[verdict])
    return tuple(deviation for deviation in Deviation if deviation in found)
