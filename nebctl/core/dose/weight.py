"""What the balance under the cup says: a small Kalman filter of what left the cup and how fast it leaves.

The state is (lost volume, rate of loss) with its covariance; a reading of the balance is zero - lost + noise. The zero
is the mean of what it showed before the first start. A jump that no nebulizer can make in the time, down or up, is a
knock, a drip, a hose, a spill or a top-up: it moves the zero, is counted, and widens the interval. The filter counts
1 mg as 1 uL; what it says in the end is divided by the solution's density.
"""

import math
from typing import NamedTuple

from nebctl.core.dose.exposure import Exposure
from nebctl.core.dose.reading import Reading

NOISE_FIRST_NL = 3_000.0
NOISE_FIRST_COUNTS, NOISE_SHARE = 5, 0.02
NOISE_LEAST_NL, NOISE_MOST_NL = 100.0, 60_000.0
RESTART, SWEEP_S, GAP_LEAST_NL = 0.4, 3.0, 3_000.0
STEP_MOST_NL, COARSE, JUMP_STEPS = 110_000.0, 0.45, 2.6
RATE_WANDER = 0.015
"""How far a rate wanders in a second, as a share of itself, in a random walk."""
JUMP_SIGMAS = 6.0
JUMP_LEAST_NL = 6_000.0
FASTEST = 4.0
"""No nebulizer of a class gives more than so many times its class's rate."""
CONFIRMED = 3
"""Readings in a row that must agree on a jump; fewer are outliers and are left out."""
DENSITY, SCALE, FLOOR_NL = 1.002, 0.008, 800.0
"""In g/mL, between water's 0.998 and isotonic saline's 1.005 (common tables, 22 °C); the rest is the scale's error."""
HIDDEN, FINE_NL = 0.4, 25_000.0
"""Steps coarser than this are larger than a balance's scatter, which then does not average them out."""
LAG_S = 0.25
"""A balance shows what was on it so long ago: load cells settle within 0.2 to 1 s; a planning figure."""
BIG_STEP_NL, SCATTER = 120_000, 2.0
SPILL_MS, HAND_NL, HAND_MS = 2_500, 10_000_000, 20_000
"""A jump so large in one place is liquid spilled or added, or another cup, and not a drip (some 20 mg) or a hose."""


class Weighed(NamedTuple):
    """What the balance has told so far; volumes in nL, rate in nL/s, `p_*` the covariance.

    `zero_nl` is the mean reading before the start, of `zeroed` readings. `noise_nl` is the spread of the readings,
    `off_nl` how far the last one was from what was expected.
    `jumped_nl2` is the sum of the squares of the small jumps that moved the zero, `lighter_nl` and `heavier_nl` are the
    sums of the big ones: liquid gone or added in one go. `doubted` readings since `doubt_ms` agree on a jump by
    `doubt_nl` that is not believed yet. `heard_ms` is the last reading's time, -1 before one.
    `step_nl` is the least step by which readings differed, `shown_nl` the last of them. `starts` were counted, the last
    of them at `started_s` of driving.
    `unsure_s` is by how much less, and more, than its best the device may have driven until then; `missed_s` is what of
    that was before the balance was first heard.
    """

    zero_nl: float = 0.0
    zeroed: int = 0
    started: bool = False
    lost_nl: float = 0.0
    rate: float = 0.0
    p_ll: float = 0.0
    p_lr: float = 0.0
    p_rr: float = 0.0
    noise_nl: float = NOISE_FIRST_NL
    off_nl: float = 0.0
    at_s: float = 0.0
    heard_ms: int = -1
    doubt_nl: float = 0.0
    doubt_ms: int = 0
    doubted: int = 0
    jumped_nl2: float = 0.0
    lighter_nl: int = 0
    heavier_nl: int = 0
    readings: int = 0
    shown_nl: float = 0.0
    step_nl: float = 0.0
    starts: int = 0
    started_s: float = 0.0
    unsure_s: tuple[float, float] = (0.0, 0.0)
    missed_s: tuple[float, float] = (0.0, 0.0)


UNWEIGHED = Weighed()


