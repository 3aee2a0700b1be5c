"""What is known of a jet: it dries what it sprays, so what is gone from the cup is not what was emitted.

A cup that goes from V0 to V with the aerosol's share f of what leaves has emitted V0 x (1 - (V / V0)^f), counted in the
solution as filled. Rate and share are unknown together; time, weight and the sputter at the end each speak of both.
"""

import math
from functools import lru_cache
from typing import NamedTuple

from nebctl.core.dose.belief import PLACES, SILENT, Nodes, bell, interval, phi, shares, spread_of
from nebctl.core.dose.known import Cup, Known, Story
from nebctl.core.dose.model import DeviceModel
from nebctl.core.units import WHOLE_PPM

STEPS, REACH = 8, 2.4
WIDE = 0.5
SURE = 5.0
UNEXPLAINED = 0.003
LEFT_TAIL, TIME_TAIL = 4, 8
"""What a jet leaves, and what it gives in a time, have heavier tails than a bell: t distributions of so many degrees of
freedom; planning."""
THREE = ((-1.2247, 0.5), (0.0, 1.0), (1.2247, 0.5))
"""Three nodes stand for a narrow bell."""
LATE = 0.5
"""A jet whose time explains more aerosol than this share of what can leave may be blocked; planning."""
EARLY_NL = 150_000
END_SIGMA_NL = 60_000
SPUTTER_LEFT_NL = 40_000
"""A jet stopped a minute into its sputter has about so much more left than its residual, and that much more spread."""


def emitted_of(filled: float, gone: float, share: float) -> float:
    """Return what a jet emits, as filled, whose cup loses `gone` of `filled` with the aerosol's share `share`."""
    if gone >= filled:
        return filled
    return filled * -math.expm1(share * math.log1p(-gone / filled)) if gone > 0 else 0.0


def know_jet(
    gap: tuple[float, float],
    time: tuple[float, float],
    stories: tuple[Story, ...],
    weight: tuple[float, float] | None,
    cup: Cup,
    model: DeviceModel,
    *,
    ended: bool,
) -> Known:
    """Return what is known of a jet; `ended`: sputter or an operator speaks for its end; `gap` as for a mesh.

    `stories` are what `time` may stand for.
    """
    less, more = gap
    longest = (time[0] + more, time[1])
    early = float(ended and _surely_much_left(longest, weight, cup, model))
    left, spread = _left_at_the_end(cup, ended=ended and not early)
    filled = cup.filled
    held = _Held(filled, left, spread, by_end=ended and not early and weight is None)
    nodes = _by_time(stories, held, model) if weight is None else _by_weight(stories, weight, held, model)
    fit = max((value for _, value in nodes), default=0.0)
    if not ended and weight is None and time[0] > LATE * cup.available:
        # It runs on, and may have given nothing since anywhen.
        share, silent = model.aerosol_share_best_ppm / WHOLE_PPM, SILENT * sum(belief for _, belief in shares(model))
        nodes += [(emitted_of(filled, place * (filled - left), share), silent / len(PLACES)) for place in PLACES]
    elif fit <= 1e-9:
        nodes = [(emitted_of(cup.filled, cup.filled - left, share), belief) for share, belief in shares(model)]
    nodes.sort()
    low, best, high = interval(nodes)
    return Known(
        low=max(0.0, low - less),
        best=best,
        high=min(cup.filled, high + more),
        time=time,
        weight=weight,
        early=early,
        early_at_least=early,
        late=not ended and time[0] > emitted_of(filled, filled - left, model.aerosol_share_best_ppm / WHOLE_PPM),
        apart=math.sqrt(-2 * math.log(max(fit, 1e-30))) if fit < 1 else 0.0,
    )


def _tailed(off: float, freedom: int) -> float:
    """Return a t distribution's density, but for the constant, `off` standard deviations from its middle."""
    return float((1 + off * off / freedom) ** (-(freedom + 1) / 2))


def _surely_much_left(
    time: tuple[float, float], weight: tuple[float, float] | None, cup: Cup, model: DeviceModel
) -> bool:
    """Return whether even the fastest jet with the driest gas would have more in the cup than a whole run leaves."""
    gone = (time[0] + 1.96 * time[1]) / (model.aerosol_share_low_ppm / WHOLE_PPM)
    if weight is not None:
        gone = min(gone, weight[0] + 1.96 * weight[1])
    return gone < cup.filled - model.most_left_nl(round(cup.filled)) - EARLY_NL


def _left_at_the_end(cup: Cup, *, ended: bool) -> tuple[float, float]:
    """Return what is still in the cup at the end of a run, or at least before it, and its standard deviation."""
    left = cup.filled - cup.available
    if ended:
        return left + SPUTTER_LEFT_NL, spread_of((cup.available_sigma, END_SIGMA_NL))
    return left, cup.available_sigma


class _Held(NamedTuple):
    """How likely it is that a cup that was `filled` and keeps `left`, +- `spread`, has lost so much."""

    filled: float
    left: float
    spread: float
    by_end: bool

    def likely(self, gone: float) -> float:
        """Return the likelihood of a loss: at the end just what is kept must be left, before it at least that."""
        off = (self.filled - gone - self.left) / self.spread
        return _tailed(off, LEFT_TAIL) if self.by_end else (1.0 if off > SURE else phi(off))


def _by_time(stories: tuple[Story, ...], held: _Held, model: DeviceModel) -> Nodes:
    """Return what was emitted, with weights, where only the time of the aerosol's rate is known."""
    filled, nodes = held.filled, list[tuple[float, float]]()
    for share, belief in shares(model):
        for mean, sigma, part in stories:
            relative = min(WIDE, sigma / mean) if mean > 0 else WIDE
            for factor, each in _factors(round(relative * 1e4)):
                gone = mean / share * factor
                if gone < filled:
                    nodes.append(
                        (filled - filled * (1 - gone / filled) ** share, belief * part * each * held.likely(gone))
                    )
    return nodes


def _by_weight(stories: tuple[Story, ...], weight: tuple[float, float], held: _Held, model: DeviceModel) -> Nodes:
    """Return what was emitted, with weights, where the balance says what is gone.

    How well that fits the aerosol's rate says which share is likely.
    """
    filled, (gone, gone_sigma), nodes = held.filled, weight, list[tuple[float, float]]()
    lost = [(max(0.0, gone + z * gone_sigma), each) for z, each in THREE]
    kept = [(1 - each / filled, part * held.likely(each)) for each, part in lost if each < filled]
    for share, belief in shares(model):
        fits = UNEXPLAINED
        for mean, sigma, part in stories:
            off = (share * gone - mean) / math.hypot(sigma, share * gone_sigma) if mean > 0 else 0.0
            fits += part * _tailed(off, TIME_TAIL)
        nodes += [(filled - filled * ratio**share, belief * fits * part) for ratio, part in kept]
    return nodes


@lru_cache(maxsize=64)
def _factors(relative_e4: int) -> tuple[tuple[float, float], ...]:
    """Return what a rate is off by, with weights, for a standard deviation in ten-thousandths."""
    return tuple((math.exp(z * relative_e4 / 1e4), weight) for z, weight in bell(STEPS, REACH))
