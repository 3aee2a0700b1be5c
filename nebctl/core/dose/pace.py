"""Whether the rate is what it should be, where the device gives evidence of rate: its weight, or a jet's gas."""

from typing import NamedTuple

from nebctl.core.dose.exposure import Exposure
from nebctl.core.dose.model import DeviceModel, Kind
from nebctl.core.dose.reading import Doing
from nebctl.core.dose.slope import LEVEL, Slope, rate_of, unsure_of, with_point
from nebctl.core.dose.weight import Weighed

LEARN_S = 30.0
SETTLE_S = 14.0
SLACK = 0.16
JET_SLACK = 0.19
HELD_S = 5.0
SURE = 3.75
AS_CALIBRATED = 0.95
CEASES, CEASED_SHARE = 0.5, 0.3
SHARP, LONG_S, HALF = 0.06, 8.0, 0.125
"""A rate that stands is looked at once more, by the readings since it was noticed alone: by then they tell it to so
much of the usual, or have been going on for so long; and then it must be off by half of what a quarter less is."""
GAS_SLACK = 0.12
NEAR_END_NL = 1_600_000
"""With less than so much in a jet's cup its rate falls by itself, because it begins to sputter."""
NEAR_DRY_NL = 250_000


class Pace(NamedTuple):
    """The rate that this run began with, and since when it is out of tolerance.

    `usual` is the mean rate of the run so far while it was in tolerance, in nL/s of loss, 0.0 before it is known.
    `mean` follows the rate over some seconds. `slow` and `fast` say that a rate out of tolerance has stood. `since` is
    the loss since it is out of tolerance, of `readings` of the balance so far.
    """

    usual: float = 0.0
    mean: float = 0.0
    known_s: float = 0.0
    slow_s: float = 0.0
    fast_s: float = 0.0
    slow: bool = False
    fast: bool = False
    driven_s: float = 0.0
    starts: int = 0
    begun_s: float = 0.0
    since: Slope = LEVEL
    readings: int = 0


UNPACED = Pace()


def pace(
    before: Pace, exposure: Exposure, weighed: Weighed, model: DeviceModel, *, left_nl: float, spits: bool
) -> Pace:
    """Return the pace after one reading; `left_nl` is about what is still in the cup, of a mesh what can leave it."""
    driven_s = exposure.on_ms / 1000
    dt = driven_s - before.driven_s
    if dt <= 0:
        return before
    begun = exposure.starts != before.starts
    seen = before._replace(driven_s=driven_s, starts=exposure.starts, begun_s=driven_s if begun else before.begun_s)
    if spits or exposure.doing is not Doing.RUNNING:
        return _in_tolerance(seen)
    if model.kind is Kind.JET and exposure.gas_share < 1 - GAS_SLACK:
        return _stood(seen, dt, slow=True, fast=False)
    near_end = left_nl < (NEAR_END_NL if model.kind is Kind.JET else NEAR_DRY_NL)
    settling = driven_s - seen.begun_s < SETTLE_S  # a start sweeps before it emits
    if not weighed.readings or near_end or weighed.doubted or settling:
        return _in_tolerance(seen)
    return _by_weight(seen, dt, weighed, model)


def _by_weight(seen: Pace, dt: float, weighed: Weighed, model: DeviceModel) -> Pace:
    unsure = weighed.p_rr**0.5
    known_s = seen.known_s + dt
    mean = weighed.rate
    if known_s < LEARN_S or not seen.usual:
        share = dt / known_s
        usual = mean if not seen.usual else seen.usual + share * (mean - seen.usual)
        return seen._replace(usual=usual, mean=mean, known_s=known_s)
    slack = JET_SLACK if model.kind is Kind.JET else SLACK
    room = max(slack * seen.usual, SURE * unsure)
    slow, fast = mean < seen.usual - room, mean > seen.usual + max(0.25 * seen.usual, SURE * unsure)
    if model.kind is Kind.MESH and model.calibrated:  # what is still as calibrated has not lost a quarter
        slow, fast = slow and mean < AS_CALIBRATED * model.rate_nl_per_s, fast and mean > model.rate_nl_per_s
    if mean < CEASES * seen.usual:  # it runs dry, and its own sign of that is on the way
        dt *= CEASED_SHARE
    if model.kind is Kind.JET:  # its cup also splashes and collects what falls back
        dt /= 2
    seen = seen._replace(mean=mean, known_s=known_s)
    if not slow and not fast:
        return _in_tolerance(seen)
    now = _noted(seen, weighed)
    return _looked_at_again(now, _stood(now, dt, slow=slow, fast=fast), weighed)


def _in_tolerance(seen: Pace) -> Pace:
    return seen._replace(slow_s=0.0, fast_s=0.0, since=LEVEL)


def _noted(seen: Pace, weighed: Weighed) -> Pace:
    """Take a new reading of the balance into the line since the rate was noticed."""
    if weighed.readings == seen.readings:
        return seen
    line = with_point(seen.since, seen.driven_s, weighed.zero_nl - weighed.shown_nl)
    return seen._replace(since=line, readings=weighed.readings)


def _looked_at_again(before: Pace, stood: Pace, weighed: Weighed) -> Pace:
    """Return the pace that stood where its line says so too; a drip on the pan is over and leaves the line as usual."""
    if (stood.slow, stood.fast) == (before.slow, before.fast):
        return stood
    line = stood.since
    told = unsure_of(line, weighed.noise_nl) <= SHARP * stood.usual or stood.driven_s - line.began_s >= LONG_S
    if not told:
        return stood._replace(slow=before.slow, fast=before.fast)
    faster = rate_of(line) - stood.usual
    if (faster if stood.fast and not before.fast else -faster) > HALF * stood.usual:
        return stood
    return _in_tolerance(stood)._replace(slow=before.slow, fast=before.fast)


def _stood(seen: Pace, dt: float, *, slow: bool, fast: bool) -> Pace:
    slow_s, fast_s = (seen.slow_s + dt if slow else 0.0), (seen.fast_s + dt if fast else 0.0)
    return seen._replace(
        slow_s=slow_s, fast_s=fast_s, slow=seen.slow or slow_s >= HELD_S, fast=seen.fast or fast_s >= 2 * HELD_S
    )
