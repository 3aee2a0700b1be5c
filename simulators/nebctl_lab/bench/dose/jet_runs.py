"""Doses of the simulated jet: its cup and its gas controller's registers, by virtual time, with a bedside around."""

import random
import struct
from dataclasses import replace

from nebctl.core.dose.reading import Doing, Reading
from nebctl_lab.bench.dose.bedside import Gap, Plan, draw_interval_s, draw_plan
from nebctl_lab.bench.dose.recording import Recording
from nebctl_lab.bench.dose.run import RIGHTLY_LOW, Case, Run, Stop, Stress, Truth
from nebctl_lab.bench.dose.scale import NS_PER_S, Scale
from nebctl_lab.bench.dose.told import draw_calibration, draw_charge, draw_residual
from nebctl_simulators.jet.cup import AL_PER_NL, WHOLE_PPM, Cup, Load, advance, duty_ppm, pour, rate_nl_s, tap
from nebctl_simulators.jet.gas import GAS_NUMBER, PA_PER_PSI, GasController
from nebctl_simulators.jet.presets import Unit, build_unit, draw_load

HEARD_PPM = 900_000
"""A jet that makes no aerosol for a tenth of the time is heard to sputter."""
FINISHED_S, EARLY_NL = 40.0, 100_000
"""A dose is complete when sputter was left for so long, premature when so much more than its onset was left."""
DRIVER_WATCH_S = 60.0
"""A driver that feels the sputter ends the run after so long."""
SETPOINT_SLPM, LOSS, RUN_CV = 6.0, 0.25, 0.05
TAP_CHANCE = 0.15


def make_jet_run(case: Case, seed: int) -> Run:
    """Return one dose; the same case and seed always give the same. Its readings carry a weight (see `seen_by`)."""
    chance = random.Random(f"jet/{case.preset}/{case.course}/{case.stress}/{case.share_known}/{seed}")  # noqa: S311
    unit = _build(case, seed, chance)
    load = draw_load(unit, 1)
    given = _strength(unit.gas.given_ppm)
    sound = 1.0 if case.stress is Stress.WEAKENED else given
    rates = tuple(draw_load(unit, number).aerosol_nl_s for number in range(2, 2 + chance.randint(1, 3)))
    calibration = draw_calibration(
        chance,
        tuple(round(rate * sound) for rate in rates),
        RUN_CV,
        case.stress,
        unit.share if case.share_known else None,
    )
    charge, filled_nl = draw_charge(chance)
    spent_s = max(60.0, (filled_nl - load.onset_nl) * load.share_ppm / WHOLE_PPM / (load.aerosol_nl_s * given))
    plan = draw_plan(chance, case.course, spent_s)
    course = _JetCourse(unit, load, filled_nl, plan, case, chance, spent_s)
    course.play()
    return Run(
        case=case,
        seed=seed,
        readings=tuple(course.recording.readings),
        charge=charge,
        calibration=calibration,
        residual=draw_residual(chance, course.left_nl),
        truth=course.truth(),
    )


def _strength(given_ppm: int) -> float:
    return given_ppm / WHOLE_PPM


def _build(case: Case, seed: int, chance: random.Random) -> Unit:
    switch = "+weak" if case.stress is Stress.WEAKENED else "+field"
    unit = build_unit(case.preset + switch, seed)
    if case.stress is not Stress.WILD:
        return unit
    table = dict(unit.table)
    table["residual"] = {**table["residual"], "mean_ml": chance.uniform(0.5, 1.4), "low_ml": 0.3, "high_ml": 1.6}
    table["sputter"] = {**table["sputter"], "onset_ml": 1.75, "least_percent": chance.uniform(5, 50)}
    table["share"] = {**table["share"], "low_percent": 30, "high_percent": 97}
    table["cooling"] = {**table["cooling"], "fresh_percent": chance.uniform(0, 20), "cool_s": chance.uniform(40, 300)}
    rate = unit.aerosol_nl_s * chance.choice((chance.uniform(0.5, 0.8), chance.uniform(1.2, 1.7)))
    return replace(unit, aerosol_nl_s=rate, share=chance.uniform(0.32, 0.95), table=table)


