"""What is known of a mesh: it is not dry yet, or it says that it is and ran to its end, or stopped early."""

import math

from nebctl.core.dose.belief import (
    EARLY_LEAST,
    PLACES,
    SILENT,
    Nodes,
    density,
    interval,
    parts,
    phi,
    product,
    share_below,
    spread_of,
)
from nebctl.core.dose.known import Cup, Known, Story
from nebctl.core.dose.model import DeviceModel
from nebctl.core.units import WHOLE_PPM

STEPS, REACH = 33, 4.0
FEWER = 13
"""So many nodes are enough for what is thought unlikely."""
WIDE = 0.5
SURE = 5.0
NEAR_THE_END = 0.85
CLOGGED = 0.02
SLOWER = tuple(0.4 + 0.05 * i for i in range(12))
"""One run in fifty is thought to lose rate unseen, down to anything from 40 to 95 % of its mean; a planning figure."""
BEYOND = 0.07
"""A run is called early from its class's limit on, at least so much of the charge beyond what such a device leaves."""
VERY = 0.1
STOOD = 0.1
"""A device that was not heard for a while is thought to have stood still meanwhile, once in ten gaps; planning."""
NEXT_TO_NOTHING = 1e-300
"""What a story weighs whose every volume is too far off to be reckoned."""
RETURNS, DRIP, DRIP_SIGMA, BACK, BACK_SIGMA = 0.1, 1.5, 1.0, 0.008, 0.006
DRIPS_NL = 500_000.0
"""One balance in ten is thought to weigh less than left: condensate drips on the pan, all in all one and a half times
the largest jump that the readings' scatter hides, +- once that, most of it over the first half millilitre; and 0.8 %
+- 0.6 % of what left falls back into the cup. Planning figures.
"""


def know_mesh(
    gap: tuple[float, float],
    time: tuple[float, float],
    stories: tuple[Story, ...],
    weight: tuple[float, float] | None,
    unseen: float,
    cup: Cup,
    model: DeviceModel,
    *,
    ended: bool,
    tells: bool,
) -> Known:
    """Return what is known of a mesh; `ended`: it shows the end; `gap`: what may have left less or more unheard.

    `stories` are what `time` may stand for; a weight knows better than any of them.
    `tells`: a dry mesh would be noticed.
    """
    mean, sigma, apart = _fused(time, weight)
    told = stories if weight is None else _of_a_balance(mean, sigma, unseen)
    usual, others = _known(told[:1], cup, model, log=weight is None, ended=ended, tells=tells), told[1:]
    known = (
        sorted((*usual, *_known(others, cup, model, log=weight is None, ended=ended, tells=tells, steps=FEWER)))
        if others
        else usual
    )
    low, best, high = interval(known)
    most = cup.filled + 1.96 * cup.filled_sigma
    less, more = gap
    early, surely, very_early = _early(usual, told[0], gap, cup, model) if ended else (0.0, 0.0, 0.0)
    return Known(
        low=max(0.0, low - less),
        best=min(best, most),
        high=min(high, most) + more,
        time=time,
        weight=weight,
        early=early,
        early_at_least=surely,
        very_early=very_early,
        apart=apart,
        late=mean > cup.available,
        past=_past_the_charge(max(0.0, mean - less), sigma, cup) if ended or weight is not None else 0.0,
    )


def _early(
    usual: Nodes, told: Story, gap: tuple[float, float], cup: Cup, model: DeviceModel
) -> tuple[float, float, float]:
    """Return how likely an ended run was early, that at least, where it ran through every gap, and very early.

    Where nobody heard it, it stood still as likely as `STOOD` says: then it gave less than it is thought to have given.
    """
    early, very_early = _left_over(usual, cup, model)
    (less, more), surely = gap, early
    if more:
        surely = min(early, _left_over(_after(told, more, cup, model), cup, model)[0])
    if less:
        stood, stood_very = _left_over(_after(told, -less, cup, model), cup, model)
        early = max(early, (1 - STOOD) * early + STOOD * stood)
        very_early = max(very_early, (1 - STOOD) * very_early + STOOD * stood_very)
    return early, surely, very_early


def _after(told: Story, off: float, cup: Cup, model: DeviceModel) -> Nodes:
    """Return where the volume of an ended run lies that gave so much more, or less, than it is told."""
    return _known(((max(0.0, told[0] + off), told[1], 1.0),), cup, model, log=False, ended=True)


def _of_a_balance(mean: float, sigma: float, unseen: float) -> tuple[Story, ...]:
    drips = unseen * -math.expm1(-mean / DRIPS_NL)
    back = DRIP * drips + BACK * mean
    return (
        (mean, sigma, 1 - RETURNS),
        (mean + back, spread_of((sigma, DRIP_SIGMA * drips, BACK_SIGMA * mean)), RETURNS),
    )


def _known(
    stories: tuple[Story, ...],
    cup: Cup,
    model: DeviceModel,
    *,
    log: bool,
    ended: bool,
    tells: bool = True,
    steps: int = STEPS,
) -> Nodes:
    """Return where the volume may lie by these stories."""
    known: Nodes = []
    for mean, sigma, part in stories:
        nodes = _nodes(mean, sigma, log=log, steps=steps)
        now = (
            _at_the_end(nodes, mean, sigma, cup, model)
            if ended
            else _before_the_end(nodes, cup, model, timed=log, tells=tells)
        )
        known += now if part == 1.0 else [(volume, part * weight) for volume, weight in now]
    return known


