"""What is declared and measured around a dose, with its errors: the charge, the calibration, the residual."""

import random

from nebctl.core.dose.calibration import By, Calibration
from nebctl.core.dose.charge import Charge, Interval, Method, Residual
from nebctl_lab.bench.dose.run import Stress

Z95 = 1.96
DECLARED = 0.02
"""A declared charge of 3 mL stands for 2.94 to 3.06 mL."""
WEIGHED_NL = 10_000
BY_TIME, BY_BALANCE = 0.03, 0.01
"""Error of one saline run beside the run's own spread: of a stopwatch and a pipette, of a balance."""
MONTH = 0.05
DRAWN_NL, DRAWN_STEP_NL = 50_000, 10_000
PPM = 1_000_000


def draw_charge(chance: random.Random, nominal_nl: int = 3_000_000) -> tuple[Charge, int]:
    """Return the charge as it is declared or weighed, and what was really poured."""
    weighed = chance.random() < 0.2
    half = WEIGHED_NL if weighed else round(nominal_nl * DECLARED)
    filled = round(chance.gauss(nominal_nl, (30_000 if weighed else half / Z95)))
    best = round(chance.gauss(filled, WEIGHED_NL / Z95)) if weighed else nominal_nl
    volume = Interval(low_nl=best - half, best_nl=best, high_nl=best + half)
    return Charge(volume=volume, method=Method.WEIGHED if weighed else Method.DECLARED, vial_emptied=True), filled


def draw_calibration(
    chance: random.Random, rates_nl_s: tuple[int, ...], run_cv: float, stress: Stress, share: float | None
) -> Calibration:
    """Return what saline runs at these true rates say of the device, and how sure they honestly are of it.

    The error is that of the mean: the spread of runs of one unit, and that of measuring.
    """
    method = chance.choice((By.TIME, By.BALANCE))
    error = BY_TIME if method is By.TIME else BY_BALANCE
    mean = sum(rates_nl_s) / len(rates_nl_s) * chance.gauss(1, error)
    aged = chance.gauss(1, MONTH) if stress in {Stress.STALE, Stress.STALE_UNTOLD} else 1.0
    sigma = (run_cv**2 / len(rates_nl_s) + error**2) ** 0.5
    return Calibration(
        rate_nl_per_s=max(1, round(mean * aged)),
        sigma_nl_per_s=max(1, round(mean * sigma)),
        method=method,
        share_ppm=None if share is None else round(min(1.0, max(0.05, chance.gauss(share, 0.02))) * PPM),
        age_days=30 if stress is Stress.STALE else 0,
    )


def draw_residual(chance: random.Random, left_nl: int) -> Residual:
    """Return what is measured of what was left: weighed, or drawn with a syringe that leaves a film behind."""
    if chance.random() < 0.5:
        best, half, method = round(chance.gauss(left_nl, WEIGHED_NL / Z95)), WEIGHED_NL, Method.WEIGHED
    else:
        drawn = chance.gauss(left_nl - 10_000, (DRAWN_NL - 10_000) / Z95)
        best, half, method = round(drawn / DRAWN_STEP_NL) * DRAWN_STEP_NL, DRAWN_NL, Method.DRAWN
    best = max(0, best)
    return Residual(volume=Interval(low_nl=max(0, best - half), best_nl=best, high_nl=best + half), method=method)
