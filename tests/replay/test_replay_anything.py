"""Whatever a trace holds, the estimator goes on, and its interval stays in order and within the charge."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebctl.core.dose import Charge, Interval, Method, Residual
from nebctl.core.dose.reading import Doing, Reading
from nebctl.core.dose.replay import replay
from nebctl_drivers.priors import PRESETS


def some(strategy: Any) -> Any:
    """Return a quantity that may be missing."""
    return st.none() | strategy


STEPS = st.tuples(
    st.sampled_from((0, 200, 200, 200, 5_000, 100_000, 3_000_000)),
    st.sampled_from(Doing),
    some(st.integers(0, 200_000)),
    some(st.integers(-50_000, 100_000)),
    some(st.integers(-1_000, 20_000)),
    some(st.integers(-100_000_000, 100_000_000)),
    some(st.booleans()),
)


def readings(steps: list[Any]) -> list[Reading]:
    """Return readings one after the other."""
    found, at_ms = [], 0
    for wait_ms, doing, current, temp, gas, weight, dry in steps:
        at_ms += wait_ms
        found.append(
            Reading(at_ms=at_ms, doing=doing, drive_ua=current, temp_mc=temp, gas_sccm=gas, weight_ug=weight, dry=dry)
        )
    return found


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(
    st.lists(STEPS, min_size=1, max_size=25),
    st.sampled_from(sorted(PRESETS)),
    st.sampled_from((50_000, 3_000_000, 10_000_000)),
    some(st.sampled_from((0, 100_000, 3_000_000))),
)
def test_anything_is_estimated(steps: list[Any], preset: str, filled_nl: int, left_nl: int | None) -> None:
    """Readings that fit nothing, in any order of states, give an interval in order and never above the charge's end."""
    low_nl, high_nl = filled_nl * 98 // 100, filled_nl * 102 // 100
    charge = Charge(
        volume=Interval(low_nl=low_nl, best_nl=filled_nl, high_nl=high_nl), method=Method.DECLARED, vial_emptied=True
    )
    residual = None
    if left_nl is not None:
        left = Interval(low_nl=left_nl, best_nl=left_nl, high_nl=left_nl + 50_000)
        residual = Residual(volume=left, method=Method.DRAWN)
    told = replay(readings(steps), charge, PRESETS[preset], residual)
    assert len(told.rows) == len(steps)
    assert all(0 <= row.low_nl <= row.best_nl <= row.high_nl for row in told.rows)


def test_a_run_far_past_its_charge_has_emptied_the_cup() -> None:
    """A mesh that ran for ten times as long as the charge lasts, and then says dry, emitted no more than was there."""
    charge = Charge(
        volume=Interval(low_nl=2_940_000, best_nl=3_000_000, high_nl=3_060_000),
        method=Method.DECLARED,
        vial_emptied=True,
    )
    ran = [Reading(at_ms=second * 1000, doing=Doing.RUNNING, dry=False) for second in range(0, 6000, 5)]
    told = replay([*ran, Reading(at_ms=6_000_000, doing=Doing.OFF, dry=True)], charge, PRESETS["mesh.solo"])
    assert told.rows[-1].high_nl <= 3_060_000
    assert not told.settled.complete
