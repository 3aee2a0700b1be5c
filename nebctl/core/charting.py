"""Charting around a dose: what a therapist sees and measures, what is plausible, and what an in-line start needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from nebctl.core import codes
from nebctl.core.authorisation import Authorisation
from nebctl.core.guard import Refusal
from nebctl.core.ledger.records import Draft, Json
from nebctl.core.session import State

IN_LINE = "in-line"


class Moment(Enum):
    """When it was seen: before, during or after the aerosol; or why it was paused or stopped."""

    PRE = "pre"
    MID = "mid"
    POST = "post"
    PAUSE = "pause"
    STOP = "stop"


_BEFORE = frozenset((State.AUTHORISED, State.CHARGED, State.READY))
_ENDED = frozenset((State.RESIDUAL, State.SIGNING))
_DURING = frozenset(
    (State.STARTING, State.RUNNING, State.PAUSING, State.PAUSED, State.RESUME_INTENDED, State.RESUMING, State.LOST)
)
STATES: Mapping[Moment, frozenset[State]] = {
    Moment.PRE: _BEFORE,
    Moment.MID: _DURING,
    Moment.POST: _ENDED,
    Moment.PAUSE: frozenset((State.PAUSED,)),
    Moment.STOP: _ENDED | {State.STOPPING},
}
"""The session's states in which each moment is charted.

An authorisation lasts 10 min by default, so what is charted before a dose is never older than 15 min at its start.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was seen at one moment; None is what was not looked at, words are those of `core.codes`.

    Rates are per minute, the bias flow in mL/min. `humidifier_removed` says that humidifier or HME are out of the
    circuit, `humidifier_back` that they are in it again, `expiratory_filter` that a filter protects the ventilator.
    """

    moment: Moment
    heart_rate_bpm: int | None = None
    resp_rate_per_min: int | None = None
    spo2_percent: int | None = None
    fio2_percent: int | None = None
    breath_sounds: str | None = None
    position: str | None = None
    interface: str | None = None
    tolerance: str | None = None
    placement: str | None = None
    humidifier_removed: bool | None = None
    expiratory_filter: bool | None = None
    bias_flow_ml_per_min: int | None = None
    humidifier_back: bool | None = None
    reason: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """Between which values a measurement can be: a slip of a finger lies outside, a very sick person inside."""

    field: str
    name: str
    unit: str
    least: int
    most: int
    per: int = 1


LIMITS = (
    Limit("heart_rate_bpm", "A heart rate", "/min", 20, 250),
    Limit("resp_rate_per_min", "A respiratory rate", "/min", 4, 80),
    Limit("spo2_percent", "SpO2", "%", 50, 100),
    Limit("fio2_percent", "FiO2", "%", 21, 100),
    Limit("bias_flow_ml_per_min", "A bias flow", "L/min", 0, 40_000, 1_000),
)
"""Our own bounds against slips of typing; they are no clinical limits. FiO2 begins at that of room air."""

CHOICES: Mapping[str, tuple[str, ...]] = {
    "breath_sounds": codes.BREATH_SOUNDS,
    "position": codes.POSITIONS,
    "interface": codes.INTERFACES,
    "tolerance": codes.TOLERANCES,
    "placement": codes.PLACEMENTS,
}
REASONS: Mapping[Moment, tuple[str, ...]] = {Moment.PAUSE: codes.PAUSE_REASONS, Moment.STOP: codes.STOP_REASONS}


def refuse(seen: Observation, state: State) -> Refusal | None:
    """Return why an observation is not recorded: its time, a value that cannot be, or nothing in it."""
    if state not in STATES[seen.moment]:
        return Refusal(code="chart-moment", sentence="That is not charted at this point of a dose. Look at the screen.")
    for limit in LIMITS:
        value = getattr(seen, limit.field)
        if value is not None and not limit.least <= value <= limit.most:
            return _implausible(limit, value)
    reasons = REASONS.get(seen.moment)
    if reasons is not None and seen.reason not in reasons:
        return Refusal(code="chart-reason", sentence="A reason was not chosen. Choose one from the list.")
    if reasons is None and not _private(seen):
        return Refusal(code="chart-empty", sentence="Nothing was charted. Give at least one value.")
    return None


def _implausible(limit: Limit, value: int) -> Refusal:
    shown, least, most = value / limit.per, limit.least // limit.per, limit.most // limit.per
    sentence = f"{limit.name} of {shown:g} {limit.unit} cannot be: {least} to {most} {limit.unit}. Look again."
    return Refusal(code="chart-value", sentence=sentence)


_IN_LINE: tuple[tuple[str, str, Callable[[Observation], bool]], ...] = (
    (
        "in-line-placement",
        "Say where in the circuit the nebulizer sits, then start.",
        lambda o: o.placement is not None,
    ),
    (
        "in-line-humidifier",
        "Humidifier or HME is not out of the circuit. Take it out and chart it, then start.",
        lambda o: o.humidifier_removed is True,
    ),
    (
        "in-line-filter",
        "No expiratory filter was charted. Fit one and chart it, then start.",
        lambda o: o.expiratory_filter is True,
    ),
    (
        "in-line-bias",
        "Say what the bias flow is, 0 where there is none, then start.",
        lambda o: o.bias_flow_ml_per_min is not None,
    ),
)
"""What must have been charted before an in-line start, and the sentence where it was not."""


def refuse_start(before: Observation | None) -> Refusal | None:
    """Return why a dose does not start by what was charted before it; None where nothing speaks against it.

    Only an in-line circuit asks for anything: charting itself is no condition of a start.
    """
    if before is None or before.interface != IN_LINE:
        return None
    return next((Refusal(code=code, sentence=says) for code, says, holds in _IN_LINE if not holds(before)), None)


def together(before: Observation | None, later: Observation) -> Observation:
    """Return what two observations of one moment say: a later one counts, and what it does not look at stays as it was.

    An in-line circuit is not forgotten because the heart rate was charted after it.
    """
    if before is None:
        return later
    return replace(before, **{name: value for name in later.__slots__ if (value := getattr(later, name)) is not None})


def draft(auth: Authorisation, seen: Observation, operator: str) -> Draft:
    """Return the record of an observation; all but its moment and a chosen reason is private."""
    facts: dict[str, Json] = {"moment": seen.moment.value}
    if seen.reason is not None:
        facts["reason"] = seen.reason
    private: dict[str, Json] = {"subject": auth.subject, "operator": operator, **_private(seen)}
    return Draft(typ="chart", facts=facts, private=private, session=auth.place)


def _private(seen: Observation) -> dict[str, Json]:
    values = ((name, getattr(seen, name)) for name in seen.__slots__ if name not in ("moment", "reason"))
    return {name: value for name, value in values if value is not None}
