"""The rate since something was noticed, and nothing from before: a line through the readings of that time alone.

A filter that followed a rate all the time takes a drip on the pan for a slower rate and forgets it within half a
minute. A line that begins after the drip does not know of it.
"""

import math
from typing import NamedTuple


class Slope(NamedTuple):
    """A least-squares line in one pass: `points`, their middle, and the sums of products about it.

    `x` is in seconds of driving, `y` in nL that left the cup. `began_s` is the first point's place, 0.0 before one.
    """

    points: int = 0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    began_s: float = 0.0


LEVEL = Slope()


def with_point(line: Slope, at_s: float, lost_nl: float) -> Slope:
    """Return the line with one more point."""
    points = line.points + 1
    off_x, off_y = at_s - line.x, lost_nl - line.y
    x = line.x + off_x / points
    return Slope(
        points=points,
        x=x,
        y=line.y + off_y / points,
        xx=line.xx + off_x * (at_s - x),
        xy=line.xy + off_y * (at_s - x),
        began_s=line.began_s if line.points else at_s,
    )


def rate_of(line: Slope) -> float:
    """Return the line's rate in nL/s, 0.0 where its points do not tell one."""
    return line.xy / line.xx if line.xx > 0 else 0.0


def unsure_of(line: Slope, noise_nl: float) -> float:
    """Return the standard deviation of the rate where each point scatters by `noise_nl`; infinite before it tells."""
    return noise_nl / math.sqrt(line.xx) if line.points > 2 and line.xx > 0 else math.inf
