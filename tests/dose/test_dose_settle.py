"""How a dose is settled, at every limit: who vouches for the amount, what is whole, and what is left in doubt."""

from dataclasses import replace
from typing import Any

import pytest

from nebctl.core.dose import NOTHING, Code, DoseEstimate, Interval, settle
from nebctl.core.dose.evidence import NO_EVIDENCE
from nebctl.core.dose.exposure import Exposure
from nebctl.core.dose.known import NOTHING_KNOWN
from nebctl.core.dose.settle import Settled
from nebctl.core.dose.weight import UNWEIGHED

WEIGHT = (2_600_000.0, 10_000.0)


def span(low: int, best: int, high: int) -> Interval:
    """Return an interval in nanolitres."""
    return Interval(low_nl=low, best_nl=best, high_nl=high)


TRACKED = span(2_500_000, 2_600_000, 2_750_000)


def ended(dries: int = 1, *, dry: bool = True, best_s: float = 400.0, **known: Any) -> DoseEstimate:
    """Return an estimate of a mesh that said dry so often, with this known of its volume."""
    evidence = NO_EVIDENCE._replace(dry=dry, dries=dries)
    exposure = Exposure(starts=1, least_s=best_s, best_s=best_s, most_s=best_s)
    kept = NOTHING_KNOWN._replace(time=(2_600_000.0, 50_000.0), **known)
    return replace(NOTHING, emitted=TRACKED, evidence=evidence, exposure=exposure, known=kept)


@pytest.mark.req("S17")
@pytest.mark.parametrize(
    ("sigma_ppm", "best_s", "vouches"),
    [(72_000, 400.0, True), (72_001, 400.0, False), (72_000, 0.0, False), (9, 0.5, True)],
)
def test_a_clock_vouches_where_rate_and_run_are_known_to_twelve_per_cent(
    dosing: Any, sigma_ppm: int, best_s: float, vouches: bool
) -> None:
    """Of a calibrated device that ran at all; a class's rate, however sure it says that it is, vouches for nothing."""
    model = replace(dosing.calibrated, sigma_ppm=sigma_ppm, run_sigma_ppm=96_000)
    for each, expected in ((model, vouches), (replace(model, calibrated=False), False)):
        settled = settle(ended(best_s=best_s), dosing.charged(), dosing.left(400_000), each)
        assert ("calibrated-time" in settled.witnesses) is expected


@pytest.mark.req("S17")
@pytest.mark.parametrize(
    ("dries", "early", "very_early", "whole"),
    [
        (1, 0.05, 0.0012, True),
        (1, 0.0501, 0.0, False),
        (1, 0.0, 0.00121, False),
        (0, 0.05, 0.0012, True),
        (2, 0.05, 0.0005, True),
        (2, 0.05, 0.00051, False),
        (3, 0.0, 0.0, False),
    ],
)
def test_a_clock_alone_is_whole_within_its_odds(
    dosing: Any, dries: int, early: float, very_early: float, whole: bool
) -> None:
    """One in twenty of more left, one in 833 of much more; one in 2,000 after a false dry; never after two."""
    estimate = ended(dries, early=early, very_early=very_early)
    settled = settle(estimate, dosing.charged(), None, dosing.calibrated)
    assert settled == Settled(
        final=TRACKED,
        tracked=TRACKED,
        witnesses=("dry", "calibrated-time") if whole else ("dry",),
        complete=whole,
        partial=False,
    )


@pytest.mark.req("S17")
@pytest.mark.parametrize(("very_early", "whole"), [(0.0012, True), (0.00121, False)])
def test_a_weight_vouches_however_often_a_device_said_dry(dosing: Any, very_early: float, whole: bool) -> None:
    """It is a witness of the amount also of a dose that is not whole; without an end of the device nothing is."""
    estimate = ended(3, very_early=very_early, weight=WEIGHT)
    settled = settle(estimate, dosing.charged(), None, dosing.unknown)
    assert (settled.complete, settled.witnesses, settled.final) == (whole, ("dry", "weight"), TRACKED)
    on = settle(ended(0, dry=False, weight=WEIGHT), dosing.charged(), None, dosing.unknown)
    assert (on.complete, on.witnesses, on.final) == (False, ("weight",), TRACKED)


@pytest.mark.req("S17")
def test_without_an_end_or_an_amount_nothing_vouches_for_the_low_end(dosing: Any) -> None:
    """A clock whose device said nothing, or a class's clock with its dry: as little as the slowest rate explains."""
    for estimate, model in ((ended(0, dry=False), dosing.calibrated), (ended(), dosing.unknown)):
        settled = settle(estimate, dosing.charged(), None, model)
        assert not settled.complete
        assert settled.final.low_nl < TRACKED.low_nl
        assert (settled.final.best_nl, settled.final.high_nl) == (TRACKED.best_nl, TRACKED.high_nl)
        assert settled.tracked == TRACKED


@pytest.mark.parametrize(("high", "partial"), [(2_640_000, False), (2_639_999, True)])
def test_less_than_a_charge_without_what_may_be_left_is_a_partial_dose(dosing: Any, high: int, partial: bool) -> None:
    """By its high end, against the least that was charged less the most that a whole run leaves."""
    estimate = replace(ended(0, dry=False), emitted=span(0, 1, high))
    assert settle(estimate, dosing.charged(), None, dosing.calibrated).partial is partial
    whole = replace(ended(), emitted=span(0, 1, high))
    assert not settle(whole, dosing.charged(), None, dosing.calibrated).partial


