"""The control chart of a device's rate: each calibration and each weighed dose against the calibration before it.

Rules by their names in the Western Electric handbook (1956): WE1, one point beyond 3 sigma; WE2, two of three in a row
beyond 2 sigma on one side; WE4, eight in a row on one side. Sigma is that of the difference between a point and its
centre line, so it holds what is uncertain of both. The centre line's own error is common to all points after it and
alone puts them on one side. So WE2 and WE4 count only where the mean of their points lies off the line by more than
three and two and a half sigma of that mean, the line's error included.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from nebctl.core.dose.saline import REPEAT_PPM
from nebctl.core.units import WHOLE_PPM


class Rule(Enum):
    """Which rule a point breaks."""

    WE1 = "one point beyond 3 sigma"
    WE2 = "two of three beyond 2 sigma on one side"
    WE4 = "eight in a row on one side"


class Kind(Enum):
    """Where a rate comes from."""

    CALIBRATION = "calibration"
    FAILED = "failed calibration"
    DOSE = "dose"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One rate of a device in nL/s with its standard uncertainty, and the record that it comes from.

    `at_ns` is Unix time; `mesh` the mesh in use, "" where nobody named it.
    """

    at_ns: int
    rate_nl_per_s: int
    sigma_nl_per_s: int
    kind: Kind
    seq: int
    mesh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charted:
    """A point with its centre line and one sigma of their difference in nL/s; None where no calibration precedes it."""

    point: Point
    centre_nl_per_s: int | None = None
    sigma_nl_per_s: int | None = None
    rules: tuple[Rule, ...] = ()


def chart(points: Sequence[Point]) -> tuple[Charted, ...]:
    """Return the points, in their order, each against the accepted calibration before it on the same mesh."""
    charted: list[Charted] = []
    centre: Point | None = None
    since: list[Charted] = []
    for point in points:
        if centre is None or (point.kind is not Kind.DOSE and point.mesh != centre.mesh):
            centre, since = None, []
        now = Charted(point=point) if centre is None else _against(point, centre)
        since.append(now)
        if centre is not None:
            now = since[-1] = Charted(
                point=point,
                centre_nl_per_s=now.centre_nl_per_s,
                sigma_nl_per_s=now.sigma_nl_per_s,
                rules=_rules(since, centre),
            )
        charted.append(now)
        if point.kind is Kind.CALIBRATION:
            centre, since = point, []
    return tuple(charted)


def flagged(charted: Sequence[Charted]) -> tuple[Charted, ...]:
    """Return the points that break a rule since the newest accepted calibration, that one among them."""
    last = max((i for i, each in enumerate(charted) if each.point.kind is Kind.CALIBRATION), default=0)
    return tuple(each for each in charted[last:] if each.rules)


def _against(point: Point, centre: Point) -> Charted:
    """Return a point with its line; a calibration is a mean of runs already, a dose differs from run to run."""
    repeat = centre.rate_nl_per_s * REPEAT_PPM / WHOLE_PPM if point.kind is Kind.DOSE else 0.0
    sigma = math.hypot(point.sigma_nl_per_s, centre.sigma_nl_per_s, repeat)
    return Charted(point=point, centre_nl_per_s=centre.rate_nl_per_s, sigma_nl_per_s=max(1, round(sigma)))


def _rules(since: Sequence[Charted], centre: Point) -> tuple[Rule, ...]:
    off = [_off(each) for each in since]
    found = [Rule.WE1] * (abs(off[-1]) > 3)
    if _two_of_three(since[-3:], off[-3:], centre):
        found.append(Rule.WE2)
    if _eight(since[-8:], centre):
        found.append(Rule.WE4)
    return tuple(found)


def _off(charted: Charted) -> float:
    """Return how many sigma a point lies off its centre line, below it negative."""
    assert charted.centre_nl_per_s is not None
    assert charted.sigma_nl_per_s is not None
    return (charted.point.rate_nl_per_s - charted.centre_nl_per_s) / charted.sigma_nl_per_s


def _two_of_three(last: Sequence[Charted], off: Sequence[float], centre: Point) -> bool:
    far = [each for each, sigmas in zip(last, off, strict=True) if sigmas * off[-1] > 2 * abs(off[-1])]
    return len(far) >= 2 and far[-1] is last[-1] and _mean_off(far, centre) > 3


def _eight(last: Sequence[Charted], centre: Point) -> bool:
    off = [each.point.rate_nl_per_s - centre.rate_nl_per_s for each in last]
    return len(last) == 8 and (min(off) > 0 or max(off) < 0) and _mean_off(last, centre) > 2.5


def _mean_off(charted: Sequence[Charted], centre: Point) -> float:
    """Return how many of its own sigma the mean of some points lies off the line, whose error they share."""
    count = len(charted)
    mean = math.fsum(each.point.rate_nl_per_s for each in charted) / count - centre.rate_nl_per_s
    own = math.fsum((each.sigma_nl_per_s or 0) ** 2 - centre.sigma_nl_per_s**2 for each in charted) / count**2
    return abs(mean) / math.sqrt(centre.sigma_nl_per_s**2 + max(1.0, own))
