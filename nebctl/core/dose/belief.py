"""Where the emitted volume may lie: a weighted list of volumes, and the interval that holds 95 % of the weight.

What is known of a rate is a bell in ln(rate), so the emitted volume is a list of nodes E_i = rate_i x time with the
weights of that bell. What is known besides multiplies the weights: that a mesh is not dry yet, that it is dry, what the
balance says. For a jet the nodes run over rate and aerosol share together.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import TypeAlias

from nebctl.core.dose.model import DeviceModel
from nebctl.core.units import WHOLE_PPM

Nodes: TypeAlias = list[tuple[float, float]]
"""Volumes in nL with weights; the weights need not add up to anything."""

SHARES = 7
BESIDES = ((-0.12, 0.03), (-0.05, 0.1), (0.04, 0.3), (0.09, 0.2))
"""Nobody has measured every device: a share outside its class's range is possible, so far beyond, with these weights
beside 1 for each within; planning figures."""
SILENT = 0.002
PLACES = tuple((i + 0.5) / 20 for i in range(20))
"""A device that runs on when it should be at its end may have given nothing since anywhen: so likely beforehand, and
which share of what it can give it gave by then; planning figures."""
LOW, HIGH = 0.025, 0.975
ROOT2 = math.sqrt(2)
EARLY_LEAST = 0.08
"""A run that stops early keeps anything from this share of the charge to all of it, each as likely as the other.

Source: 36 +- 21 % kept by 25 to 30 % of the runs of one laboratory (Gowda, Cuccia, Smaldone, Respir Care
2017;62(1):65); a flat spread holds what another laboratory may find.
"""


@lru_cache(maxsize=8)
def bell(steps: int, reach: float) -> tuple[tuple[float, float], ...]:
    """Return (z, weight) of a standard normal at `steps` even places from -reach to reach."""
    places = [reach * (2 * i / (steps - 1) - 1) for i in range(steps)]
    return tuple((z, math.exp(-z * z / 2)) for z in places)


@lru_cache(maxsize=8)
def parts(steps: int, reach: float) -> tuple[tuple[float, float], ...]:
    """Return the same bell with weights that add up to 1."""
    whole = math.fsum(weight for _, weight in bell(steps, reach))
    return tuple((z, weight / whole) for z, weight in bell(steps, reach))


@lru_cache(maxsize=8)
def shares(model: DeviceModel) -> tuple[tuple[float, float], ...]:
    """Return (f, weight) of a jet's aerosol share: a bell where it was calibrated, else every f of the range alike,
    and a few beyond."""
    low, high = model.aerosol_share_low_ppm / WHOLE_PPM, model.aerosol_share_high_ppm / WHOLE_PPM
    if model.share_sigma_ppm:
        best, sigma = model.aerosol_share_best_ppm / WHOLE_PPM, model.share_sigma_ppm / WHOLE_PPM
        return tuple((min(1.0, max(0.05, best + z * sigma)), weight) for z, weight in bell(5, 2.0))
    within = tuple((low + (high - low) * (i + 0.5) / SHARES, 1.0) for i in range(SHARES))
    beyond = tuple((min(0.98, (low if off < 0 else high) + off), weight) for off, weight in BESIDES)
    return (*within, *(beyond if low < high else ()))


def phi(z: float) -> float:
    """Return the share of a standard normal below z."""
    return 0.5 * (1 + math.erf(z / ROOT2))


def density(z: float) -> float:
    """Return the standard normal's density at z, but for the constant."""
    return math.exp(-z * z / 2)


def spread_out(nodes: Nodes) -> tuple[list[float], list[float], float]:
    """Return volumes, the weight that lies below each, and the whole weight; `nodes` are in rising order.

    Each node's weight is spread over its surroundings: half of it lies below the node.
    """
    volumes = [volume for volume, _ in nodes]
    below = list(accumulate(weight for _, weight in nodes))
    middles = [whole - weight / 2 for whole, (_, weight) in zip(below, nodes, strict=True)]
    return volumes, middles, below[-1] if below else 0.0


def _at(volumes: list[float], middles: list[float], goal: float) -> float:
    place = bisect_left(middles, goal)
    if place in (0, len(middles)):
        return volumes[min(place, len(volumes) - 1)]
    before, after = middles[place - 1], middles[place]
    return volumes[place - 1] + (volumes[place] - volumes[place - 1]) * (goal - before) / (after - before)


def share_below(nodes: Nodes, volume: float) -> float:
    """Return the share of the weight below `volume`, by straight lines between the nodes."""
    volumes, middles, whole = spread_out(nodes)
    place = bisect_left(volumes, volume)
    if place == 0:
        return 0.0
    if place == len(volumes):
        return 1.0
    before, after = volumes[place - 1], volumes[place]
    part = (volume - before) / (after - before)
    return (middles[place - 1] + (middles[place] - middles[place - 1]) * part) / whole


def interval(nodes: Nodes) -> tuple[float, float, float]:
    """Return the low end, the middle and the high end of the 95 % interval; `nodes` are in rising order."""
    volumes, middles, whole = spread_out(nodes)
    return _at(volumes, middles, LOW * whole), _at(volumes, middles, whole / 2), _at(volumes, middles, HIGH * whole)


def product(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """Return mean and standard deviation of two independent bells about the same volume taken together."""
    (m1, s1), (m2, s2) = first, second
    w1, w2 = 1 / (s1 * s1), 1 / (s2 * s2)
    return (m1 * w1 + m2 * w2) / (w1 + w2), (w1 + w2) ** -0.5


def spread_of(parts: Sequence[float]) -> float:
    """Return the standard deviation of a sum of independent parts."""
    return math.sqrt(math.fsum(part * part for part in parts))
