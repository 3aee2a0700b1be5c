"""The mesh of the second simulator: a rate that wanders, a dry sign in the current alone that flickers.

Numbers are the commonly quoted ones: mesh outputs of 0.38, 0.5 and 0.55 mL/min, 10 to 20 % between units and 3 to 8 %
between runs of one, 1 to 3 % less a degree below room temperature; a completed run leaves 3.2 % with a spread of 1.5 %,
a quarter of all runs stop early and leave 36 % with one of 21.3 % (Respir Care 2017;62(1):65).
"""

import math
import random
from dataclasses import dataclass, field

from nebctl_lab.bench.dose.run import RIGHTLY_LOW, Case, Course, Run, Stop, Stress, Truth
from nebctl_lab.bench.dose.second import Cell, Fields, Scene, calibrate, declare_charge, draw_up

ML_MIN = {"mesh.solo": 0.38, "mesh.eflow": 0.5, "mesh.innospire": 0.55}
STAYS_ML = {"mesh.eflow": 1.0, "mesh.innospire": 0.14}
"""What stays by design, in mL; of others it is a share of the charge."""
SHARE_STAYS, SHARE_STAYS_LOG_SD = 0.029, 0.45
EARLY_CHANCE, EARLY_BETA = 0.26, (1.47, 2.61)
ROOM_C = 21.5
CLOGGED = 0.75


