"""A charge that the device's own running contradicts."""

import pytest

from nebctl.core.device import DeviceReport, EndCause, Output
from nebctl.core.dose import NOTHING, Charge, DeviceModel, Interval, Method, Residual, settle, started, track

MESH = DeviceModel(name="mesh", rate_nl_per_s=6_333, sigma_ppm=206_000)
CALIBRATED = DeviceModel(name="mesh", rate_nl_per_s=6_333, sigma_ppm=60_000, calibrated=True)
ONE_ML = Charge(
    volume=Interval(low_nl=980_000, best_nl=1_000_000, high_nl=1_020_000), method=Method.WEIGHED, vial_emptied=True
)
LITTLE = Residual(volume=Interval(low_nl=30_000, best_nl=50_000, high_nl=70_000), method=Method.WEIGHED)


def ran_s(seconds: int) -> DeviceReport:
    """Return a report of a device that ran so long and is dry."""
    return DeviceReport(
        at_ns=0, output=Output.OFF, run="0badcafe", on_ms=seconds * 1000, end=EndCause.DRY, boot=1, dry=True
    )


@pytest.mark.req("S54")
@pytest.mark.parametrize("model", [MESH, CALIBRATED])
def test_a_run_that_the_charge_cannot_explain_leaves_nothing_certain(model: DeviceModel) -> None:
    """1 mL that runs as long as 3 mL was more than 1 mL: never complete, and the interval begins at nothing."""
    estimate = track(started(NOTHING), ran_s(470), ONE_ML, model)
    for residual in (LITTLE, None):
        settled = settle(estimate, ONE_ML, residual, model)
        assert (settled.complete, settled.partial, settled.contradiction) == (False, False, True)
        assert (settled.final.low_nl, settled.final.high_nl) == (0, 1_020_000)


@pytest.mark.parametrize("model", [MESH, CALIBRATED])
@pytest.mark.parametrize("seconds", [158, 240, 300])
def test_a_slow_or_clogged_device_contradicts_no_charge(model: DeviceModel, seconds: int) -> None:
    """1 mL at half the usual rate is still explained by a slow device."""
    estimate = track(started(NOTHING), ran_s(seconds), ONE_ML, model)
    assert not estimate.outran
