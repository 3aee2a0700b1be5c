"""Doses of the simulated mesh: its physics and its controller's own program, by virtual time, with a bedside around."""

import random
from dataclasses import replace

from nebctl.core.dose.reading import Doing, Reading
from nebctl_lab.bench.dose.bedside import Gap, Plan, draw_interval_s, draw_plan
from nebctl_lab.bench.dose.recording import Recording
from nebctl_lab.bench.dose.run import RIGHTLY_LOW, Case, Course, Run, Stop, Stress, Truth
from nebctl_lab.bench.dose.scale import NS_PER_S, Scale
from nebctl_lab.bench.dose.told import draw_calibration, draw_charge, draw_residual
from nebctl_simulators.mesh.controller import Controller
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.plant import WHOLE_PPM, Liquid, Load, Plant, clog, pour, rate_nl_s
from nebctl_simulators.presets import Unit, build_unit, draw_load

FAILED_PPM = 100_000
"""A run that leaves more than this failed. Source: Respir Care 2017;62(1):65."""
LOSS_PPM = 250_000
CURRENT_NOISE, POWER_NOISE, FREQUENCY_NOISE_HZ = 0.01, 0.015, 20.0
TEMP_OFFSET_C, TEMP_NOISE_C = 0.3, 0.1


def make_mesh_run(case: Case, seed: int) -> Run:
    """Return one dose; the same case and seed always give the same. Its readings carry a weight (see `seen_by`)."""
    chance = random.Random(f"mesh/{case.preset}/{case.course}/{case.stress}/{seed}")  # noqa: S311 - physics
    unit = _build(case, seed, chance)
    load = _draw_load(unit, case, chance)
    calibration = draw_calibration(
        chance,
        tuple(draw_load(unit, number).rate_nl_s for number in range(2, 2 + chance.randint(1, 3))),
        unit.spread.run_cv,
        case.stress,
        None,
    )
    charge, filled_nl = draw_charge(chance)
    plan = draw_plan(chance, case.course, 0.9 * filled_nl / load.rate_nl_s)
    if load.stops_early:
        plan = replace(plan, loss=None)
    course = _MeshCourse(unit, load, filled_nl, plan, case, chance)
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


def _build(case: Case, seed: int, chance: random.Random) -> Unit:
    premature = case.course in {Course.USUAL, Course.PREMATURE} and case.preset == "mesh.solo"
    unit = build_unit(case.preset + "+premature" * premature, seed)
    if case.course is Course.PREMATURE and unit.spread.stops is not None:
        unit = replace(unit, spread=replace(unit.spread, stops=replace(unit.spread.stops, share=1.0)))
    return _out_of_bounds(unit, chance) if case.stress is Stress.WILD else unit


def _out_of_bounds(unit: Unit, chance: random.Random) -> Unit:
    """Return a unit that no preset would draw: rate, residual and dry signature far from what they name."""
    spread, mesh = unit.spread, unit.mesh
    return replace(
        unit,
        spread=replace(
            spread,
            rate_nl_s=spread.rate_nl_s * chance.choice((chance.uniform(0.45, 0.75), chance.uniform(1.3, 1.8))),
            run_cv=0.08,
            residual_percent=1.5 * spread.residual_percent,
            residual_high=1.5 * spread.residual_high,
        ),
        mesh=replace(
            mesh,
            dry_percent=chance.randint(10, 60),
            dry_rise_hz=chance.randint(200, 3000),
            drift_hz=chance.randint(-1500, 1500),
            ambient_dc=chance.randint(170, 290),
            current_dma=round(mesh.current_dma * chance.uniform(0.5, 2)),
            power_mw=round(mesh.power_mw * chance.uniform(0.5, 2)),
        ),
        firmware=replace(unit.firmware, dry_confirm_ns=round(chance.uniform(1, 5) * NS_PER_S)),
    )


def _draw_load(unit: Unit, case: Case, chance: random.Random) -> Load:
    """Return the filling; where a premature stop is wanted, one that leaves at least 15 % of the charge."""
    load = draw_load(unit, 1)
    stops = unit.spread.stops
    if case.course is not Course.PREMATURE or stops is None:
        return load
    percent = 0.0
    while not 15 <= percent <= stops.high:
        percent = chance.gauss(stops.percent, stops.sd)
    return replace(load, residual_ppm=round(percent * 10_000), residual_nl=0, stops_early=True)


