"""A saline run: the rate of a device from a known volume and the time that it took, and how sure that is.

    rate = (volume - residue) / time / warmth

`time` is that of aerosol alone, without the search for resonance before it and the proof of dryness after it; `residue`
is the film that never leaves the cup; `warmth` brings a cold liquid to 22 degrees Celsius. Where a balance gave the
volume, it is the weight lost in that time over the density, and there is no residue in it. Several runs give mean and
spread. The uncertainties that the runs share do not shrink with their number:

    sigma^2 = filling^2 + residue^2 + temperature^2 + (timing^2 + repeatability^2) / runs,    sigma >= 1.5 %
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nebctl.core.dose.calibration import By
from nebctl.core.units import WHOLE_PPM, Nanolitres, PartsPerMillion

DENSITY_UG_PER_ML = 1_004_600
"""0.9 % saline near 20 degrees Celsius. Source: commonly tabulated specific gravity of 1.0046 at 20 to 22 degrees."""
FILLING_PPM = 29_000
"""A 1 mL syringe delivers its upper half to 5 %: a rectangle of that half width. Source: ISO 7886-1, section 8."""
BALANCE_PPM = 4_000
"""What air, drips and the balance's own scale leave of a weight loss. An assumption: 0.2 % each, and both together."""
RESIDUE_NL, RESIDUE_SIGMA_NL = 20_000, 12_000
"""The film in a mesh's cup after 0.5 mL.

An assumption between two facts: 3.2 % of the charge stayed after 3 mL (Gowda, Cuccia, Smaldone, Respir Care
2017;62(1):65), which would be 16 uL here if the film went with the charge; and it cannot be more than what stayed then.
"""
RESIDUE_READ_NL = 5_000
"""How well a residue is known that was drawn into a syringe or weighed."""
REPEAT_PPM, REPEAT_WEIGHT = 50_000, 4
"""What one device does from run to run, and as how many runs of its own that counts.

Source: 3 to 8 % between the runs of one mesh is a planning figure of bench work; nobody has published it for yours.
"""
FLOOR_PPM = 15_000
"""No saline run is trusted better than this: the next dose is another liquid, in another cup position."""
NOMINAL_MC, COLD_PPM_PER_C, COLD_SIGMA_PPM = 22_000, 20_000, 6_000
"""A mesh loses 1 to 3 % a degree below 22 degrees Celsius.

Source: that it falls, https://pmc.ncbi.nlm.nih.gov/articles/PMC10208687/; the figure is a rule of thumb.
"""
UNSENSED_PPM = 20_000
"""What an unknown temperature of saline that stood in the room costs: a degree of it."""
COLDEST_MC = 15_000
SHORTEST_MS = 20_000
WIDEST_SPREAD_PPM = 150_000
LEAST_FACTOR, MOST_FACTOR = 0.2, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One saline run: what left or was filled, and for how long there was aerosol, with its standard uncertainty.

    `temp_mc` is the liquid's mean temperature in millidegrees Celsius, None where the device does not sense it.
    """

    volume_nl: Nanolitres
    aerosol_ms: int
    sigma_ms: int
    temp_mc: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the runs together: how the volume was found, and the residue where somebody measured it.

    `share_ppm` is the aerosol's share of what leaves the cup, the whole for a mesh.
    """

    by: By
    residue_nl: Nanolitres | None = None
    share_ppm: PartsPerMillion = WHOLE_PPM
    share_sigma_ppm: PartsPerMillion = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the runs say: mean rate and its standard uncertainty in nL/s at 22 degrees Celsius.

    `spread_ppm` is the widest difference between runs over their mean, 0 for a single run. `parts_ppm` are the
    uncertainties that make up the sum, each as a share of the rate.
    """

    rates_nl_per_s: tuple[int, ...]
    rate_nl_per_s: int
    sigma_nl_per_s: int
    spread_ppm: PartsPerMillion
    parts_ppm: tuple[tuple[str, PartsPerMillion], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Why runs give no calibration: a code, and what was seen, what was expected and what to do in one sentence."""

    code: str
    sentence: str


def refuse_run(run: Run) -> Finding | None:
    """Return why one run cannot be a measurement; None where it can."""
    if run.volume_nl <= 0:
        return Finding(
            code="no-weight",
            sentence="no loss of weight was seen, expected a balance under the device that tells it: look at it, "
            "or calibrate by time.",
        )
    if run.aerosol_ms < SHORTEST_MS:
        return Finding(
            code="too-short",
            sentence=f"{run.aerosol_ms / 1000:.1f} s of aerosol, expected at least {SHORTEST_MS // 1000} s: the cup "
            "was dry, hardly filled, or the device stopped early. Fill it and try again.",
        )
    if run.temp_mc is not None and run.temp_mc < COLDEST_MC:
        return Finding(
            code="cold",
            sentence=f"saline at {run.temp_mc / 1000:.1f} degrees Celsius, expected at least {COLDEST_MC // 1000}: "
            "let it come to the room's temperature and try again.",
        )
    return None


