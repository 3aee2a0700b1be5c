"""What is known of a device before the dose: what its calibration changes, what records carry, what a run leaves."""

import re
from dataclasses import replace
from typing import Any

import pytest

from nebctl.core.dose import Calibration, DeviceModel, with_calibration
from nebctl.core.dose.calibration import By
from nebctl.core.dose.model import Kind, model_of

SALINE = Calibration(rate_nl_per_s=5_000, sigma_nl_per_s=200, method=By.TIME, seq=7)


def test_a_calibration_gives_a_device_its_own_rate(dosing: Any) -> None:
    """Rate, doubt and record are the calibration's; all else stays the class's; nothing is surer than 1.5 %."""
    known = with_calibration(dosing.unknown, SALINE)
    assert known == replace(dosing.unknown, rate_nl_per_s=5_000, sigma_ppm=40_000, calibration=7, calibrated=True)
    assert with_calibration(dosing.unknown, replace(SALINE, sigma_nl_per_s=1)).sigma_ppm == 15_000


@pytest.mark.parametrize(("told_ppm", "sigma_ppm"), [(None, 30_000), (40_000, 40_000), (5_000, 10_000)])
def test_a_jet_s_share_is_calibrated_too_where_it_was_measured(
    dosing: Any, told_ppm: int | None, sigma_ppm: int
) -> None:
    """The share is the measured one, 3 % unsure where nobody said and never surer than 1 %; a mesh has no share."""
    timed = with_calibration(dosing.jet, SALINE)
    shared = replace(SALINE, share_ppm=600_000, share_sigma_ppm=told_ppm)
    assert timed.aerosol_share_best_ppm == dosing.jet.aerosol_share_best_ppm
    assert timed.share_sigma_ppm == 0
    assert with_calibration(dosing.jet, shared) == replace(
        timed, aerosol_share_best_ppm=600_000, share_sigma_ppm=sigma_ppm
    )
    assert with_calibration(dosing.unknown, shared) == with_calibration(dosing.unknown, SALINE)


@pytest.mark.parametrize("calibration", [None, 7])
def test_a_record_s_model_is_the_model_again(dosing: Any, calibration: int | None) -> None:
    """An auditor estimates with what the record tells: every member comes back as it was."""
    for model in (dosing.jet, dosing.calibrated):
        assert model_of(model.as_json(), calibration) == replace(model, calibration=calibration)
    assert dosing.jet.as_json()["kind"] == "jet"
    assert "calibration" not in dosing.jet.as_json()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rate_nl_per_s": "6"}, "member rate_nl_per_s of the model: saw '6', expected int"),
        ({"rate_nl_per_s": True}, "member rate_nl_per_s of the model: saw True, expected int"),
        ({"name": 5}, "member name of the model: saw 5, expected str"),
        ({"kind": 5}, "member kind of the model: saw 5, expected str"),
        ({"operator_ends": 1}, "member operator_ends of the model: saw 1, expected bool"),
        ({"calibrated": 0}, "member calibrated of the model: saw 0, expected bool"),
        ({"kind": "fan"}, "member kind of the model: saw 'fan', expected mesh or jet"),
        ({"zeal": 1, "calibration": 2}, "the model's members are not those of this estimator: calibration, zeal"),
    ],
)
def test_a_model_that_is_none_is_refused_by_its_member(dosing: Any, change: dict[str, Any], said: str) -> None:
    """The refusal names the member, what was seen and what is right."""
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        model_of({**dosing.jet.as_json(), **change}, None)


def test_a_model_without_a_member_is_refused(dosing: Any) -> None:
    """What is missing is named."""
    told = dosing.jet.as_json()
    del told["gas_sccm"]
    with pytest.raises(ValueError, match=r"not those of this estimator: gas_sccm$"):
        model_of(told, None)


def a_model(**changes: Any) -> DeviceModel:
    """Return a mesh that keeps 3.2 % of its charge and may keep a tenth."""
    return DeviceModel(name="mesh", rate_nl_per_s=6_000, sigma_ppm=50_000, **changes)


def test_what_a_completed_run_may_leave_and_usually_leaves() -> None:
    """A share of the charge or an amount, whichever is more; the usual is both together; neither exceeds the charge."""
    assert a_model().most_left_nl(3_000_000) == 300_000
    assert a_model().most_left_nl(3_000_019) == 300_001
    assert a_model().usual_left_nl(3_000_019) == 96_000
    assert a_model(complete_left_nl=700_000).most_left_nl(3_000_000) == 700_000
    assert a_model(complete_left_nl=700_000).most_left_nl(500_000) == 500_000
    assert a_model().usual_left_nl(3_000_000) == 96_000
    assert a_model(leaves_nl=50_000).usual_left_nl(3_000_000) == 146_000
    assert a_model(leaves_nl=50_000).usual_left_nl(20_000) == 20_000


def test_a_jet_emits_less_than_leaves_its_cup() -> None:
    """A mesh emits all that it does not keep; a jet's liquid thickens, so a third left of it is not two thirds gone."""
    assert a_model().usually_emits_nl(3_000_000) == 2_904_000
    assert [a_model().usually_emits_nl(3_000_000 + more) for more in range(5)] == [2_904_000 + n for n in range(5)]
    assert a_model().usually_emits_nl(0) == 0
    jet = a_model(kind=Kind.JET, leaves_best_ppm=0, leaves_nl=750_000, aerosol_share_best_ppm=500_000)
    assert jet.usually_emits_nl(3_000_000) == 1_500_000
    assert jet.usually_emits_nl(1) == 0
    assert jet.usually_emits_nl(0) == 0
    assert a_model(kind=Kind.JET, leaves_best_ppm=0, leaves_nl=0).usually_emits_nl(1) == 1
