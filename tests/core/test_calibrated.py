"""Which calibration a dose counts on, as the unit's own records say it."""

from dataclasses import replace

import pytest

from nebctl.core.calibrated import Standing, apply, find, note
from nebctl.core.calibrations import CalibrationRecord
from nebctl.core.dose import DeviceModel
from nebctl.core.dose.calibration import By
from nebctl.core.regimen import SiteRules

DAY_NS = 24 * 3600 * 10**9
NOW_NS = 1_800_000_000 * 10**9
SITE = SiteRules()
PRIOR = DeviceModel(name="mesh", rate_nl_per_s=6_333, sigma_ppm=206_000)
CONFIGURED = replace(PRIOR, rate_nl_per_s=7_000, sigma_ppm=60_000, calibrated=True)
GOOD = CalibrationRecord(
    seq=7,
    serial="SIM-0001",
    mesh="M-1",
    at_ns=NOW_NS,
    valid_until_ns=NOW_NS + 30 * DAY_NS,
    method=By.TIME,
    rate_nl_per_s=5_000,
    sigma_nl_per_s=200,
    accepted=True,
)
FAILED = replace(GOOD, seq=12, rate_nl_per_s=3_000, accepted=False, finding="too-slow")
BROKEN_OFF = replace(GOOD, seq=13, rate_nl_per_s=0, sigma_nl_per_s=0, accepted=False, finding="stopped")


@pytest.mark.parametrize(
    ("days", "standing"),
    [
        (0, Standing.GOOD),
        (7, Standing.GOOD),
        (7.1, Standing.OLD),
        (30, Standing.OLD),
        (30.1, Standing.EXPIRED),
        (-1, Standing.FUTURE),
    ],
)
def test_a_calibration_ages(days: float, standing: Standing) -> None:
    """It is old after a week, counts no more after thirty days, and one from tomorrow speaks of a wrong clock."""
    found = find((GOOD,), "SIM-0001", "M-1", NOW_NS + round(days * DAY_NS), SITE)
    assert (found.standing, found.used) == (standing, standing in (Standing.GOOD, Standing.OLD))


@pytest.mark.req("S54")
@pytest.mark.parametrize("mesh", ["M-2", ""])
def test_a_new_mesh_drops_the_old_calibration(mesh: str) -> None:
    """Another name in the unit's file, or none any more, and the device is known by its class alone."""
    found = find((GOOD,), "SIM-0001", mesh, NOW_NS, SITE)
    assert found.standing is Standing.OTHER_MESH
    assert apply(PRIOR, PRIOR, found, SITE) == PRIOR


@pytest.mark.parametrize("records", [(), (GOOD,)])
def test_another_device_has_none(records: tuple[CalibrationRecord, ...]) -> None:
    """A calibration is of one serial number."""
    assert find(records, "SIM-0002", "M-1", NOW_NS, SITE).standing is Standing.NONE


def test_a_failed_calibration_withdraws_the_one_before() -> None:
    """A mesh that was found too slow is not dosed by last week's rate; a run that was broken off changes nothing."""
    assert find((GOOD, FAILED), "SIM-0001", "M-1", NOW_NS, SITE).standing is Standing.FAILED
    assert find((GOOD, BROKEN_OFF), "SIM-0001", "M-1", NOW_NS, SITE).record == GOOD
    assert find((FAILED, replace(GOOD, seq=20)), "SIM-0001", "M-1", NOW_NS, SITE).used


def test_the_record_s_own_end_holds_too() -> None:
    """A site that lengthens its rule does not revive a calibration that was recorded as valid until yesterday."""
    short = replace(GOOD, valid_until_ns=NOW_NS + DAY_NS)
    assert find((short,), "SIM-0001", "M-1", NOW_NS + 2 * DAY_NS, SITE).standing is Standing.EXPIRED


def test_the_signed_record_wins_over_the_unit_s_file() -> None:
    """What the file says counts only where nobody calibrated; a failed calibration speaks against it too."""
    none = find((), "SIM-0001", "M-1", NOW_NS, SITE)
    assert apply(CONFIGURED, PRIOR, none, SITE) == CONFIGURED
    used = apply(CONFIGURED, PRIOR, find((GOOD,), "SIM-0001", "M-1", NOW_NS, SITE), SITE)
    assert (used.rate_nl_per_s, used.calibration, used.calibrated) == (5_000, 7, True)
    failed = find((GOOD, FAILED), "SIM-0001", "M-1", NOW_NS, SITE)
    assert apply(CONFIGURED, PRIOR, failed, SITE) == PRIOR


def test_each_day_makes_it_less_sure() -> None:
    """Four per cent on the day, and with 0.2 % a day a little more after three weeks; the rate stays."""
    sigmas = [
        apply(PRIOR, PRIOR, find((GOOD,), "SIM-0001", "M-1", NOW_NS + days * DAY_NS, SITE), SITE).sigma_ppm
        for days in (0, 1, 20)
    ]
    assert sigmas == [40_000, 40_050, 56_569]


@pytest.mark.parametrize("standing", list(Standing))
def test_every_standing_has_a_line_that_says_what_to_do(standing: Standing) -> None:
    """The self-test shows one line for each; whatever is not good names an act or its consequence."""
    said = note(replace(find((GOOD,), "SIM-0001", "M-1", NOW_NS, SITE), standing=standing))
    assert said.startswith("calibration: ")
    assert standing is Standing.GOOD or any(word in said for word in ("nebctl calibrate", "check the clock", "cannot"))
