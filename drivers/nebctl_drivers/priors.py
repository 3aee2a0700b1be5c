"""What is known of a device class before its own calibration: the estimator's priors."""

from collections.abc import Mapping

from nebctl.core.dose import DeviceModel

MESH = DeviceModel(name="mesh", rate_nl_per_s=6_333, sigma_ppm=206_000)
"""A vibrating mesh: 0.38 mL/min typical, 20 % between units and 5 % between runs of one, as ln(rate).

Source: typical rate of an Aerogen Solo by its maker's general figures (check your instructions for use); the spread
between units is a planning figure until the unit's own 0.5 mL saline run replaces it. The share that stays in the cup,
3.2 % with a standard deviation of 1.5 %: Gowda, Cuccia, Smaldone, Respir Care 2017;62(1):65, bench runs that completed.
"""

PRIORS: Mapping[str, DeviceModel] = {"mesh-reference": MESH}
"""The prior of each driver's device class."""