def balance_reads(before: Weighed, reading: Reading, exposure: Exposure, *, rate: float, rate_sigma: float) -> Weighed:
    """Return the filter after one reading; `exposure` is the driving so far, `rate` what the cup should lose.

    A reading without a weight changes nothing.
    """
    if reading.weight_ug is None:
        return before
    shown = float(reading.weight_ug)  # micrograms of water are nanolitres
    before = _stepped(before, shown)
    if not exposure.starts and not exposure.most_s:
        return _zeroed(before, shown, reading.at_ms)
    if not before.started:
        heard = before.zeroed > 0
        before = _begun(before, shown, exposure.best_s, rate, rate_sigma, reading.at_ms)
        missed = (0.0, 0.0) if heard else (exposure.best_s - exposure.least_s, exposure.most_s - exposure.best_s)
        before = before._replace(missed_s=missed)
    if exposure.starts > before.starts:  # it sweeps before it emits, and may go on at another rate than before
        p_rr = max(before.p_rr, (RESTART * rate) ** 2)
        before = before._replace(starts=exposure.starts, p_rr=p_rr, p_lr=0.0, started_s=exposure.best_s)
    unsure_s = (exposure.best_s - exposure.least_s, exposure.most_s - exposure.best_s)
    gap_nl = rate * sum(max(0.0, now - then) for now, then in zip(unsure_s, before.unsure_s, strict=True))
    ahead = _ahead(before, exposure.best_s, rate)
    if exposure.best_s - before.started_s < SWEEP_S:  # that nothing leaves yet says nothing of the rate
        ahead = ahead._replace(p_rr=max(ahead.p_rr, (RESTART * rate) ** 2), p_lr=0.0)
    if gap_nl > GAP_LEAST_NL:  # what left in a gap says nothing of the rate outside it
        ahead = ahead._replace(p_ll=ahead.p_ll + gap_nl**2, p_lr=0.0)
    found = _corrected(ahead, shown, reading.at_ms, rate)
    return found._replace(unsure_s=unsure_s)  # one that is heard after a gap says what left the cup in it


def _stepped(before: Weighed, shown: float) -> Weighed:
    """Take note of the least step by which readings differ: a coarse display hides its scatter and jumps by itself."""
    off = abs(shown - before.shown_nl)
    if before.heard_ms < 0 or not 0 < off < STEP_MOST_NL:
        if before.step_nl:
            return before._replace(shown_nl=shown)
        return before._replace(shown_nl=shown, noise_nl=max(before.noise_nl, COARSE * _finest(shown)))
    least = off if not before.step_nl else min(before.step_nl, off)
    noise = max(before.noise_nl, COARSE * least)
    return before._replace(shown_nl=shown, step_nl=least, noise_nl=noise)


def _finest(shown: float) -> float:
    """Return the coarsest step of a display, a power of ten, that a reading allows; it hides scatter within that."""
    return next(step for step in (10_000.0, 1_000.0, 100.0, 10.0, 1.0) if shown % step == 0)


def _zeroed(before: Weighed, shown: float, at_ms: int) -> Weighed:
    """Take a reading from before the start into the zero; after a jump the zero begins anew."""
    off = shown - before.zero_nl
    if not before.zeroed or abs(off) > max(JUMP_LEAST_NL, JUMP_SIGMAS * before.noise_nl):
        return before._replace(zero_nl=shown, zeroed=1, heard_ms=at_ms)
    count = min(before.zeroed + 1, 50)
    noise = before.noise_nl + (abs(off) * 1.25 - before.noise_nl) / min(count, 20)
    noise = min(max(noise, NOISE_LEAST_NL), NOISE_MOST_NL)
    return before._replace(zero_nl=before.zero_nl + off / count, zeroed=count, noise_nl=noise, heard_ms=at_ms)


def _begun(before: Weighed, shown: float, driven_s: float, rate: float, sigma: float, at_ms: int) -> Weighed:
    """Begin to follow the loss; without a reading from before the start, what had left by then is the rate's word."""
    late = 0.0 if before.zeroed else driven_s * rate
    zero = before.zero_nl if before.zeroed else shown + late
    zero_var = before.noise_nl**2 / max(1, before.zeroed) + (late * sigma) ** 2
    return before._replace(
        started=True,
        zero_nl=zero,
        lost_nl=late,
        rate=rate,
        p_ll=zero_var,
        p_rr=(max(sigma, 0.1) * rate) ** 2,
        at_s=driven_s,
        heard_ms=at_ms,
    )


def _ahead(before: Weighed, driven_s: float, rate: float) -> Weighed:
    dt = max(0.0, driven_s - before.at_s)
    if not dt:
        return before
    wander = (RATE_WANDER * rate) ** 2 * dt
    return before._replace(
        lost_nl=before.lost_nl + before.rate * dt,
        p_ll=before.p_ll + 2 * dt * before.p_lr + dt * dt * before.p_rr,
        p_lr=before.p_lr + dt * before.p_rr,
        p_rr=before.p_rr + wander,
        at_s=driven_s,
    )