class _JetCourse:
    """One dose as it goes: gas, cup, balance and people, polled five times a second."""

    def __init__(
        self, unit: Unit, load: Load, filled_nl: int, plan: Plan, case: Case, chance: random.Random, spent_s: float
    ) -> None:
        self._plan, self._case, self._chance, self._spent_s = plan, case, chance, spent_s
        self._cup = pour(Cup(size_nl=unit.cup_nl, load=load), filled_nl, load)
        self._gas = GasController(unit.gas, chance.getrandbits(30))
        self._scale = Scale(chance, case.stress, lambda: self._cup.volume_al // AL_PER_NL)
        self._filled_nl = filled_nl
        self._at_ns = 0
        self._on_s = 0.0
        self._on = self._ended = self._dry = False
        self._driver_ends = chance.random() < 0.6
        self._sputter_s = 0.0
        self._noise = 2.0 if case.stress is Stress.NOISE else 1.0
        self._taps = chance.random() < TAP_CHANCE
        self._losing_ms: int | None = None
        self._loss_ms: int | None = None
        self._lost = 0.0
        self._excused: set[str] = set()
        self._began_ms = self._ended_ms = 0
        self.recording = Recording()

    @property
    def left_nl(self) -> int:
        """What is in the cup."""
        return self._cup.volume_al // AL_PER_NL

    def play(self) -> None:
        """Give the dose from before its start until some seconds after its end."""
        self._idle(self._plan.press_s, Doing.OFF)
        self._began_ms = self._at_ms
        self._switch(on=True)
        pauses, gaps = list(self._plan.pauses), list(self._plan.gaps)
        while not self._ended:
            self._pass_time()
            self._lose_gas()
            if self._is_over():
                self._switch(on=False)
                self._ended = True
                self._tell(Doing.OFF)
            elif pauses and pauses[0].at_s <= self._on_s:
                self._pause(pauses.pop(0).lasts_s)
            elif gaps and gaps[0].at_s <= self._on_s:
                gap = gaps.pop(0)
                self._lose_telemetry(gap)
                if not self._on:
                    self._idle(gap.resume_s, Doing.OFF)
                    self._switch(on=True)
            elif self._taps and self._sputter_s > 15:
                self._tap()
            else:
                self._tell(Doing.RUNNING)
        self._ended_ms = self._at_ms
        self._idle(self._plan.after_s, Doing.OFF)

    def truth(self) -> Truth:
        """Return what was really so."""
        early = self.left_nl > self._cup.load.onset_nl + EARLY_NL
        stops = (Stop(at_ms=self._ended_ms, left_nl=self.left_nl),) if early else ()
        return Truth(
            emitted_nl=tuple(self.recording.emitted_nl),
            rate_nl_s=tuple(self.recording.rate_nl_s),
            filled_nl=self._filled_nl,
            left_nl=self.left_nl,
            began_ms=self._began_ms,
            ended_ms=self._ended_ms,
            complete=self._sputter_s >= FINISHED_S,
            premature=early,
            stops=stops,
            losing_ms=self._losing_ms,
            loss_ms=self._loss_ms,
            excused=frozenset(self._excused) | RIGHTLY_LOW.get(self._case.stress, frozenset()),
        )

    @property
    def _at_ms(self) -> int:
        return self._at_ns // 1_000_000

    def _is_over(self) -> bool:
        if self._plan.quit_share is not None:
            return self._on_s >= self._plan.quit_share * self._spent_s
        if self._driver_ends and self._sputter_s >= DRIVER_WATCH_S:
            self._dry = True
            return True
        return not self._driver_ends and self._sputter_s >= self._plan.watch_s

    def _switch(self, *, on: bool) -> None:
        self._on = on
        self._gas.setpoint = SETPOINT_SLPM * (1 - self._lost) if on else 0.0

    def _pass_time(self) -> None:
        seconds = draw_interval_s(self._chance)
        dt_ns = round(seconds * NS_PER_S)
        self._at_ns += dt_ns
        self._cup = advance(self._cup, dt_ns, self._gas.pressure_ppm(supplied=self._on))
        self._scale.advance(dt_ns)
        if self._on:
            self._on_s += seconds
            self._sputter_s += seconds if duty_ppm(self._cup) < HEARD_PPM else 0.0

    def _idle(self, seconds: float, doing: Doing) -> None:
        until_ns = self._at_ns + round(seconds * NS_PER_S)
        while self._at_ns < until_ns:
            self._pass_time()
            self._tell(doing)

    def _pause(self, seconds: float) -> None:
        self._switch(on=False)
        self._tell(Doing.PAUSED)
        if self._plan.hands:
            self._touch(Doing.PAUSED)
        self._idle(seconds, Doing.PAUSED)
        self._switch(on=True)

    def _tap(self) -> None:
        """Tap the running cup: what clung to its wall runs back, and the sputter begins again later."""
        self._taps = False
        self._sputter_s = 0.0
        self._cup = tap(self._cup)
        self._touch(Doing.RUNNING)

    def _touch(self, doing: Doing) -> None:
        self._excused.add("weight-step")
        self._scale.touch(on=True)
        self._idle(self._chance.uniform(1, 3), doing)
        self._scale.touch(on=False)
        self._idle(self._chance.uniform(2, 4), doing)

    def _lose_telemetry(self, gap: Gap) -> None:
        until_ns, off_ns = self._at_ns + round(gap.lasts_s * NS_PER_S), self._at_ns + 2 * NS_PER_S
        self._tell_lost(gap)
        while self._at_ns < until_ns:
            self._pass_time()
            if gap.stops and self._at_ns >= off_ns:
                self._switch(on=False)
            if gap.told_each:
                self._tell_lost(gap)

    def _lose_gas(self) -> None:
        """Let a quarter of the gas go, at once or by and by."""
        loss = self._plan.loss
        if loss is None or self._on_s < loss.at_s or self._loss_ms is not None:
            return
        self._losing_ms = self._at_ms if self._losing_ms is None else self._losing_ms
        self._lost = LOSS * min(1.0, (self._on_s - loss.at_s) / loss.lasts_s)
        self._switch(on=self._on)
        if self._lost >= LOSS:
            self._loss_ms = self._at_ms

    def _tell_lost(self, gap: Gap) -> None:
        weight = self._scale.read_ug() if gap.weighed else None
        self._record(Reading(at_ms=self._at_ms, doing=Doing.LOST, weight_ug=weight))

    def _tell(self, doing: Doing) -> None:
        """Record what the gas controller's registers say; doubled noise is a second reading's noise on top."""
        flow = self._gas.flow(supplied=self._on)
        words = self._gas.read(GAS_NUMBER, 11, flow, self._at_ns, WHOLE_PPM - duty_ppm(self._cup))
        psi, room_c, _, slpm = struct.unpack(">4f", struct.pack(">8H", *words[3:]))
        more = self._noise - 1
        if more and self._on:
            slpm *= self._chance.gauss(1, 0.005 * more)
            psi *= self._chance.gauss(1, 0.003 * more)
        self._record(
            Reading(
                at_ms=self._at_ms,
                doing=doing,
                temp_mc=round(room_c * 1000),
                gas_sccm=round(slpm * 1000),
                pressure_pa=round(psi * PA_PER_PSI),
                weight_ug=self._scale.read_ug(),
                dry=self._dry if self._driver_ends else None,
            )
        )

    def _record(self, reading: Reading) -> None:
        pressure = self._gas.pressure_ppm(supplied=self._on)
        self.recording.add(reading, self._cup.emitted_al // AL_PER_NL, rate_nl_s(self._cup, pressure))