@pytest.mark.req("S17")
@pytest.mark.parametrize(
    ("weight", "whole"),
    [
        ((1_520_000.0, 10_000.0), True),
        ((1_520_000.0, 10_001.0), False),
        ((1_519_999.0, 10_000.0), False),
        (None, False),
    ],
)
def test_a_jet_is_whole_by_what_its_balance_says_is_left(
    dosing: Any, weight: tuple[float, float] | None, whole: bool
) -> None:
    """At most what a whole run leaves, by two standard deviations of the weight; a calibrated clock is not enough."""
    model = replace(dosing.jet, calibrated=True, sigma_ppm=10_000, run_sigma_ppm=10_000)
    settled = settle(ended(weight=weight), dosing.charged(), None, model)
    assert settled.complete is whole
    assert ("weight" in settled.witnesses) is (weight is not None)
    assert "calibrated-time" not in settled.witnesses


@pytest.mark.req("S17")
@pytest.mark.parametrize(("left_nl", "complete"), [(280_000, True), (280_001, False)])
def test_a_residual_is_a_whole_dose_s_up_to_its_limit(dosing: Any, left_nl: int, complete: bool) -> None:
    """By its high end; beyond it the dose is partial, and what was drawn is what counts."""
    residual = dosing.left(left_nl)
    settled = settle(ended(), dosing.charged(), residual, dosing.calibrated)
    assert settled == Settled(
        final=span(2_940_000 - left_nl - 20_000, 3_000_000 - left_nl, 3_060_000 - left_nl + 20_000),
        tracked=TRACKED,
        witnesses=("dry", "calibrated-time", "residual"),
        complete=complete,
        partial=not complete,
    )


def test_a_residual_beside_what_was_tracked_contradicts_it(dosing: Any) -> None:
    """Both are spanned, and what was drawn is the best; neither whole nor partial."""
    drawn = span(1_420_000, 1_500_000, 1_580_000)
    settled = settle(ended(), dosing.charged(), dosing.left(1_500_000), dosing.calibrated)
    assert settled == Settled(
        final=span(drawn.low_nl, drawn.best_nl, TRACKED.high_nl),
        tracked=TRACKED,
        witnesses=("dry", "calibrated-time", "residual"),
        complete=False,
        partial=False,
        contradiction=True,
    )


def test_what_is_doubted_or_topped_up_has_all_that_was_loaded_above(dosing: Any) -> None:
    """A doubt keeps the low end, a person's top-up leaves none; the greater of two top-ups counts; nothing is whole."""
    seen = replace(ended(), weighed=UNWEIGHED._replace(heavier_nl=500_000))
    uncertain = Settled(
        final=span(TRACKED.low_nl, TRACKED.best_nl, 3_560_000),
        tracked=TRACKED,
        witnesses=("dry",),
        complete=False,
        partial=False,
        added_nl=500_000,
    )
    left = dosing.left(300_000)
    assert settle(seen, dosing.charged(), left, dosing.calibrated, doubted=True) == uncertain
    for said, top in ((100_000, 500_000), (700_000, 720_000)):
        settled = settle(seen, dosing.charged(), left, dosing.calibrated, topped_up=dosing.around(said))
        final = span(0, TRACKED.best_nl, 3_060_000 + top)
        assert settled == replace(uncertain, final=final, added_nl=top)
    high = replace(seen, emitted=span(1, 2, 9_000_000))
    for doubts in ({"doubted": True}, {"topped_up": dosing.around(1)}):
        assert settle(high, dosing.charged(), None, dosing.calibrated, **doubts).final.high_nl == 9_000_000


@pytest.mark.req("S54")
@pytest.mark.parametrize(
    ("code", "known", "low", "added"),
    [
        (Code.CHARGE_CONTRADICTED, {"time": (3_500_000.0, 50_000.5)}, 0, 540_001),
        (Code.CHARGE_CONTRADICTED, {"time": (2_500_000.0, 50_000.0)}, 0, 0),
        (Code.CHARGE_CONTRADICTED, {"time": None}, 0, 0),
        (Code.CHARGE_CONTRADICTED, {"weight": (3_300_000.0, 20_000.0)}, 0, 280_000),
        (Code.WEIGHT_STEP, {"weight": (2_600_000.0, 20_000.0)}, TRACKED.low_nl, 0),
        (Code.WEIGHT_STEP, {}, 0, 0),
    ],
)
def test_a_contradicted_dose_has_no_low_end_and_room_for_all_that_may_have_been_added(
    dosing: Any, code: Code, known: dict[str, Any], low: int, added: int
) -> None:
    """A weight that saw a step still bounds it below; where charge, time and weight deny each other nothing does."""
    estimate = ended()
    estimate = replace(estimate, known=estimate.known._replace(**known), found=(code,))
    settled = settle(estimate, dosing.charged(), None, dosing.calibrated)
    assert settled == Settled(
        final=span(low, TRACKED.best_nl, 3_060_000 + added),
        tracked=TRACKED,
        witnesses=("dry",),
        complete=False,
        partial=False,
        contradiction=True,
        added_nl=added,
    )
    drawn = settle(estimate, dosing.charged(), dosing.left(1_000_000), dosing.calibrated)
    assert drawn.witnesses == ("dry", "residual")
    assert drawn.final == span(min(low, 1_920_000), 2_000_000, 3_060_000 + added)


@pytest.mark.req("S54")
def test_a_jet_that_outran_its_charge_was_not_topped_up_by_its_clock(dosing: Any) -> None:
    """Its share of aerosol may be another; what the balance saw coming in still counts."""
    estimate = replace(ended(), found=(Code.CHARGE_CONTRADICTED,))
    estimate = replace(estimate, known=estimate.known._replace(time=(9_000_000.0, 1.0)))
    assert settle(estimate, dosing.charged(), None, dosing.jet).added_nl == 0
    poured = replace(estimate, weighed=UNWEIGHED._replace(heavier_nl=500_000))
    assert settle(poured, dosing.charged(), None, dosing.jet).added_nl == 500_000
