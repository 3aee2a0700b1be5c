"""The jet of the second simulator: aerosol and vapour each with their own course, a sputter that comes in bursts.

Numbers are the commonly quoted ones: 0.2 to 0.3 mL/min of aerosol, 5 to 10 % between runs of one cup, 45 to 85 % of
what leaves as aerosol, cooling by 8 to 15 °C within minutes, sputter from 1.0 to 1.5 mL on, about 1 mL that stays, 39 %
of compressors below their pressure (Respir Care 2021;66(5):829).
"""

import math
import random
from dataclasses import dataclass

from nebctl_lab.bench.dose.run import RIGHTLY_LOW, Case, Course, Run, Stop, Stress, Truth
from nebctl_lab.bench.dose.second import Cell, Fields, Scene, calibrate, declare_charge, draw_up

WEAK_CHANCE, WEAK_LOW, WEAK_HIGH = 0.39, 0.65, 0.85
ATMOSPHERE_KPA = 100.0
FINISHED_S, EARLY_ML = 40.0, 0.12
FADED = 0.75


@dataclass
class Jet:
    """One jet on one filling; `solute_ml` is what is in the cup, in the solution as filled."""

    chance: random.Random
    case: Case
    filled_ml: float
    emitted_ml: float = 0.0
    gone_ml: float = 0.0
    rate_ml_s: float = 0.0
    on: bool = False
    on_s: float = 0.0
    cooled: float = 0.0
    spits: bool = False
    sputter_s: float = 0.0
    rough_s: float = 0.0
    dry: bool = False
    fade: float = 1.0

    def __post_init__(self) -> None:
        chance, wild = self.chance, self.case.stress is Stress.WILD
        spread = 0.45 if wild else 0.18
        self.unit_ml_s = min(0.6, max(0.08, 0.25 * math.exp(chance.gauss(0, spread)))) / 60
        self.share = chance.uniform(0.3, 0.95) if wild else chance.uniform(0.45, 0.85)
        weak = chance.random() < WEAK_CHANCE or self.case.stress is Stress.WEAKENED
        self.strength = chance.uniform(WEAK_LOW, WEAK_HIGH) if weak else chance.gauss(1, 0.02)
        self.run_factor = math.exp(chance.gauss(0, chance.uniform(0.05, 0.1)))
        self.warm, self.moist = chance.uniform(0.02, 0.12), chance.uniform(0.1, 0.4)
        self.cools_c, self.cools_s = chance.uniform(8, 15), chance.uniform(60, 180)
        self.stays_ml = min(1.25, max(0.6, chance.gauss(1.0, 0.15) + (0.15 if weak else 0.0)))
        self.onset_ml = self.stays_ml + chance.uniform(0.1, 0.35)
        self.least = chance.uniform(0.02, 0.2)
        self.flow_lpm, self.gauge_kpa = chance.uniform(4.5, 8), chance.uniform(120, 170)
        self.steady, self.gust = chance.uniform(0.002, 0.006), chance.uniform(0.01, 0.05)
        self.noisy = 2.0 if self.case.stress is Stress.NOISE else 1.0
        self.offset_kpa = chance.choice((0.0, ATMOSPHERE_KPA))
        self.tells_dry, self.tells_pressure = chance.random() < 0.5, chance.random() < 0.8
        self.tells_temp = chance.choice(("cup", "gas", "no"))
        self.watches_s = chance.choice((chance.gauss(60, 6), chance.gauss(60, 6), chance.uniform(45, 150)))
        quits = self.case.course is Course.PREMATURE or (self.case.course is Course.USUAL and chance.random() < 0.1)
        self.quits_ml = chance.uniform(0.05, 0.9) * (self.filled_ml - self.onset_ml) if quits else None

    @property
    def left_ml(self) -> float:
        """What is in the cup."""
        return self.filled_ml - self.gone_ml

    def start(self) -> None:
        """Turn the gas on."""
        self.on = True

    def stop(self) -> None:
        """Turn the gas off."""
        self.on, self.rate_ml_s = False, 0.0

    def restart(self) -> None:
        """Come up with the gas off."""
        self.stop()

    def step(self, dt_s: float) -> None:
        """Let time pass: the cup cools while gas flows, sputters when it is low, and its solution thickens."""
        self.cooled += ((1.0 if self.on else 0.0) - self.cooled) * -math.expm1(-dt_s / self.cools_s)
        if not self.on:
            return
        self.on_s += dt_s
        self._burst(dt_s)
        push = self.strength * self.fade
        wet = 0.0 if self.spits or self.left_ml <= self.stays_ml - 0.3 else 1.0
        aerosol = self.unit_ml_s * self.run_factor * push * (1 + self.warm * (1 - self.cooled)) * wet
        vapour = self.unit_ml_s * (1 / self.share - 1) * push * (1 - self.moist * self.cooled + 0.6 * self.moist)
        vapour *= wet or 0.3
        lost = min((aerosol + vapour) * dt_s, max(0.0, self.left_ml - 0.2))
        solute_ml = self.filled_ml - self.emitted_ml
        part = aerosol / (aerosol + vapour)
        self.emitted_ml += solute_ml * -math.expm1(part * math.log1p(-lost / self.left_ml))
        self.gone_ml += lost
        self.rate_ml_s = aerosol
        self.sputter_s += dt_s if self.left_ml < self.onset_ml else 0.0
        self.rough_s = min(30.0, max(0.0, self.rough_s + (3 * dt_s if self.spits else -0.2 * dt_s)))
        self.dry = self.tells_dry and (self.dry or (self.sputter_s > 45 and self.rough_s > 20))

    def _burst(self, dt_s: float) -> None:
        """Let the jet spit in bursts of about half a second, the more of the time the less is left."""
        if self.left_ml >= self.onset_ml:
            self.spits = False
            return
        fuller = max(0.0, self.left_ml - self.stays_ml) / (self.onset_ml - self.stays_ml)
        duty = self.least + (1 - self.least) * fuller**0.7
        if self.chance.random() < min(1.0, dt_s / 0.5):
            self.spits = self.chance.random() > duty

    def is_over(self) -> bool:
        """Return whether somebody, or the device on its own sign, ends the dose."""
        if self.quits_ml is not None and self.gone_ml >= self.quits_ml:
            return True
        return self.dry or self.sputter_s >= self.watches_s + (30 if self.tells_dry else 0)

    def revive(self) -> bool:
        """Return that nobody resumes a jet."""
        return False

    def read(self) -> Fields:
        """Return the columns that this source of gas fills."""
        gauss, push = self.chance.gauss, (self.strength * self.fade if self.on else 0.0)
        noise = self.steady * self.noisy
        eased = self.gust if self.spits and self.on else 0.0
        gauge_kpa = self.gauge_kpa * push * (1 - eased) * gauss(1, noise)
        told: Fields = {
            "gas_sccm": round(1000 * self.flow_lpm * push**0.8 * (1 + eased) * gauss(1, noise)),
            "pressure_pa": round(1000 * (gauge_kpa + self.offset_kpa)) if self.tells_pressure else None,
            "dry": self.dry if self.tells_dry else None,
        }
        if self.tells_temp != "no":
            below_c = self.cools_c * self.cooled if self.tells_temp == "cup" else 0.0
            told["temp_mc"] = round(1000 * (22.5 - below_c + gauss(0, 0.15)))
        return told