@dataclass
class Mesh:
    """One mesh on one filling; what it does not sense it leaves empty."""

    chance: random.Random
    case: Case
    filled_ml: float
    unit_ml_s: float
    stays_ml: float
    early: bool
    emitted_ml: float = 0.0
    rate_ml_s: float = 0.0
    on: bool = False
    on_s: float = 0.0
    since_s: float = 0.0
    sweep_s: float = 0.0
    starved_s: float = 0.0
    dry: bool = False
    dips_s: float = 0.0
    wander: float = 0.0
    open: float = 1.0
    counted_ml: float = 0.0
    starts: int = 0
    taps: int = field(default=0)

    def __post_init__(self) -> None:
        chance, wild = self.chance, self.case.stress is Stress.WILD
        total_cv = chance.uniform(0.08, 0.12) if wild else chance.uniform(0.03, 0.08)
        part = chance.uniform(0.3, 0.9)
        self.run_factor = math.exp(chance.gauss(0, total_cv * math.sqrt(part)))
        self.wander_sd, self.wander_s = total_cv * math.sqrt(1 - part), chance.uniform(60, 200)
        self.wander = chance.gauss(0, self.wander_sd)
        cold = self.case.stress in {Stress.COLD, Stress.COLD_UNTOLD}
        self.liquid_c, self.room_c = (4.0 if cold else chance.gauss(ROOM_C, 1.0)), ROOM_C
        self.a_degree, self.warms_s = chance.uniform(0.01, 0.03), chance.uniform(150, 500)
        self.wet_ma, self.wet_hz = chance.uniform(40, 160), chance.uniform(105e3, 140e3)
        self.dry_part, self.confirm_s = chance.uniform(0.3, 0.65), chance.uniform(1.5, 4.0)
        self.noisy = 2.0 if self.case.stress is Stress.NOISE else 1.0
        self.has = {what: chance.random() < odds for what, odds in HAS.items()}
        self.own_ml_s = ML_MIN[self.case.preset] / 60 * chance.gauss(1, 0.15)
        self.lag_s, self.dip_odds = chance.uniform(0.5, 3), chance.choice((0.0,) * 9 + (0.003,))
        self.self_ends = chance.random() < 0.85
        self.taps = chance.choice((0, 0, 1, 2))

    @property
    def gone_ml(self) -> float:
        """What has left the cup: of a mesh, what was emitted."""
        return self.emitted_ml

    def start(self) -> None:
        """Turn on: a long look for resonance at first, a short one later."""
        self.on, self.dry, self.since_s, self.starved_s = True, False, 0.0, 0.0
        self.sweep_s = self.chance.uniform(1.5, 3.0) if not self.starts else self.chance.uniform(0.1, 0.5)
        self.starts += 1

    def stop(self) -> None:
        """Turn off."""
        self.on, self.rate_ml_s = False, 0.0

    def restart(self) -> None:
        """Come up off, with an empty counter and no memory of the resonance."""
        self.stop()
        self.counted_ml, self.starts, self.dry = 0.0, 0, False

    def step(self, dt_s: float) -> None:
        """Let time pass."""
        decay = math.exp(-dt_s / self.wander_s)
        self.wander = self.wander * decay + self.chance.gauss(0, self.wander_sd * math.sqrt(1 - decay * decay))
        goal_c = self.room_c + (2.5 if self.on else 0.0)
        self.liquid_c += (goal_c - self.liquid_c) * -math.expm1(-dt_s / self.warms_s)
        self.dips_s = max(0.0, self.dips_s - dt_s)
        if not self.on:
            return
        self.on_s += dt_s
        self.since_s += dt_s
        self.counted_ml += self.own_ml_s * dt_s
        self.rate_ml_s = self._rate_ml_s()
        self.emitted_ml += min(self.rate_ml_s * dt_s, max(0.0, self._left_ml))
        self.starved_s = self.starved_s + dt_s if self._left_ml <= 1e-9 else 0.0
        if self.chance.random() < self.dip_odds:
            self.dips_s = self.chance.uniform(0.3, 1.0)
        if self.starved_s > self.confirm_s:
            self.dry = True
            self.on = not self.self_ends and self.starved_s < self.confirm_s + 2.0

    @property
    def _left_ml(self) -> float:
        return self.filled_ml - self.stays_ml - self.emitted_ml

    def _rate_ml_s(self) -> float:
        if self._left_ml <= 1e-9 or self.since_s < self.sweep_s:
            return 0.0
        cold = max(0.2, 1 - self.a_degree * max(0.0, self.room_c - self.liquid_c))
        rises = -math.expm1(-(self.since_s - self.sweep_s) / self.lag_s)
        thin = min(1.0, 0.4 + 0.6 * self._left_ml / 0.04)
        return self.unit_ml_s * self.run_factor * math.exp(self.wander) * cold * rises * thin * self.open

    def is_over(self) -> bool:
        """Return whether it has stopped by itself, or was told to because it is dry."""
        return not self.on

    def revive(self) -> bool:
        """Return whether it is tapped and resumed; that helps now and then, and never where it is to end early."""
        if not self.early or not self.taps:
            return False
        self.taps -= 1
        if self.chance.random() < 0.4 and self.case.course is not Course.PREMATURE:
            self.stays_ml = min(self.stays_ml, _usual_stays_ml(self.chance, self.case, self.filled_ml))
            self.early = False
        return True

    def read(self) -> Fields:
        """Return the columns that this controller fills."""
        gauss, noisy = self.chance.gauss, self.noisy
        unloaded = self.starved_s > 0 and self.chance.random() < min(0.95, 0.5 + self.starved_s)
        level = self.dry_part if unloaded or self.dips_s > 0 else 1.0
        level = 0.3 if self.since_s < self.sweep_s else level
        current_ma = self.wet_ma * level * gauss(1, 0.012 * noisy) if self.on else 0.0
        told: Fields = {
            "drive_ua": round(1000 * max(0.0, current_ma)),
            "drive_hz": round(self.wet_hz + 0.3 * self.on_s + gauss(0, 30 * noisy)) if self.on else 0,
            "drive_uw": round(1000 * max(0.0, current_ma * 17 * gauss(1, 0.01))),
            "temp_mc": round(1000 * (self.liquid_c + gauss(0, 0.2 * noisy))),
            "device_nl": round(1e6 * self.counted_ml),
            "dry": self.dry,
        }
        hidden = {what for what, has in self.has.items() if not has}
        hidden |= {"temp_mc"} if self.case.stress is Stress.COLD_UNTOLD else set()
        return {what: None if what in hidden else value for what, value in told.items()}


HAS = {"drive_hz": 0.85, "drive_uw": 0.7, "temp_mc": 0.7, "device_nl": 0.3}
"""How often a controller tells what not all of them tell."""


