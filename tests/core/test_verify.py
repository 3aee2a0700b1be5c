"""The verdict: one rule, against its definition."""

from itertools import combinations_with_replacement

from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.dose import Interval
from nebctl.core.verify import Deviation, Limits, Verdict, deviations, judge


def by_definition(low: int, high: int, lower: int, upper: int) -> Verdict:
    """Return the verdict by looking at every single volume that the interval holds."""
    volumes = range(low, high + 1)
    if all(lower <= volume <= upper for volume in volumes):
        return Verdict.WITHIN
    if all(volume < lower for volume in volumes):
        return Verdict.UNDER
    if all(volume > upper for volume in volumes):
        return Verdict.OVER
    return Verdict.UNCERTAIN


def test_the_verdict_is_its_definition() -> None:
    """For every small interval and every small pair of limits, the verdict is what each volume in it says."""
    for low, high in combinations_with_replacement(range(9), 2):
        for lower, upper in combinations_with_replacement(range(9), 2):
            for best in (low, high):
                found = judge(Interval(low_nl=low, best_nl=best, high_nl=high), Limits(lower_nl=lower, upper_nl=upper))
                assert found is by_definition(low, high, lower, upper)


@given(found=st.lists(st.sampled_from(Deviation)), verdict=st.sampled_from(Verdict))
def test_deviations_stand_once_and_in_order(found: list[Deviation], verdict: Verdict) -> None:
    """Each deviation stands once, in a fixed order, the verdict's own among them; WITHIN adds none."""
    named = deviations(verdict, found)
    assert len(set(named)) == len(named)
    assert sorted(named, key=list(Deviation).index) == list(named)
    own = {
        Verdict.UNDER: Deviation.UNDERDOSE,
        Verdict.OVER: Deviation.OVERDOSE,
        Verdict.UNCERTAIN: Deviation.UNCERTAIN_DOSE,
    }
    assert set(named) == set(found) | ({own[verdict]} if verdict in own else set())