class _MeshCourse:
    """One dose as it goes: the device, the balance and the people, polled five times a second."""

    def __init__(self, unit: Unit, load: Load, filled_nl: int, plan: Plan, case: Case, chance: random.Random) -> None:
        cold = Liquid(temp_dc=40) if case.stress in {Stress.COLD, Stress.COLD_UNTOLD} else None
        plant = pour(Plant(mesh=unit.mesh, load=load), filled_nl, load, cold)
        self._unit, self._plan, self._case, self._chance = unit, plan, case, chance
        self._controller = Controller(
            serial="00000000", firmware=unit.firmware, memory=Memory(), plant=plant, real_ns=0
        )
        self._filled_nl = filled_nl
        self._at_ns = self._seq = 0
        self._scale = Scale(chance, case.stress, lambda: self._controller.plant.cup_nl)
        self._noise = 2.0 if case.stress is Stress.NOISE else 1.0
        self._temp_offset_c = chance.gauss(0, TEMP_OFFSET_C)
        self._stops: list[Stop] = []
        self._losing_ms: int | None = None
        self._loss_ms: int | None = None
        self._excused: set[str] = set()
        self._began_ms = self._ended_ms = 0
        self.recording = Recording()

    @property
    def left_nl(self) -> int:
        """What is in the cup."""
        return self._controller.plant.cup_nl

    def play(self) -> None:
        """Give the dose from before its start until some seconds after its end."""
        self._idle(self._plan.press_s, Doing.OFF)
        self._began_ms = self._at_ms
        self._start()
        pauses, gaps = list(self._plan.pauses), list(self._plan.gaps)
        taps = self._plan.taps
        while True:
            self._pass_time()
            self._lose_rate()
            if self._has_ended:
                self._tell(Doing.OFF)
                self._note_stop()
                if not (taps and self._controller.plant.load.stops_early):
                    break
                taps -= 1
                self._tap()
            elif pauses and pauses[0].at_s <= self._on_s:
                self._pause(pauses.pop(0).lasts_s)
            elif gaps and gaps[0].at_s <= self._on_s:
                gap = gaps.pop(0)
                self._lose_telemetry(gap)
                if not self._controller.is_on and not self._is_dry:
                    self._idle(gap.resume_s, Doing.OFF)
                    self._start()
            else:
                self._tell(Doing.RUNNING)
        self._ended_ms = self._at_ms
        self._idle(self._plan.after_s, Doing.OFF)

    def truth(self) -> Truth:
        """Return what was really so."""
        left_nl = self.left_nl
        failed = left_nl * WHOLE_PPM > self._filled_nl * FAILED_PPM
        early = self._controller.plant.load.stops_early
        return Truth(
            emitted_nl=tuple(self.recording.emitted_nl),
            rate_nl_s=tuple(self.recording.rate_nl_s),
            filled_nl=self._filled_nl,
            left_nl=left_nl,
            began_ms=self._began_ms,
            ended_ms=self._ended_ms,
            complete=not early,
            premature=early and failed,
            stops=tuple(self._stops),
            losing_ms=self._losing_ms,
            loss_ms=self._loss_ms,
            excused=frozenset(self._excused) | RIGHTLY_LOW.get(self._case.stress, frozenset()),
        )

    @property
    def _at_ms(self) -> int:
        return self._at_ns // 1_000_000

    @property
    def _on_s(self) -> float:
        return self._controller.on_ms / 1000

    @property
    def _has_ended(self) -> bool:
        return not self._controller.is_on

    @property
    def _is_dry(self) -> bool:
        return self._ask("STAT").split(",")[-2] == "1"

    def _ask(self, words: str) -> str:
        self._seq += 1
        return self._controller.receive(f"C,{self._seq},{words}") or ""

    def _start(self) -> None:
        self._ask("START,0000000a,1800000")

    def _pass_time(self, *, beats: bool = True) -> None:
        dt_ns = round(draw_interval_s(self._chance) * NS_PER_S)
        self._at_ns += dt_ns
        self._controller.advance(self._at_ns, dt_ns)
        self._scale.advance(dt_ns)
        if beats:
            self._ask("BEAT")

    def _idle(self, seconds: float, doing: Doing) -> None:
        until_ns = self._at_ns + round(seconds * NS_PER_S)
        while self._at_ns < until_ns:
            self._pass_time()
            self._tell(doing)

    def _pause(self, seconds: float) -> None:
        self._ask("STOP")
        self._tell(Doing.PAUSED)
        if self._plan.hands:
            self._touch(Doing.PAUSED)
        self._idle(seconds, Doing.PAUSED)
        self._start()

    def _tap(self) -> None:
        """Tap the cup of a device that stopped early and resume it: now and then what clung there flows again.

        Where a premature end is wanted, tapping never helps.
        """
        self._idle(self._chance.uniform(5, 25), Doing.OFF)
        self._touch(Doing.OFF)
        if self._chance.random() < 0.5 and self._case.course is not Course.PREMATURE:
            load = draw_load(build_unit(self._case.preset, self._unit.seed), 1)
            plant = self._controller.plant
            freed = replace(plant.load, residual_ppm=load.residual_ppm, stops_early=False)
            self._controller.plant = replace(plant, load=freed, dry_ns=0)
        self._start()

    def _touch(self, doing: Doing) -> None:
        self._excused.add("weight-step")
        self._scale.touch(on=True)
        self._idle(self._chance.uniform(1, 3), doing)
        self._scale.touch(on=False)
        self._idle(self._chance.uniform(2, 4), doing)

    def _lose_telemetry(self, gap: Gap) -> None:
        until_ns = self._at_ns + round(gap.lasts_s * NS_PER_S)
        self._tell_lost(gap)
        while self._at_ns < until_ns:
            self._pass_time(beats=not gap.stops)
            if gap.told_each:
                self._tell_lost(gap)

    def _lose_rate(self) -> None:
        loss, plant = self._plan.loss, self._controller.plant
        if loss is None or self._on_s < loss.at_s:
            return
        if plant.clog is None:
            self._controller.plant = clog(plant, LOSS_PPM, round(loss.lasts_s * NS_PER_S))
            self._losing_ms = self._at_ms
        elif self._loss_ms is None and plant.clog.driven_ns >= plant.clog.over_ns:
            self._loss_ms = self._at_ms

    def _note_stop(self) -> None:
        if self._controller.plant.load.stops_early:
            self._stops.append(Stop(at_ms=self._at_ms, left_nl=self.left_nl))

    def _tell_lost(self, gap: Gap) -> None:
        weight = self._scale.read_ug() if gap.weighed else None
        self._record(Reading(at_ms=self._at_ms, doing=Doing.LOST, weight_ug=weight))

    def _tell(self, doing: Doing) -> None:
        """Record what the device says of itself, with the noise of its sensors."""
        noise, gauss, unit = self._noise, self._chance.gauss, self._unit.mesh
        *_, current, frequency, power, temp, dry, _fault = self._ask("STAT").split(",")
        on = self._controller.is_on
        current_ma = float(current) + (gauss(0, noise * CURRENT_NOISE * unit.current_dma / 10) if on else 0)
        power_mw = int(power) + (gauss(0, noise * POWER_NOISE * unit.power_mw) if on else 0)
        temp_c = int(temp) / 10 + self._temp_offset_c + gauss(0, noise * TEMP_NOISE_C)
        untold = self._case.stress is Stress.COLD_UNTOLD
        self._record(
            Reading(
                at_ms=self._at_ms,
                doing=Doing.RUNNING if on else doing,
                drive_ua=100 * max(0, round(10 * current_ma)),
                drive_hz=max(0, round(int(frequency) + gauss(0, noise * FREQUENCY_NOISE_HZ))) if on else 0,
                drive_uw=1000 * max(0, round(power_mw)),
                temp_mc=None if untold else 100 * round(10 * temp_c),
                weight_ug=self._scale.read_ug(),
                dry=dry == "1",
            )
        )

    def _record(self, reading: Reading) -> None:
        plant = self._controller.plant
        emits = self._controller.state == "RUN" and plant.available_al > 0
        self.recording.add(reading, plant.emitted_nl, rate_nl_s(plant) if emits else 0)
