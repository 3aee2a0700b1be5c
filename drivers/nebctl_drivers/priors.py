"""What is known of a device class before its own calibration: the estimator's priors."""

from collections.abc import Mapping
from dataclasses import replace

from nebctl.core.dose import DeviceModel, Kind

MESH = DeviceModel(name="mesh", rate_nl_per_s=6_333, sigma_ppm=200_000)
"""A vibrating mesh: 0.38 mL/min typical, 20 % between units and 5 % between runs of one, as ln(rate).

Source: typical rate of an Aerogen Solo by its maker's general figures (check your instructions for use); the spread
between units is a planning figure until the unit's own 0.5 mL saline run replaces it. The share that stays in the cup,
3.2 % with a standard deviation of 1.5 %, and the 27 % that stop early: Gowda, Cuccia, Smaldone, Respir Care
2017;62(1):65.
"""

INNOSPIRE = replace(
    MESH,
    name="mesh.innospire",
    rate_nl_per_s=9_167,
    sigma_ppm=100_000,
    leaves_best_ppm=0,
    leaves_nl=150_000,
    leaves_sigma_nl=60_000,
)
"""0.55 mL/min, batch means 0.52 to 0.56 (https://aerosol-soc.com/abstracts/ensuring-consistency-performance-mesh-nebulizers/);
residual below 0.2 mL (http://wjgnet.com/2307-8960/full/v2/i12/742-T1.htm). Spread between units: a planning figure."""

EFLOW = replace(
    MESH,
    name="mesh.eflow",
    rate_nl_per_s=8_333,
    sigma_ppm=150_000,
    leaves_best_ppm=0,
    leaves_nl=1_000_000,
    leaves_sigma_nl=100_000,
    complete_left_ppm=400_000,
    leaves_sigma_ppm=0,
)
"""0.4 to 0.7 mL/min, about 1.0 mL left by design: commonly quoted, check your instructions for use. Of 3 mL it cannot
give 90 %."""

OMRON = replace(
    MESH,
    name="mesh.omron",
    rate_nl_per_s=4_167,
    sigma_ppm=150_000,
    leaves_best_ppm=0,
    leaves_nl=200_000,
    leaves_sigma_nl=80_000,
)
"""0.25 mL/min or more, at most 0.3 mL left: commonly quoted, check your instructions for use."""

JET = DeviceModel(
    name="jet",
    kind=Kind.JET,
    rate_nl_per_s=4_167,
    sigma_ppm=150_000,
    run_sigma_ppm=65_000,
    complete_left_ppm=500_000,
    complete_left_nl=1_500_000,
    leaves_best_ppm=0,
    leaves_sigma_ppm=0,
    leaves_nl=1_050_000,
    leaves_sigma_nl=180_000,
    premature_ppm=0,
    aerosol_share_low_ppm=420_000,
    aerosol_share_best_ppm=650_000,
    aerosol_share_high_ppm=880_000,
    operator_ends=True,
    gas_sccm=6_000,
)
"""A jet nebulizer of an LC type at 6 L/min: 0.20 to 0.30 mL/min of aerosol, of 3 mL about 1.0 mL left with a spread of
0.15 mL.

The aerosol's share of the weight loss is wide because gas and cup decide it, and runs of one cup differ: 45 to 61 % for
two cups on dry gas (https://pmc.ncbi.nlm.nih.gov/articles/PMC462714/), vapour of about 14 % of the output for another
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

PRESETS: Mapping[str, DeviceModel] = {
    "mesh.solo": replace(MESH, name="mesh.solo"),
    "mesh.innospire": INNOSPIRE,
    "mesh.eflow": EFLOW,
    "mesh.omron": OMRON,
    "jet.lc": replace(JET, name="jet.lc"),
}
"""Priors by the product class that they are for; the simulators' presets share these names and nothing else."""