def measure(runs: Sequence[Run], known: Known) -> Measured:
    """Return the rate that the runs give, and how sure it is.

    Raises: `ValueError` without a run, or where a residue is as much as what was filled.
    """
    rates = [_rate(run, known) for run in runs]
    if not rates or min(rates) <= 0:
        raise ValueError(f"{len(rates)} runs and a residue of {known.residue_nl} nL: expected a run, and less residue")
    mean = math.fsum(rates) / len(rates)
    parts = _parts(runs, rates, known)
    sigma_ppm = max(FLOOR_PPM, math.hypot(*(share for _, share in parts)))
    return Measured(
        rates_nl_per_s=tuple(round(rate) for rate in rates),
        rate_nl_per_s=round(mean),
        sigma_nl_per_s=math.ceil(mean * sigma_ppm / WHOLE_PPM),
        spread_ppm=round((max(rates) - min(rates)) / mean * WHOLE_PPM),
        parts_ppm=tuple((name, round(share)) for name, share in parts),
    )


def judge(measured: Measured, class_rate_nl_per_s: int, least_nl_per_s: int | None) -> Finding | None:
    """Return why a rate is no calibration; None where it is one.

    `class_rate_nl_per_s` is what such devices usually give; `least_nl_per_s` what a good one gives at least, None where
    there is no such rule.
    """
    rate = measured.rate_nl_per_s
    if not class_rate_nl_per_s * LEAST_FACTOR <= rate <= class_rate_nl_per_s * MOST_FACTOR:
        return Finding(
            code="implausible",
            sentence=f"a rate of {_ml_min(rate)}, expected {_ml_min(round(class_rate_nl_per_s * LEAST_FACTOR))} to "
            f"{_ml_min(class_rate_nl_per_s * MOST_FACTOR)} of such a device: check the volume that was filled.",
        )
    if measured.spread_ppm > WIDEST_SPREAD_PPM:
        return Finding(
            code="spread",
            sentence=f"runs {measured.spread_ppm / 10_000:.0f} % apart, expected at most {WIDEST_SPREAD_PPM // 10_000} "
            "%: one of them was filled otherwise or stopped early. Repeat all of them.",
        )
    if least_nl_per_s is not None and rate < least_nl_per_s:
        return Finding(
            code="too-slow",
            sentence=f"a rate of {_ml_min(rate)}, expected at least {_ml_min(least_nl_per_s)}: replace the mesh, and "
            "calibrate the new one.",
        )
    return None


def _rate(run: Run, known: Known) -> float:
    residue_nl = 0 if known.by is By.BALANCE else _residue(known)[0]
    cold_c = 0.0 if run.temp_mc is None else max(0.0, (NOMINAL_MC - run.temp_mc) / 1000)
    warmth = 1 - cold_c * COLD_PPM_PER_C / WHOLE_PPM
    return (run.volume_nl - residue_nl) / (run.aerosol_ms / 1000) / warmth * known.share_ppm / WHOLE_PPM


def _residue(known: Known) -> tuple[Nanolitres, Nanolitres]:
    return (RESIDUE_NL, RESIDUE_SIGMA_NL) if known.residue_nl is None else (known.residue_nl, RESIDUE_READ_NL)


def _parts(runs: Sequence[Run], rates: Sequence[float], known: Known) -> tuple[tuple[str, float], ...]:
    """Return each uncertainty of the mean as a share of it in ppm."""
    weighed, count = known.by is By.BALANCE, len(runs)
    residue_nl, residue_sigma_nl = _residue(known)
    left_nl = sum(run.volume_nl for run in runs) / count - residue_nl
    timing = math.fsum((run.sigma_ms / run.aerosol_ms) ** 2 for run in runs) / count
    return (
        ("filling", BALANCE_PPM if weighed else FILLING_PPM),
        ("residue", 0.0 if weighed else residue_sigma_nl / left_nl * WHOLE_PPM),
        ("temperature", _temperature_ppm(runs)),
        *((("share", known.share_sigma_ppm * WHOLE_PPM / known.share_ppm),) if known.share_sigma_ppm else ()),
        ("timing", math.sqrt(timing / count) * WHOLE_PPM),
        ("repeatability", _repeat_ppm(rates) / math.sqrt(count)),
    )


def _temperature_ppm(runs: Sequence[Run]) -> float:
    told = [run.temp_mc for run in runs if run.temp_mc is not None]
    if len(told) < len(runs):
        return UNSENSED_PPM
    return max(0.0, NOMINAL_MC - math.fsum(told) / len(told)) / 1000 * COLD_SIGMA_PPM


def _repeat_ppm(rates: Sequence[float]) -> float:
    """Return the run-to-run standard deviation: what these runs say and what was known before, by their weights."""
    mean = math.fsum(rates) / len(rates)
    own = math.fsum(((rate - mean) / mean * WHOLE_PPM) ** 2 for rate in rates)
    return math.sqrt((own + REPEAT_WEIGHT * REPEAT_PPM**2) / (len(rates) - 1 + REPEAT_WEIGHT))


def _ml_min(rate_nl_per_s: int) -> str:
    return f"{rate_nl_per_s * 60 / 1_000_000:.3f} mL/min"
