"""Charting and adverse events: what is recorded when, what cannot be, and what holds an in-line start back."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from nebctl.core import adverse, charting, codes
from nebctl.core.adverse import AdverseEvent
from nebctl.core.calendar import follow_up_end
from nebctl.core.charting import LIMITS, STATES, Limit, Moment, Observation
from nebctl.core.regimen import FIRST_TREATMENT, FollowUp
from nebctl.core.session import State

BEFORE = Observation(moment=Moment.PRE, heart_rate_bpm=92, resp_rate_per_min=22, spo2_percent=94)
IN_LINE = replace(
    BEFORE,
    interface="in-line",
    placement="before-humidifier",
    humidifier_removed=True,
    expiratory_filter=True,
    bias_flow_ml_per_min=2_000,
)
DAY1 = date(2026, 2, 14)
EVENT = AdverseEvent(subject="MEX-007", onset=DAY1, grade="2", relation="possible", action="none", text="Cough.")


def code(refusal: Any) -> str:
    """Return why something was refused; "" where it was not."""
    return refusal.code if refusal else ""


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.field)
def test_a_value_that_cannot_be_is_refused_with_its_limits(limit: Limit) -> None:
    """Both ends of a limit are recorded; one step beyond is refused in a sentence with value, limits and unit."""
    for value, wanted in (
        (limit.least, ""),
        (limit.most, ""),
        (limit.least - 1, "chart-value"),
        (limit.most + 1, "chart-value"),
    ):
        refusal = charting.refuse(replace(BEFORE, **{limit.field: value}), State.READY)
        assert code(refusal) == wanted
        if refusal:
            assert f"{value / limit.per:g} {limit.unit}" in refusal.sentence
            assert f"{limit.least // limit.per} to {limit.most // limit.per} {limit.unit}" in refusal.sentence


def test_each_moment_has_its_states() -> None:
    """Before, during, after and the two reasons are charted in their own states of a session and in no other."""
    for moment, states in STATES.items():
        reason = "asked" if moment in charting.REASONS else None
        for state in State:
            refusal = charting.refuse(replace(BEFORE, moment=moment, reason=reason), state)
            assert (moment, state, code(refusal)) == (moment, state, "" if state in states else "chart-moment")


def test_nothing_is_not_an_observation_and_a_reason_is_from_the_list() -> None:
    """An empty observation is refused, and so is a pause or a stop without a reason of its own list."""
    assert code(charting.refuse(Observation(moment=Moment.MID), State.RUNNING)) == "chart-empty"
    for moment, state, wrong in ((Moment.PAUSE, State.PAUSED, "mistake"), (Moment.STOP, State.RESIDUAL, "care")):
        for reason in (None, wrong):
            assert code(charting.refuse(Observation(moment=moment, reason=reason), state)) == "chart-reason"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"placement": None}, "in-line-placement"),
        ({"humidifier_removed": None}, "in-line-humidifier"),
        ({"humidifier_removed": False}, "in-line-humidifier"),
        ({"expiratory_filter": False}, "in-line-filter"),
        ({"bias_flow_ml_per_min": None}, "in-line-bias"),
        ({"bias_flow_ml_per_min": 0}, ""),
        ({}, ""),
    ],
)
def test_an_in_line_start_needs_its_answers(change: dict[str, Any], why: str) -> None:
    """In-line, no start without placement, humidifier out, filter and bias flow; a mask or a mouthpiece needs none."""
    assert code(charting.refuse_start(replace(IN_LINE, **change))) == why
    for interface in ("mask", "mouthpiece", None):
        assert charting.refuse_start(replace(IN_LINE, interface=interface, **change)) is None
    assert charting.refuse_start(None) is None


def test_every_word_has_its_place_in_the_schema(schemas: Any) -> None:
    """The schema of a chart and of an adverse event allow the words of the core, no more and no fewer."""
    private = schemas.texts["chart"]["$defs"]["private"]["properties"]
    assert {name: tuple(private[name]["enum"]) for name in charting.CHOICES} == dict(charting.CHOICES)
    reasons = set(schemas.texts["chart"]["properties"]["reason"]["enum"])
    assert reasons == {*codes.PAUSE_REASONS, *codes.STOP_REASONS}
    assert schemas.texts["chart"]["properties"]["moment"]["enum"] == [moment.value for moment in Moment]
    fields = {name for name in Observation.__slots__ if name not in ("moment", "reason")}
    assert fields | {"subject", "operator"} == set(private)


def test_an_event_is_entered_until_the_28_days_end() -> None:
    """An event of Day 1, and of the last day of the follow-up, is entered; one before, after or to come is not."""
    follow_up = FollowUp(adverse_events_days=28, counted_from=FIRST_TREATMENT, assessments=())
    last = follow_up_end(DAY1, follow_up)
    assert last == DAY1 + timedelta(days=28)
    late = last + timedelta(days=1)
    assert code(adverse.refuse(replace(EVENT, onset=last), late, DAY1, last)) == ""
    assert code(adverse.refuse(replace(EVENT, onset=late), late, DAY1, last)) == "adverse-late"
    assert code(adverse.refuse(replace(EVENT, onset=late), late, DAY1, None)) == ""
    assert code(adverse.refuse(replace(EVENT, onset=late), last, DAY1, last)) == "adverse-ahead"
    early = replace(EVENT, onset=DAY1 - timedelta(days=1))
    assert code(adverse.refuse(early, last, DAY1, last)) == "adverse-early"
    assert code(adverse.refuse(early, last, None, last)) == ""