def _fused(time: tuple[float, float], weight: tuple[float, float] | None) -> tuple[float, float, float]:
    """Return mean and standard deviation of time and weight together, and how far they are apart.

    The rate may have changed without anybody's knowing, the weight not without the balance's: so the further apart the
    two are, the less the time counts.
    """
    if weight is None:
        return *time, 0.0
    off = weight[0] - time[0]
    mean, sigma = product((time[0], max(time[1], abs(off))), weight)
    return mean, sigma, off / spread_of((time[1], weight[1]))


def _nodes(mean: float, sigma: float, *, log: bool, steps: int) -> Nodes:
    if log and sigma < WIDE * mean:  # in the first seconds not even the start is sure
        volume, step = mean * math.exp(-REACH * sigma / mean), math.exp(2 * REACH / (steps - 1) * sigma / mean)
        nodes: Nodes = []
        for _, weight in parts(steps, REACH):
            nodes.append((volume, weight))
            volume *= step
        return nodes
    nodes = [(mean + z * sigma, weight) for z, weight in parts(steps, REACH)]
    return nodes if nodes[0][0] >= 0 else [(max(0.0, volume), weight) for volume, weight in nodes]


def _before_the_end(nodes: Nodes, cup: Cup, model: DeviceModel, *, timed: bool, tells: bool) -> Nodes:
    """Return where the volume of a mesh that still runs may lie: what would have run dry by now cannot be.

    The later it is, the more speaks for a rate that fell unseen, by as much as half.
    """
    early = model.premature_ppm / WHOLE_PPM
    most = (1 - EARLY_LEAST) * cup.filled
    wet_below = cup.available - SURE * cup.available_sigma
    known: Nodes = []
    if nodes[-1][0] > NEAR_THE_END * cup.available:
        slow = nodes[len(nodes) // 2][0]
        nodes = sorted((*nodes, *((slow * share, CLOGGED / len(SLOWER)) for share in SLOWER)))
        if not tells:  # it may have been dry for long, or have given nothing for long
            nodes = _emptied(nodes, cup)
        if timed:  # where nothing tells of dry, silence is as likely as an early stop, once it should be dry
            silent = (early if not tells and slow > cup.available else SILENT) / len(PLACES)
            nodes = sorted((*nodes, *((share * cup.available, silent) for share in PLACES)))
    elif nodes[-1][0] < min(wet_below, most):  # as most of the time
        return [(volume, weight * (1 - early * volume / most)) for volume, weight in nodes]
    for volume, weight in nodes:
        wet = 1 - early if volume < wet_below else (1 - early) * phi((cup.available - volume) / cup.available_sigma)
        stays = early * (1 - volume / most) if volume < most else 0.0
        known.append((volume, weight * (wet + stays)))
    return known


def _emptied(nodes: Nodes, cup: Cup) -> Nodes:
    """Return the volumes where what would have run dry by now gave all that can leave, as unsure as that is."""
    beyond = math.fsum(weight for volume, weight in nodes if volume > cup.available)
    wet = [(volume, weight) for volume, weight in nodes if volume <= cup.available]
    return wet + [(cup.available + z * cup.available_sigma, beyond * part) for z, part in parts(STEPS, REACH)]


def _at_the_end(nodes: Nodes, mean: float, sigma: float, cup: Cup, model: DeviceModel) -> Nodes:
    """Return the volumes of a mesh that says it is dry: it ran to its end, or stopped with anything left."""
    prior = model.premature_ppm / WHOLE_PPM
    stopped = _stopped_early(nodes, cup, prior) if nodes[-1][0] > nodes[0][0] else []
    known = sorted((*stopped, *_ran_out(mean, sigma, cup, 1 - prior)))
    if math.fsum(weight for _, weight in known):
        return known
    # Far past the charge: the cup is empty, whatever the clock says.
    return [(cup.available + z * cup.available_sigma, NEXT_TO_NOTHING * weight) for z, weight in parts(STEPS, REACH)]


def _stopped_early(nodes: Nodes, cup: Cup, prior: float) -> Nodes:
    """Return the volumes of a run that stopped with more than `EARLY_LEAST` left, every amount as likely."""
    most = (1 - EARLY_LEAST) * cup.filled
    return [(volume, weight * prior / most * phi((most - volume) / (0.01 * cup.filled))) for volume, weight in nodes]


def _ran_out(mean: float, sigma: float, cup: Cup, prior: float) -> Nodes:
    """Return the volumes of a run that emitted all it can, by as much as what was tracked agrees with that."""
    both = spread_of((sigma, cup.available_sigma))
    agrees = prior * density((mean - cup.available) / both) / (both * math.sqrt(2 * math.pi))
    middle, spread = product((mean, sigma), (cup.available, cup.available_sigma))
    return [(middle + z * spread, agrees * weight) for z, weight in parts(STEPS, REACH)]


def _left_over(known: Nodes, cup: Cup, model: DeviceModel) -> tuple[float, float]:
    """Return how likely more is left than a completed run leaves, and how likely it is `VERY` much more."""
    usual = 1 - cup.available / cup.filled
    limit = max(model.complete_left_ppm / WHOLE_PPM, usual + BEYOND)
    return share_below(known, cup.filled * (1 - limit)), share_below(known, cup.filled * (1 - limit - VERY))


def _past_the_charge(mean: float, sigma: float, cup: Cup) -> float:
    """Return how many standard deviations the run went on after the charge should have been gone."""
    return max(0.0, mean - cup.available) / spread_of((sigma * cup.available / max(mean, 1.0), cup.available_sigma))
