"""What people do around a dose, drawn by chance: when they press, pause, tap and stop, and when telemetry is lost."""

import random
from dataclasses import dataclass

from nebctl_lab.bench.dose.run import Course

POLL_S = 0.2
LOSS_S = {Course.SUDDEN: (1.0, 1.0), Course.RAMP: (40.0, 90.0)}
"""How long a quarter of the rate takes to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Something that begins after so many seconds of running and lasts so long."""

    at_s: float
    lasts_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Break):
    """Telemetry that is lost: `stops` says that the device does not hear its beats either and stops by itself.

    `told_each` gives a LOST row at each poll, else only the first; `weighed` says that the balance is still heard.
    `resume_s` is how long after the gap a device that stopped is resumed.
    """

    stops: bool
    told_each: bool
    weighed: bool
    resume_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The course of one dose at the bedside.

    `press_s` is when START is given, `after_s` how long readings go on when all is over. `taps` is how often a device
    that stopped early is tapped and resumed. `loss` begins a loss of a quarter of the rate, None: there is none.
    `watch_s` is how long a jet is left to run after it begins to sputter, `quit_share` at which part of the way there
    it is stopped instead, None: it is not. `hands` is how often a hand is laid on the pan in a pause.
    """

    press_s: float
    after_s: float
    pauses: tuple[Break, ...]
    gaps: tuple[Gap, ...]
    taps: int
    loss: Break | None
    watch_s: float
    quit_share: float | None
    hands: bool


def draw_plan(chance: random.Random, course: Course, length_s: float) -> Plan:
    """Return what happens around a dose that would run for `length_s` without a break."""
    pauses = _draw_pauses(chance, length_s)
    gaps = _draw_gaps(chance, length_s)
    loss: Break | None = None
    if course in LOSS_S:
        loss = Break(at_s=chance.uniform(60, 0.5 * length_s), lasts_s=chance.uniform(*LOSS_S[course]))
    quits = course is Course.PREMATURE or (course is Course.USUAL and chance.random() < 0.1)
    return Plan(
        press_s=chance.uniform(0.4, 3.0),
        after_s=chance.uniform(2.0, 10.0),
        pauses=pauses,
        gaps=gaps,
        taps=chance.choice((0, 0, 0, 1, 2)),
        loss=loss,
        watch_s=_draw_watch(chance),
        quit_share=chance.uniform(0.05, 0.9) if quits else None,
        hands=chance.random() < 0.3,
    )


def draw_interval_s(chance: random.Random) -> float:
    """Return the time to the next reading: 5 Hz with jitter, and now and then a late one."""
    if chance.random() < 0.002:
        return chance.uniform(0.4, 0.9)
    return min(0.3, max(0.12, chance.gauss(POLL_S, 0.01)))


def _draw_pauses(chance: random.Random, length_s: float) -> tuple[Break, ...]:
    count = chance.choice((0, 0, 0, 1, 2, 3))
    starts = sorted(chance.uniform(10, 0.95 * length_s) for _ in range(count))
    return tuple(Break(at_s=at_s, lasts_s=chance.uniform(10, 90)) for at_s in starts)


def _draw_gaps(chance: random.Random, length_s: float) -> tuple[Gap, ...]:
    count = chance.choice((0, 0, 0, 0, 1, 2))
    return tuple(
        Gap(
            at_s=at_s,
            lasts_s=chance.uniform(1, 20),
            stops=chance.random() < 0.5,
            told_each=chance.random() < 0.5,
            weighed=chance.random() < 0.5,
            resume_s=chance.uniform(3, 20),
        )
        for at_s in sorted(chance.uniform(10, length_s) for _ in range(count))
    )


def _draw_watch(chance: random.Random) -> float:
    kind = chance.random()
    if kind < 0.1:
        return chance.uniform(20, 45)
    return chance.uniform(90, 240) if kind < 0.25 else chance.uniform(50, 75)
