"""Facts about the emitted volume of a device that dries what it sprays."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.device import DeviceReport, EndCause, Output
from nebctl.core.dose import (
    NOTHING,
    Charge,
    DeviceModel,
    DoseEstimate,
    Interval,
    Method,
    Residual,
    balance,
    ran_dry_early,
    seconds_left,
    settle,
    started,
    track,
)

MESH = DeviceModel(name="mesh", rate_nl_per_s=6_333, sigma_ppm=206_000)
JET = DeviceModel(
    name="jet",
    rate_nl_per_s=4_167,
    sigma_ppm=200_000,
    complete_left_ppm=450_000,
    leaves_best_ppm=333_000,
    leaves_high_ppm=417_000,
    aerosol_share_low_ppm=450_000,
    aerosol_share_best_ppm=650_000,
    aerosol_share_high_ppm=850_000,
    operator_ends=True,
)
FULL = Charge(
    volume=Interval(low_nl=2_950_000, best_nl=3_000_000, high_nl=3_050_000), method=Method.WEIGHED, vial_emptied=True
)


def around(best_nl: int, half_nl: int = 20_000) -> Interval:
    """Return a volume with an interval around it."""
    return Interval(low_nl=max(0, best_nl - half_nl), best_nl=best_nl, high_nl=best_nl + half_nl)


def charged(best_nl: int, half_nl: int = 20_000) -> Charge:
    """Return a weighed charge."""
    return Charge(volume=around(best_nl, half_nl), method=Method.WEIGHED, vial_emptied=True)


def left(best_nl: int, half_nl: int = 20_000) -> Residual:
    """Return a weighed residual."""
    return Residual(volume=around(best_nl, half_nl), method=Method.WEIGHED)


def ran(on_s: float, *, dry: bool = False, model: DeviceModel = JET, charge: Charge = FULL) -> DoseEstimate:
    """Return the estimate after one run of so many seconds."""
    report = DeviceReport(
        at_ns=0, output=Output.RUNNING, run="0badcafe", on_ms=round(on_s * 1000), end=EndCause.NONE, boot=1, dry=dry
    )
    return track(started(NOTHING), report, charge, model)


def emitted(filled: float, remains: float, share: float) -> float:
    """Return what a cup emits on its way from `filled` to `remains`, in the solution as filled."""
    return filled * (1 - (remains / filled) ** share)


volumes = st.integers(500_000, 6_000_000)
shares = st.integers(450_000, 850_000)


@given(volumes, st.integers(0, 7_000_000), st.integers(0, 100_000), st.integers(0, 100_000))
def test_without_vapour_the_balance_is_exact(charge_nl: int, left_nl: int, half_nl: int, other_nl: int) -> None:
    """For an aerosol share of one, what was emitted is exactly charge less residual, to the nanolitre."""
    charge, residual = charged(charge_nl, half_nl), left(left_nl, other_nl)
    estimate = replace(NOTHING, emitted=Interval(low_nl=0, best_nl=0, high_nl=charge.volume.high_nl))
    assert settle(estimate, charge, residual, MESH).final == balance(charge, residual)


@given(volumes, st.floats(0.01, 1), shares, st.floats(-1, 1), st.floats(-1, 1))
def test_the_balance_of_a_jet_holds_the_truth(
    charge_nl: int, part: float, share_ppm: int, filled_at: float, left_at: float
) -> None:
    """With share and volumes anywhere in their ranges, the settled interval holds what was emitted."""
    left_nl, filled = round(charge_nl * part), charge_nl + 20_000 * filled_at
    truth = emitted(filled, min(max(0.0, left_nl + 20_000 * left_at), filled), share_ppm / 1e6)
    unknown = replace(NOTHING, emitted=Interval(low_nl=0, best_nl=0, high_nl=charge_nl + 20_000))
    final = settle(unknown, charged(charge_nl), left(left_nl), JET).final
    assert final.low_nl - 1 <= truth <= final.high_nl + 1


@given(volumes, st.floats(0, 1_500), shares, st.floats(-1.95, 1.95), st.integers(0, 417_000))
def test_tracking_holds_the_truth_however_long_it_runs(
    charge_nl: int, on_s: float, share_ppm: int, sigmas: float, leaves_ppm: int
) -> None:
    """For a rate within 1.95 sigma, a share within its range and a residual that can be, no bound is ever wrong."""
    rate = JET.rate_nl_per_s * 2.718281828 ** (sigmas * JET.sigma_ppm / 1e6)
    share = share_ppm / 1e6
    lost = min(rate * on_s / share, charge_nl * (1 - leaves_ppm / 1e6))
    tracked = ran(on_s, charge=charged(charge_nl)).emitted
    assert tracked.low_nl - 2 <= emitted(charge_nl, charge_nl - lost, share) <= tracked.high_nl + 2


@given(st.floats(0, 1_500), st.floats(0, 1_500))
def test_the_bounds_of_a_jet_never_fall(first_s: float, second_s: float) -> None:
    """With more on-time no bound is lower (S33)."""
    shorter, longer = ran(min(first_s, second_s)).emitted, ran(max(first_s, second_s)).emitted
    assert shorter.low_nl <= longer.low_nl
    assert shorter.best_nl <= longer.best_nl
    assert shorter.high_nl <= longer.high_nl


def test_the_worked_example_of_a_jet() -> None:
    """Of 3 mL with 1.0 mL left, a share of 0.77 has emitted 57 % and one of 0.55 46 %, although 67 % of it is gone."""
    exact = Charge(volume=around(3_000_000, 0), method=Method.WEIGHED, vial_emptied=True)
    for share_ppm, percent in ((770_000, 57), (550_000, 45)):
        model = replace(JET, aerosol_share_low_ppm=share_ppm, aerosol_share_best_ppm=share_ppm)
        model = replace(model, aerosol_share_high_ppm=share_ppm)
        final = settle(replace(NOTHING, emitted=around(1_500_000, 900_000)), exact, left(1_000_000, 0), model).final
        assert final.best_nl * 100 // 3_000_000 == percent
        assert final.high_nl - final.low_nl <= 1


def test_time_left_counts_to_what_a_jet_can_emit() -> None:
    """A jet that runs as expected is told to last about six minutes, not the twelve that 3 mL would take."""
    assert 300 < (seconds_left(ran(1), FULL) or 0) < 400
    assert (seconds_left(ran(300), FULL) or 0) < 40


# S17


def seen_by(estimate: DoseEstimate, operator: str) -> DoseEstimate:
    """Return the estimate after the operator saw the end."""
    return replace(estimate, end_seen_by=operator)


@pytest.mark.req("S17")
@pytest.mark.parametrize("evidence", ["dry", "operator-end"])
def test_a_jet_is_complete_by_its_end_and_its_residual(evidence: str) -> None:
    """Sputter or the operator's word, and a measured residual within what a jet leaves: two witnesses."""
    estimate = ran(320, dry=True) if evidence == "dry" else seen_by(ran(320), "RT-07")
    settled = settle(estimate, FULL, left(1_050_000), JET)
    assert settled.complete
    assert settled.witnesses == (evidence, "residual")


