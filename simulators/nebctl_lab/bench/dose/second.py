"""A second simulator of doses, written from what is known of nebulizers alone: nothing of the plants is in it.

It exists so that an estimator cannot be tuned to one simulator's habits. Rates wander, signs flicker, columns are
missing, gauges show gauge pressure or absolute, somebody tares the balance in the middle of a dose. What a device does
by itself stands in `second_mesh` and `second_jet`; here are the people, the clock, the balance and what is declared.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from nebctl.core.dose.calibration import By, Calibration
from nebctl.core.dose.charge import Charge, Interval, Method, Residual
from nebctl.core.dose.reading import Doing, Reading
from nebctl_lab.bench.dose.recording import Recording
from nebctl_lab.bench.dose.run import Stress

Fields = dict[str, int | bool | None]


class Nebulizer(Protocol):
    """A device of the second simulator; volumes in mL, times in s."""

    emitted_ml: float
    rate_ml_s: float
    on: bool
    on_s: float

    @property
    def gone_ml(self) -> float:
        """What has left the cup."""

    def start(self) -> None:
        """Turn on."""

    def stop(self) -> None:
        """Turn off from outside."""

    def restart(self) -> None:
        """Lose power for a moment: it is off and has forgotten what it counted."""

    def step(self, dt_s: float) -> None:
        """Let time pass; it may turn itself off."""

    def read(self) -> Fields:
        """Return what it tells of itself."""

    def is_over(self) -> bool:
        """Return whether the dose has ended, by the device or by the person who watches it."""

    def revive(self) -> bool:
        """Return whether somebody tries to resume it after its end, having tapped the cup."""


@dataclass
class Cell:
    """A load cell under the cup: lag, noise, a drift that walks, steps of the display, and what people do to it.

    `back` is the share of what left that returns as condensate. `jumps` are weights in mg that come at a time and stay.
    """

    chance: random.Random
    stress: Stress
    shown_mg: float = 0.0
    walk_mg: float = 0.0
    jumps: list[tuple[float, float]] = field(default_factory=list)
    jumped_mg: float = 0.0
    has_jumped: bool = False

    def __post_init__(self) -> None:
        chance = self.chance
        self.zero_mg = chance.uniform(-50_000, 90_000)
        self.noise_mg = chance.choice((0.3, 2.0, 6.0)) * (2 if self.stress is Stress.NOISE else 1)
        self.step_mg = chance.choice((0.1, 1.0, 10.0))
        self.lag_s = chance.uniform(0.2, 1.0)
        self.back = abs(chance.gauss(0, 0.008))
        self.walks_mg = chance.uniform(0.0, 0.15)
        if chance.random() < 0.12:
            self.jumps.append((chance.uniform(30, 400), chance.choice((-1, 1)) * chance.uniform(500, 40_000)))
        if chance.random() < 0.12:
            self.jumps.append((chance.uniform(30, 400), chance.choice((-1, 1)) * chance.uniform(40, 90)))
        if self.stress is Stress.DRIPS:
            self.jumps += [(chance.uniform(20, 400), chance.uniform(10, 25)) for _ in range(4)]
        if self.stress is Stress.HOSE:
            self.jumps += [(20.0 * place, chance.gauss(0, 25)) for place in range(1, 60)]
        self.jumps.sort()

    def step(self, at_s: float, dt_s: float, gone_mg: float) -> None:
        """Follow what the cup has lost."""
        while self.jumps and self.jumps[0][0] <= at_s:
            self.jumped_mg += self.jumps.pop(0)[1]
            self.has_jumped = True
        self.walk_mg += self.chance.gauss(0, self.walks_mg * math.sqrt(dt_s))
        target_mg = self.jumped_mg + self.walk_mg - gone_mg * (1 - self.back)
        self.shown_mg += (target_mg - self.shown_mg) * -math.expm1(-dt_s / self.lag_s)

    def read_ug(self) -> int:
        """Return the display."""
        weight_mg = self.zero_mg + self.shown_mg + self.chance.gauss(0, self.noise_mg)
        return round(self.step_mg * round(weight_mg / self.step_mg) * 1000)


@dataclass
class Scene:
    """A dose as it goes: somebody presses, pauses and resumes; readings get lost; all is written down."""

    chance: random.Random
    device: Nebulizer
    cell: Cell
    recording: Recording = field(default_factory=Recording)
    at_s: float = 0.0
    began_s: float = 0.0
    ended_s: float = 0.0
    ends: list[tuple[float, float]] = field(default_factory=list)

    def play(self, likely_s: float, always: Callable[[], None]) -> None:
        """Give the dose; `always` is called after every step, for what befalls the device."""
        events = _draw_events(self.chance, likely_s)
        self._write_for(self.chance.uniform(0.3, 4), Doing.OFF)
        self.began_s = self.at_s
        self.device.start()
        while True:
            self._step()
            always()
            if self.device.is_over():
                self.device.stop()
                self._write(Doing.OFF)
                self.ends.append((self.at_s, self.device.gone_ml))
                if not self.device.revive():
                    break
                self._write_for(self.chance.uniform(4, 30), Doing.PAUSED)
                self.device.start()
            elif events and events[0][0] <= self.device.on_s:
                events.pop(0)[1](self)
            else:
                self._write(Doing.RUNNING)
        self.ended_s = self.at_s
        self._write_for(self.chance.uniform(1, 12), Doing.OFF)

    def pause(self) -> None:
        """Stop for a cough and go on."""
        self.device.stop()
        self._write_for(self.chance.uniform(10, 90), Doing.PAUSED)
        self.device.start()

    def lose(self) -> None:
        """Hear nothing for a while, in which the device goes on."""
        self._be_deaf(self.chance.uniform(1, 20))

    def lose_and_stop(self) -> None:
        """Hear nothing for a while, in which the device stops by itself after 2 s."""
        self._be_deaf(2.0)
        self.device.stop()
        self._be_deaf(self.chance.uniform(0.5, 18))
        self._write_for(self.chance.uniform(2, 25), self.chance.choice((Doing.OFF, Doing.PAUSED)))
        self.device.start()

    def brown_out(self) -> None:
        """Lose power for a moment, and be resumed by somebody."""
        self.device.restart()
        self._write_for(self.chance.uniform(2, 20), Doing.OFF)
        self.device.start()

    def _be_deaf(self, seconds: float) -> None:
        until_s, each = self.at_s + seconds, self.chance.random() < 0.5
        self._write(Doing.LOST)
        while self.at_s < until_s:
            self._step()
            if each:
                self._write(Doing.LOST)
        self._step()

    def _step(self) -> None:
        dt_s = 0.2 + self.chance.uniform(-0.03, 0.03)
        if self.chance.random() < 0.004:
            dt_s += self.chance.expovariate(4)
        self.at_s += dt_s
        self.device.step(dt_s)
        self.cell.step(self.at_s, dt_s, 1000 * self.device.gone_ml)

    def _write_for(self, seconds: float, doing: Doing) -> None:
        until_s = self.at_s + seconds
        while self.at_s < until_s:
            self._step()
            self._write(doing)

    def _write(self, doing: Doing) -> None:
        told = {} if doing is Doing.LOST else {**self.device.read(), "weight_ug": self.cell.read_ug()}
        doing = doing if doing is Doing.LOST or not self.device.on else Doing.RUNNING
        reading = Reading(at_ms=round(self.at_s * 1000), doing=doing, **told)  # type: ignore[arg-type]
        rate_nl_s = round(self.device.rate_ml_s * 1e6) if self.device.on else 0
        self.recording.add(reading, math.floor(self.device.emitted_ml * 1e6), rate_nl_s)


def _draw_events(chance: random.Random, likely_s: float) -> list[tuple[float, Callable[[Scene], None]]]:
    drawn: list[tuple[float, Callable[[Scene], None]]] = []
    if chance.random() < 0.45:
        drawn += [(chance.uniform(5, likely_s), Scene.pause) for _ in range(chance.randint(1, 3))]
    if chance.random() < 0.2:
        drawn.append((chance.uniform(5, likely_s), Scene.lose))
    if chance.random() < 0.12:
        drawn.append((chance.uniform(5, likely_s), Scene.lose_and_stop))
    if chance.random() < 0.05:
        drawn.append((chance.uniform(5, likely_s), Scene.brown_out))
    return sorted(drawn, key=lambda event: event[0])


def declare_charge(chance: random.Random) -> tuple[Charge, float]:
    """Return a charge as somebody would declare it, and what was really poured, in mL."""
    nominal_ml, half = chance.choice((3.0, 3.0, 3.0, 2.5, 4.0)), chance.uniform(0.01, 0.03)
    filled_ml = nominal_ml * (1 + half * max(-1.0, min(1.0, chance.gauss(0, 0.5))))
    low, best, high = (round(1e6 * nominal_ml * share) for share in (1 - half, 1.0, 1 + half))
    volume = Interval(low_nl=low, best_nl=best, high_nl=high)
    return Charge(volume=volume, method=Method.DECLARED, vial_emptied=chance.random() < 0.8), filled_ml


def calibrate(chance: random.Random, unit_ml_s: float, share: float | None, stress: Stress) -> Calibration:
    """Return a calibration of the unit with an honest standard deviation of 3 to 6 %."""
    sigma = chance.uniform(0.03, 0.06)
    stale = stress in {Stress.STALE, Stress.STALE_UNTOLD}
    rate = unit_ml_s * 1e6 * math.exp(chance.gauss(0, sigma) + (chance.gauss(0, 0.05) if stale else 0))
    return Calibration(
        rate_nl_per_s=round(rate),
        sigma_nl_per_s=round(rate * sigma),
        method=chance.choice((By.TIME, By.BALANCE)),
        share_ppm=None if share is None else round(1e6 * min(0.99, max(0.1, share + chance.gauss(0, 0.025)))),
        age_days=30 if stress is Stress.STALE else 0,
    )


def draw_up(chance: random.Random, left_ml: float) -> Residual:
    """Return what a syringe finds of the rest, with its interval."""
    half_ml = chance.choice((0.02, 0.05, 0.1))
    found_ml = max(0.0, round(left_ml + chance.gauss(0, half_ml / 2.2), 2))
    low, best, high = (max(0, round(1e6 * (found_ml + more))) for more in (-half_ml, 0.0, half_ml))
    return Residual(volume=Interval(low_nl=low, best_nl=best, high_nl=high), method=Method.DRAWN)
