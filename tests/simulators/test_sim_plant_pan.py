"""Facts about what disturbs a balance's cell: resolution, drift, drips, a hose; and that cuts of time do not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebctl_simulators.balance.pan import Make, Pan, Trouble

SECOND = 1_000_000_000
QUIET = Make(noise_ug=0)


def settled(trouble: Trouble, seconds: float, make: Make = QUIET, seed: int = 1) -> Pan:
    """Return a pan with 10 g on it, settled, and then so long with this trouble."""
    load_ug = 0
    pan = Pan(make, seed, lambda: load_ug)
    load_ug = 10_000_000
    pan.advance(10 * SECOND)
    pan.trouble = trouble
    pan.advance(round(seconds * SECOND))
    return pan


troubles = st.builds(Trouble, drifts=st.booleans(), drips=st.booleans(), tubing=st.booleans())


@settings(deadline=None)
@given(troubles, st.integers(1, 100 * SECOND), st.integers(1, 30))
def test_the_cell_does_not_depend_on_how_time_is_cut(trouble: Trouble, length_ns: int, cuts: int) -> None:
    """Drifting, dripping and pulled at, in up to thirty pieces: the same load, and the reading within a step."""
    whole, cut = settled(trouble, 0), settled(trouble, 0)
    whole.advance(length_ns)
    for number in range(cuts):
        cut.advance(length_ns * (number + 1) // cuts - length_ns * number // cuts)
    assert abs(cut.true_ug - whole.true_ug) <= 1
    assert abs(cut.net_ug - whole.net_ug) <= QUIET.step_ug


@pytest.mark.parametrize("step_ug", [100, 1_000, 10_000])
def test_a_reading_has_the_steps_of_its_make(step_ug: int) -> None:
    """10 g and a little read in whole steps of 0.1, 1 and 10 mg, at most half a step beside the weight."""
    pan = settled(Trouble(drifts=True), 37, Make(noise_ug=0, step_ug=step_ug))
    assert pan.net_ug % step_ug == 0
    assert abs(pan.net_ug - 10_000_740) <= step_ug / 2 + 10


def test_it_drifts_and_drips_as_it_says() -> None:
    """20 ug a second of drift make 2 mg in 100 s; a drop of 20 mg every 3 s makes 660 mg."""
    assert settled(Trouble(drifts=True), 100).net_ug == pytest.approx(10_002_000, abs=100)
    assert settled(Trouble(drips=True), 100).true_ug == 10_000_000 + 33 * 20_000


def test_a_hose_pulls_until_it_slips() -> None:
    """The pull stays for 20 s and differs then; over many it is some 30 mg; taken away, the weight is right again."""
    pan = settled(Trouble(tubing=True), 0)
    pulls = []
    for _ in range(200):
        pan.advance(10 * SECOND)
        first_ug = pan.true_ug
        pulls.append(first_ug - 10_000_000)
        pan.advance(10 * SECOND)
    assert len(set(pulls)) == 200
    assert 20_000 < (sum(pull * pull for pull in pulls) / len(pulls)) ** 0.5 < 40_000
    pan.trouble = Trouble()
    assert pan.true_ug == 10_000_000


def test_a_pulled_weight_looks_stable_and_is_wrong() -> None:
    """Between two slips the reading is calm: what a host must not mistake for the weight of a cup."""
    pan = settled(Trouble(tubing=True), 15)
    assert pan.is_stable
    assert abs(pan.net_ug - 10_000_000) > 1000
