"""A rate out of tolerance, from the device's readings to the alarm."""

from dataclasses import replace
from typing import Any

import pytest

from nebctl.core import events as ev
from nebctl.core.alarms import Condition
from nebctl.core.device import Output
from nebctl.core.dose import NOTHING
from nebctl.core.effects import RaiseAlarm
from nebctl.core.instant import NS_PER_MS, NS_PER_S
from nebctl.core.session import State, step

CHANGED_S, LAST_S = 120, 180


def alarmed_s(bench: Any, share: float, *, weighed: bool = True) -> dict[Condition, float]:
    """Return when each alarm was raised, in seconds after the rate of a running dose came to a share of it."""
    session = replace(bench.session(State.RUNNING), estimate=NOTHING)
    found: dict[Condition, float] = {}
    lost_nl, began_ns = 0.0, 1_000 * NS_PER_S
    for at_ms in range(200, LAST_S * 1000 + 1, 200):
        lost_nl += bench.rules.model.rate_nl_per_s * 0.2 * (share if at_ms > CHANGED_S * 1000 else 1)
        weight_ug = 30_000_000 - round(lost_nl) + at_ms % 7 * 2_000 if weighed else None
        at_ns = began_ns + at_ms * NS_PER_MS
        report = bench.report(Output.RUNNING, at_ns=at_ns, on_ms=at_ms, weight_ug=weight_ug)
        taken = step(session, ev.Reported(report=report), bench.now(1_000 + at_ms / 1000), bench.rules)
        session = taken.session
        for effect in taken.effects:
            if isinstance(effect, RaiseAlarm):
                found.setdefault(effect.condition, at_ms / 1000 - CHANGED_S)
    return found


@pytest.mark.req("S28")
@pytest.mark.parametrize(("share", "condition"), [(0.7, Condition.RATE_LOW), (1.5, Condition.RATE_HIGH)])
def test_a_rate_out_of_tolerance_alarms_within_a_minute(bench: Any, share: float, condition: Condition) -> None:
    """A dose on a balance whose rate changes in mid-run raises that alarm alone, before 60 s are over."""
    found = alarmed_s(bench, share)
    assert set(found) == {condition}
    assert 0 < found[condition] <= 60


@pytest.mark.req("S28")
def test_a_rate_within_tolerance_alarms_never(bench: Any) -> None:
    """A rate that falls by a twentieth raises nothing; nor does any rate of a device that gives no evidence of it."""
    assert not alarmed_s(bench, 0.95)
    assert not alarmed_s(bench, 0.5, weighed=False)