def make_second_mesh(case: Case, seed: int) -> Run:
    """Return one dose of the second simulator's mesh; the same case and seed always give the same."""
    chance = random.Random(f"second/{case.preset}/{case.course}/{case.stress}/{seed}")  # noqa: S311 - physics
    charge, filled_ml = declare_charge(chance)
    mesh = _draw_mesh(chance, case, filled_ml)
    cell = Cell(chance, case.stress)
    scene = Scene(chance, mesh, cell)
    loss = _Loss(chance, case.course, 0.45 * filled_ml / mesh.unit_ml_s)
    likely_s = (filled_ml - mesh.stays_ml) / mesh.unit_ml_s
    scene.play(likely_s, lambda: loss.befall(mesh, scene.at_s))
    left_ml = filled_ml - mesh.emitted_ml
    return Run(
        case=case,
        seed=seed,
        readings=tuple(scene.recording.readings),
        charge=charge,
        calibration=calibrate(chance, mesh.unit_ml_s, None, case.stress),
        residual=draw_up(chance, left_ml),
        truth=_truth(scene, mesh, cell, loss),
    )


def _draw_mesh(chance: random.Random, case: Case, filled_ml: float) -> Mesh:
    between = chance.uniform(0.1, 0.2) if case.preset == "mesh.solo" else 0.06
    unit_ml_s = ML_MIN[case.preset] / 60 * math.exp(chance.gauss(0, between))
    if case.stress is Stress.WILD:
        unit_ml_s *= chance.choice((0.6, 1.6))
    may_fail = case.preset == "mesh.solo" and case.course in {Course.USUAL, Course.PREMATURE}
    early = may_fail and (case.course is Course.PREMATURE or chance.random() < EARLY_CHANCE)
    stays_ml = _early_stays_ml(chance, filled_ml) if early else _usual_stays_ml(chance, case, filled_ml)
    return Mesh(chance, case, filled_ml, unit_ml_s, stays_ml, early)


def _early_stays_ml(chance: random.Random, filled_ml: float) -> float:
    share = 0.0
    while not 0.15 <= share <= 0.95:
        share = chance.betavariate(*EARLY_BETA)
    return share * filled_ml


def _usual_stays_ml(chance: random.Random, case: Case, filled_ml: float) -> float:
    if case.preset in STAYS_ML:
        return STAYS_ML[case.preset] * math.exp(chance.gauss(0, 0.1 if case.preset == "mesh.eflow" else 0.3))
    return min(0.09, SHARE_STAYS * math.exp(chance.gauss(0, SHARE_STAYS_LOG_SD))) * filled_ml


class _Loss:
    """A loss of a quarter of the rate, at once or over some time of running."""

    def __init__(self, chance: random.Random, course: Course, latest_s: float) -> None:
        self._lasts_s = {Course.SUDDEN: 0.5, Course.RAMP: chance.uniform(30, 100)}.get(course)
        self._from_s = chance.uniform(50, max(60.0, latest_s))
        self.losing_s: float | None = None
        self.lost_s: float | None = None

    def befall(self, mesh: Mesh, at_s: float) -> None:
        """Close pores."""
        if self._lasts_s is None or mesh.on_s < self._from_s or self.lost_s is not None:
            return
        self.losing_s = at_s if self.losing_s is None else self.losing_s
        share = min(1.0, (mesh.on_s - self._from_s) / self._lasts_s)
        mesh.open = 1 - (1 - CLOGGED) * share
        if share >= 1:
            self.lost_s = at_s


def _truth(scene: Scene, mesh: Mesh, cell: Cell, loss: _Loss) -> Truth:
    filled_nl, emitted_nl = round(1e6 * mesh.filled_ml), tuple(scene.recording.emitted_nl)
    left_nl = filled_nl - emitted_nl[-1]
    ends = scene.ends if mesh.early else scene.ends[:-1]
    excused = RIGHTLY_LOW.get(mesh.case.stress, frozenset())
    return Truth(
        emitted_nl=emitted_nl,
        rate_nl_s=tuple(scene.recording.rate_nl_s),
        filled_nl=filled_nl,
        left_nl=left_nl,
        began_ms=round(1000 * scene.began_s),
        ended_ms=round(1000 * scene.ended_s),
        complete=not mesh.early,
        premature=mesh.early,
        stops=tuple(Stop(at_ms=round(1000 * at_s), left_nl=filled_nl - round(1e6 * gone_ml)) for at_s, gone_ml in ends),
        losing_ms=None if loss.losing_s is None else round(1000 * loss.losing_s),
        loss_ms=None if loss.lost_s is None else round(1000 * loss.lost_s),
        excused=excused | ({"weight-step"} if cell.has_jumped else frozenset()),
    )