def _corrected(ahead: Weighed, shown: float, at_ms: int, rate: float) -> Weighed:
    gone = ahead.zero_nl - shown - ahead.lost_nl
    spread = math.sqrt(ahead.p_ll + ahead.noise_nl**2)
    passed_s = (at_ms - ahead.heard_ms) / 1000
    most = max(JUMP_LEAST_NL, JUMP_SIGMAS * spread, FASTEST * rate * passed_s, JUMP_STEPS * ahead.step_nl)
    if abs(gone) > most:
        return _doubted(ahead, gone, at_ms)
    gain_l, gain_r = ahead.p_ll / spread**2, ahead.p_lr / spread**2
    # By how much two readings after each other are off differently is scatter, whatever the filter has wrong.
    share = max(NOISE_SHARE, 1 / (ahead.readings + NOISE_FIRST_COUNTS))
    noise2 = ahead.noise_nl**2 + share * ((gone - ahead.off_nl) ** 2 / 2 - ahead.noise_nl**2)
    noise = math.sqrt(min(max(noise2, NOISE_LEAST_NL**2, (COARSE * ahead.step_nl) ** 2), NOISE_MOST_NL**2))
    return ahead._replace(
        lost_nl=ahead.lost_nl + gain_l * gone,
        rate=max(0.0, ahead.rate + gain_r * gone),
        p_ll=(1 - gain_l) * ahead.p_ll,
        p_lr=(1 - gain_l) * ahead.p_lr,
        p_rr=max(0.0, ahead.p_rr - gain_r * ahead.p_lr),
        noise_nl=noise,
        off_nl=gone,
        heard_ms=at_ms,
        doubted=0,
        readings=ahead.readings + 1,
    )


def _doubted(ahead: Weighed, gone: float, at_ms: int) -> Weighed:
    """Leave an outlier out; a jump that stands moves the zero, and is counted as spilled or added if it is big."""
    same = ahead.doubted and abs(gone - ahead.doubt_nl) < max(JUMP_LEAST_NL, JUMP_SIGMAS * ahead.noise_nl)
    count, since = (ahead.doubted + 1, ahead.doubt_ms) if same else (1, at_ms)
    size = abs(gone)
    if count < CONFIRMED or at_ms - since < _must_stand_ms(size):
        # A balance that only scatters more than was thought must not be left out for ever.
        scatters = not same and size < SCATTER * max(JUMP_LEAST_NL, JUMP_SIGMAS * ahead.noise_nl)
        wider = math.sqrt(ahead.noise_nl**2 + 0.02 * min(size, 4 * ahead.noise_nl) ** 2)
        noise = min(wider, NOISE_MOST_NL) if scatters else ahead.noise_nl
        return ahead._replace(doubt_nl=gone, doubt_ms=since, doubted=count, heard_ms=at_ms, noise_nl=noise)
    moved = round(gone) if BIG_STEP_NL <= size < HAND_NL else 0  # what weighs more is no liquid
    return ahead._replace(
        zero_nl=ahead.zero_nl - gone,
        p_ll=ahead.p_ll + ahead.noise_nl**2,
        jumped_nl2=ahead.jumped_nl2 + (gone * gone if size < BIG_STEP_NL else 0.0),
        lighter_nl=ahead.lighter_nl + max(0, moved),
        heavier_nl=ahead.heavier_nl + max(0, -moved),
        doubted=0,
        heard_ms=at_ms,
    )


def _must_stand_ms(size_nl: float) -> int:
    """Return how long a jump must stand to be believed: a drip at once, a spill for a while, a hand on the pan goes."""
    if size_nl < BIG_STEP_NL:
        return 0
    return SPILL_MS if size_nl < HAND_NL else HAND_MS


def spilled_nl(weighed: Weighed) -> int:
    """Return what went from the cup in one go, below zero what was added; 0 for a cup lifted and put back."""
    net = weighed.lighter_nl - weighed.heavier_nl
    return net if abs(net) >= BIG_STEP_NL else 0


def unseen_nl(weighed: Weighed) -> float:
    """Return the largest jump that is taken for scatter."""
    return max(JUMP_LEAST_NL, JUMP_SIGMAS * weighed.noise_nl, JUMP_STEPS * weighed.step_nl)


def lost(weighed: Weighed, driven_s: float, rate: float, *, runs: bool) -> tuple[float, float]:
    """Return what left the cup by now and its standard deviation in nL, with what the readings' scatter cannot show.

    Where the balance has not been heard for a while, its last rate goes on, less and less sure.
    """
    now = _ahead(weighed, driven_s, rate)
    knocked = 0.6 * math.sqrt(now.jumped_nl2)
    slow = 0.3 * now.noise_nl
    hidden = HIDDEN * now.step_nl if now.step_nl > FINE_NL else 0.0
    spread2 = now.p_ll + hidden**2 + (SCALE * now.lost_nl) ** 2 + FLOOR_NL**2 + knocked**2 + slow**2
    gone = now.lost_nl + (LAG_S * now.rate if runs else 0.0)
    return max(0.0, gone / DENSITY), math.sqrt(spread2)