def make_second_jet(case: Case, seed: int) -> Run:
    """Return one dose of the second simulator's jet; the same case and seed always give the same."""
    chance = random.Random(f"second/{case.preset}/{case.course}/{case.stress}/{case.share_known}/{seed}")  # noqa: S311 - physics
    charge, filled_ml = declare_charge(chance)
    jet = Jet(chance, case, filled_ml)
    cell = Cell(chance, case.stress)
    scene = Scene(chance, jet, cell)
    likely_s = (filled_ml - jet.onset_ml) * jet.share / (jet.unit_ml_s * jet.strength)
    loss = _Loss(chance, case.course, 0.5 * likely_s)
    scene.play(likely_s, lambda: loss.befall(jet, scene.at_s))
    sound = 1.0 if case.stress is Stress.WEAKENED else jet.strength
    return Run(
        case=case,
        seed=seed,
        readings=tuple(scene.recording.readings),
        charge=charge,
        calibration=calibrate(chance, jet.unit_ml_s * sound, jet.share if case.share_known else None, case.stress),
        residual=draw_up(chance, jet.left_ml),
        truth=_truth(scene, jet, cell, loss),
    )


class _Loss:
    """Gas that fades to three quarters of its pressure, at once or over some time."""

    def __init__(self, chance: random.Random, course: Course, latest_s: float) -> None:
        self._lasts_s = {Course.SUDDEN: 0.5, Course.RAMP: chance.uniform(30, 100)}.get(course)
        self._from_s = chance.uniform(50, max(60.0, latest_s))
        self.losing_s: float | None = None
        self.lost_s: float | None = None

    def befall(self, jet: Jet, at_s: float) -> None:
        """Let pressure go."""
        if self._lasts_s is None or jet.on_s < self._from_s or self.lost_s is not None:
            return
        self.losing_s = at_s if self.losing_s is None else self.losing_s
        share = min(1.0, (jet.on_s - self._from_s) / self._lasts_s)
        jet.fade = 1 - (1 - FADED) * share
        if share >= 1:
            self.lost_s = at_s


def _truth(scene: Scene, jet: Jet, cell: Cell, loss: _Loss) -> Truth:
    left_nl, filled_nl = round(1e6 * jet.left_ml), round(1e6 * jet.filled_ml)
    early = jet.left_ml > jet.onset_ml + EARLY_ML
    ended_ms = round(1000 * scene.ended_s)
    excused = RIGHTLY_LOW.get(jet.case.stress, frozenset())
    return Truth(
        emitted_nl=tuple(scene.recording.emitted_nl),
        rate_nl_s=tuple(scene.recording.rate_nl_s),
        filled_nl=filled_nl,
        left_nl=left_nl,
        began_ms=round(1000 * scene.began_s),
        ended_ms=ended_ms,
        complete=jet.sputter_s >= FINISHED_S,
        premature=early,
        stops=(Stop(at_ms=ended_ms, left_nl=left_nl),) if early else (),
        losing_ms=None if loss.losing_s is None else round(1000 * loss.losing_s),
        loss_ms=None if loss.lost_s is None else round(1000 * loss.lost_s),
        excused=excused | ({"weight-step"} if cell.has_jumped else frozenset()),
    )
