"""One simulated dose: what an estimator is told of it, and beside it the truth that it is not told."""

from dataclasses import dataclass, replace
from enum import Enum

from nebctl.core.dose.calibration import Calibration
from nebctl.core.dose.charge import Charge, Residual
from nebctl.core.dose.reading import Reading


class Column(Enum):
    """What a device is fitted with; `value` is its name in tables."""

    MESH = "mesh timed"
    MESH_BALANCE = "mesh + balance"
    JET = "jet + flow"
    JET_BALANCE = "jet + balance"

    @property
    def has_balance(self) -> bool:
        """Return whether the cup stands on a balance."""
        return self in {Column.MESH_BALANCE, Column.JET_BALANCE}

    @property
    def is_jet(self) -> bool:
        """Return whether gas drives it."""
        return self in {Column.JET, Column.JET_BALANCE}


class Course(Enum):
    """What happens in a dose beside what happens in every dose."""

    USUAL = "usual"
    PREMATURE = "premature"
    SUDDEN = "sudden loss"
    RAMP = "ramped loss"


class Stress(Enum):
    """What is harder than the presets; NONE leaves them as they are."""

    NONE = "none"
    WILD = "plant outside the presets"
    NOISE = "sensor noise doubled"
    COLD = "kit at 4 °C, told"
    COLD_UNTOLD = "kit at 4 °C, not told"
    STALE = "calibration a month old, told"
    STALE_UNTOLD = "calibration a month old, not told"
    DRIPS = "drips on the pan"
    HOSE = "hose pulls on the cup"
    WEAKENED = "compressor weaker than when calibrated"


RIGHTLY_LOW = {
    Stress.COLD: frozenset({"rate-low"}),
    Stress.COLD_UNTOLD: frozenset({"rate-low"}),
    Stress.WEAKENED: frozenset({"rate-low"}),
    Stress.DRIPS: frozenset({"weight-step", "rate-low"}),
    Stress.HOSE: frozenset({"weight-step"}),
}
"""Findings that are right under a stress."""


class Origin(Enum):
    """Which of the two simulators a run comes from; they share neither code nor numbers."""

    PLANT = "plant"
    SECOND = "second"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What kind of run is wanted; `share_known` tells a jet's aerosol share f with its calibration."""

    preset: str
    column: Column
    course: Course = Course.USUAL
    stress: Stress = Stress.NONE
    origin: Origin = Origin.PLANT
    share_known: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The device stopped by itself as if it were dry; `left_nl` is what could still have been in the cup."""

    at_ms: int
    left_nl: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What was really so.

    `emitted_nl` has one entry for each reading, in the solution as filled; `rate_nl_s` likewise, while aerosol is made.
    `filled_nl` is what was poured, `left_nl` what stayed; from `began_ms` to `ended_ms` the device was first and last
    on. `stops` are the premature ones. From `losing_ms` on the rate fell, and at `loss_ms` it was 25 % lower; None: it
    did not. `complete`: the run went to its end, as far as this class of device ever gets; `premature`: it ended long
    before that; a run can be neither.
    `excused` names findings that are right in this run and so no false alarms, such as a hand on the pan.
    """

    emitted_nl: tuple[int, ...]
    rate_nl_s: tuple[int, ...]
    filled_nl: int
    left_nl: int
    began_ms: int
    ended_ms: int
    complete: bool
    premature: bool
    stops: tuple[Stop, ...] = ()
    losing_ms: int | None = None
    loss_ms: int | None = None
    excused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One dose: `readings`, `charge`, `calibration` and `residual` may be told to an estimator, `truth` not."""

    case: Case
    seed: int
    readings: tuple[Reading, ...]
    charge: Charge
    calibration: Calibration
    residual: Residual
    truth: Truth


def seen_by(run: Run, column: Column) -> Run:
    """Return the same run as a device without a balance would have recorded it; with one, the run as it is."""
    case = replace(run.case, column=column)
    if column.has_balance:
        return replace(run, case=case)
    return replace(run, case=case, readings=tuple(replace(reading, weight_ug=None) for reading in run.readings))
