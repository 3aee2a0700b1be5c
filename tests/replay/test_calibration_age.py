"""A calibration's age counts in a replay as it does at the bedside."""

import json
from pathlib import Path

import pytest

from nebctl.cli.dose.calibration import load_calibration
from nebctl.core.regimen import SiteRules
from nebctl_drivers.priors import PRESETS

NOW_NS = 1_771_200_000_000_000_000
MODEL = PRESETS["mesh.solo"]


@pytest.mark.parametrize("says", [{"age_days": 30}, {"made_at": "2026-01-17T00:00:00Z"}])
def test_each_day_adds_the_drift_of_the_site_rules(tmp_path: Path, says: dict[str, object]) -> None:
    """Thirty days make a calibration as much less sure as the default of the site rules says, and no day not at all."""
    path = tmp_path / "cal.json"
    sigma = {}
    for name, more in (("new", {}), ("old", says)):
        path.write_text(json.dumps({"rate_nl_per_s": 6_333, "sigma_nl_per_s": 190, "method": "time", **more}), "utf-8")
        sigma[name] = load_calibration(path, MODEL, NOW_NS).calibration.sigma_ppm
    added = 30 * SiteRules().calibration_drift_ppm
    assert sigma["new"] == pytest.approx(30_000, rel=0.01)
    assert sigma["old"] == pytest.approx((sigma["new"] ** 2 + added**2) ** 0.5, rel=0.01)