@pytest.mark.req("S17")
def test_a_jet_without_a_residual_is_never_complete() -> None:
    """Neither sputter and the operator's word together nor a calibrated rate make up for the residual."""
    estimate = seen_by(ran(900, dry=True), "RT-07")
    for model in (JET, replace(JET, calibrated=True, sigma_ppm=1_000)):
        settled = settle(estimate, FULL, None, model)
        assert not settled.complete
        assert settled.witnesses == ("dry", "operator-end")


@pytest.mark.req("S17")
def test_a_timer_alone_completes_no_jet() -> None:
    """A run of the expected time with the expected residual, whose end nobody and nothing saw, is not complete."""
    settled = settle(ran(320), FULL, left(1_050_000), JET)
    assert (settled.complete, settled.witnesses) == (False, ("residual",))


@pytest.mark.req("S17")
def test_too_much_left_is_a_partial_dose() -> None:
    """Sputter with 1.6 mL left of 3 mL is no completed run, whatever the operator saw."""
    settled = settle(seen_by(ran(320, dry=True), "RT-07"), FULL, left(1_600_000), JET)
    assert (settled.complete, settled.partial) == (False, True)


@pytest.mark.req("S17")
def test_an_operators_word_is_no_witness_of_a_mesh() -> None:
    """A mesh senses its own end; that a person saw it counts for nothing there."""
    settled = settle(seen_by(ran(460, model=MESH), "RT-07"), FULL, left(100_000), MESH)
    assert (settled.complete, settled.witnesses) == (False, ("residual",))


@pytest.mark.req("S29")
def test_a_jet_that_spits_at_once_ran_dry_early() -> None:
    """Sputter after a minute is a premature stop; after five minutes it is the end."""
    assert ran_dry_early(ran(45, dry=True), FULL, JET)
    assert not ran_dry_early(ran(300, dry=True), FULL, JET)
