"""What is known of a device class before its own calibration: the estimator's priors."""

from collections.abc import Mapping

from nebctl.core.dose import DeviceModel

MESH = DeviceModel(name="mesh", rate_nl_per_s=6_333, sigma_ppm=206_000)
"""A vibrating mesh: 0.38 mL/min typical, 20 % between units and 5 % between runs of one, as ln(rate).

Source: typical rate of an Aerogen Solo by its maker's general figures (check your instructions for use); the spread
between units is a planning figure until the unit's own 0.5 mL saline run replaces it. The share that stays in the cup,
3.2 % with a standard deviation of 1.5 %: Gowda, Cuccia, Smaldone, Respir Care 2017;62(1):65, bench runs that completed.
"""

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
"""A jet nebulizer of an LC type at 6 L/min: 0.25 mL/min of aerosol, of 3 mL about 1.0 mL left with a spread of 0.15 mL.

The aerosol's share of the weight loss is wide because gas and cup decide it: 45 to 61 % measured for two cups on dry
gas (https://pmc.ncbi.nlm.nih.gov/articles/PMC462714/), vapour of about 14 % of the output for another
(https://scilit.com/publications/92dee3cb845dbe4dc8778a860316cff0). Rate and spread are planning figures until the
unit's own calibration replaces them; residuals of 0.8 to 2.0 mL: http://wjgnet.com/2307-8960/full/v2/i12/742-T1.htm.
"""

PRIORS: Mapping[str, DeviceModel] = {
    "board-9c": MESH,
    "jet": JET,
    "jet-modbus": JET,
    "mesh-reference": MESH,
    "modbus-nebulizer": MESH,
}
"""The prior of each driver's device class; a Modbus nebulizer counts as a mesh until its own calibration says more."""
