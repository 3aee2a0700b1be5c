"""Doses drawn from the presets and run on the physics alone, and their figures beside what was published."""

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nebctl_lab.bench.sim_published import FACTS, Fact
from nebctl_simulators import presets as meshes
from nebctl_simulators.jet import cup as jet_cup
from nebctl_simulators.jet import presets as jets
from nebctl_simulators.plant import NS_PER_S, WHOLE_PPM, Drive, Liquid, Plant, advance, detune, pour, rate_nl_s, sense

CHARGE_NL = 3_000_000
NL_PER_ML = 1_000_000
UNITS, FILLINGS = 200, 5
LONGEST_NS = 3 * 3600 * NS_PER_S
JET_TIME_NS = 5 * 60 * NS_PER_S
MISMATCH_PPM = 10_000
COLD_DC = 120
Figures = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshDose:
    """What became of one filling: nL a second, the shares of the charge that left and stayed, wet seconds ON."""

    seed: int
    rate_nl_s: int
    emitted: float
    left: float
    stopped: bool
    wet_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JetDose:
    """What became of one filling of a jet: rate and residual in mL, `emitted` the share of the solute that left.

    `share` is the aerosol's of the weight loss, `thicker` the last concentration as a multiple of the first, and
    `colder_c` how far the liquid was below the room's temperature after 5 min.
    """

    weak: bool
    rate_ml_min: float
    share: float
    left_ml: float
    emitted: float
    thicker: float
    colder_c: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A published figure and the drawn one."""

    fact: Fact
    drawn: float

    @property
    def kept(self) -> bool:
        """Whether the drawn figure, as it is shown, lies in its range."""
        return self.fact.low <= round(self.drawn, self.fact.digits) <= self.fact.high


def draw_meshes(preset: str, seed: int, units: int, step_ns: int = LONGEST_NS) -> Iterator[MeshDose]:
    """Yield `FILLINGS` doses of each unit from `seed` on, driven in steps of `step_ns` until nothing more leaves."""
    for number in range(seed, seed + units):
        unit = meshes.build_unit(preset, number)
        for filling in range(1, FILLINGS + 1):
            load = meshes.draw_load(unit, filling)
            plant = run_dry(pour(Plant(mesh=unit.mesh, load=load), CHARGE_NL, load), step_ns)
            yield MeshDose(
                seed=number,
                rate_nl_s=load.rate_nl_s,
                emitted=plant.emitted_nl / CHARGE_NL,
                left=plant.cup_nl / CHARGE_NL,
                stopped=load.stops_early,
                wet_s=(plant.driven_ns - plant.dry_ns) / NS_PER_S,
            )


def run_dry(plant: Plant, step_ns: int) -> Plant:
    """Return the plant driven until nothing more leaves; after each step the controller measures it."""
    while plant.available_al:
        plant = advance(plant, step_ns, Drive.ON)
        sense(plant, Drive.ON)
    return plant


def draw_jets(preset: str, seed: int, units: int) -> Iterator[JetDose]:
    """Yield `FILLINGS` doses of each unit from `seed` on, at what its compressor gives, until nothing more leaves."""
    for number in range(seed, seed + units):
        unit = jets.build_unit(preset, number)
        for filling in range(1, FILLINGS + 1):
            load = jets.draw_load(unit, filling)
            cup = jet_cup.pour(jet_cup.Cup(size_nl=unit.cup_nl, load=load), CHARGE_NL, load)
            early = jet_cup.advance(cup, JET_TIME_NS, unit.gas.given_ppm)
            late = jet_cup.advance(early, LONGEST_NS, unit.gas.given_ppm)
            yield JetDose(
                weak=unit.gas.is_weak,
                rate_ml_min=load.aerosol_nl_s * 60 / NL_PER_ML * unit.gas.given_ppm / WHOLE_PPM,
                share=load.share_ppm / WHOLE_PPM,
                left_ml=late.volume_al / jet_cup.AL_PER_NL / NL_PER_ML,
                emitted=late.emitted_al / late.filled_al,
                thicker=late.thickening,
                colder_c=early.cooling_mk / 1000,
            )


def draw_rows(seed: int, units: int = UNITS) -> list[Row]:
    """Return every figure, from so many units of each preset; the same seed gives the same ones."""
    figures = (
        _describe_solo(list(draw_meshes("mesh.solo+premature", seed, units)))
        | _describe_responses(seed, units)
        | _describe_innospire(list(draw_meshes("mesh.innospire", seed, units)))
        | _describe_eflow(list(draw_meshes("mesh.eflow", seed, units)))
        | _describe_jets(list(draw_jets("jet.lc", seed, units)))
        | _describe_field(list(draw_jets("jet.lc+field", seed, units)))
    )
    return [Row(fact=fact, drawn=figures[fact.key]) for fact in FACTS]


def table_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the figures as a table in Markdown."""
    yield "| preset | figure | published | agrees from … to | drawn | source |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        fact, mark = row.fact, "" if row.kept else " **outside**"
        drawn = f"{row.drawn:.{fact.digits}f}{mark}"
        cells = (fact.preset, fact.figure, fact.published, f"{fact.low:g} … {fact.high:g}", drawn, fact.source)
        yield f"| {' | '.join(cells)} |"


def _rates(doses: Iterable[MeshDose]) -> list[list[float]]:
    """Return the rates in mL/min, those of each unit together."""
    rates: dict[int, list[float]] = {}
    for dose in doses:
        rates.setdefault(dose.seed, []).append(dose.rate_nl_s * 60 / NL_PER_ML)
    return list(rates.values())


def _percent_cv(values: list[float]) -> float:
    return 100 * statistics.stdev(values) / statistics.fmean(values)


def _describe_solo(doses: list[MeshDose]) -> Figures:
    rates = _rates(doses)
    means = [statistics.fmean(own) for own in rates]
    left = [100 * dose.left for dose in doses if not dose.stopped]
    kept = [100 * dose.left for dose in doses if dose.stopped]
    courses = [doses[place : place + FILLINGS] for place in range(0, len(doses), FILLINGS)]
    hit = sum(any(dose.stopped for dose in course) for course in courses)
    return {
        "solo_rate": statistics.fmean(means),
        "solo_above": 100 * sum(mean > 0.2 for mean in means) / len(means),
        "solo_unit_cv": _percent_cv(means),
        "solo_run_cv": statistics.fmean(_percent_cv(own) for own in rates),
        "left": statistics.fmean(left),
        "left_sd": statistics.stdev(left),
        "stopped": 100 * len(kept) / len(doses),
        "kept": statistics.fmean(kept),
        "kept_sd": statistics.stdev(kept),
        "course": 100 * hit / len(courses),
    }


def _describe_responses(seed: int, units: int) -> Figures:
    """Return what the physics of each unit makes of a mismatch, and of cold and thick liquid."""
    losses, powers = [], []
    for number in range(seed, seed + units):
        unit = meshes.build_unit("mesh.solo", number)
        load = meshes.draw_load(unit, 1)
        empty = Plant(mesh=unit.mesh, load=load)
        good = pour(empty, CHARGE_NL, load)
        off = detune(good, MISMATCH_PPM)
        losses.append(100 - 100 * rate_nl_s(off) / rate_nl_s(good))
        powers.append(100 * sense(off, Drive.ON).power_mw / sense(good, Drive.ON).power_mw - 100)
    cold = pour(empty, CHARGE_NL, load, Liquid(temp_dc=COLD_DC))
    degrees = (unit.mesh.nominal_dc - COLD_DC) / 10
    thick = [pour(empty, CHARGE_NL, load, Liquid(viscosity_ppm=times * WHOLE_PPM)) for times in (3, 4)]
    lost_cold, *lost_thick = (100 - 100 * rate_nl_s(plant) / load.rate_nl_s for plant in (cold, *thick))
    return {
        "off_least": min(losses),
        "off_most": max(losses),
        "power_least": min(powers),
        "power_most": max(powers),
        "cold": lost_cold / degrees,
        "thick_3": lost_thick[0],
        "thick_4": lost_thick[1],
    }


def _describe_innospire(doses: list[MeshDose]) -> Figures:
    batches: dict[int, list[float]] = {}
    for dose in doses:
        batches.setdefault(dose.seed // meshes.UNITS_PER_BATCH, []).append(dose.rate_nl_s * 60 / NL_PER_ML)
    means = [statistics.fmean(rates) for rates in batches.values()]
    return {
        "go_rate": statistics.fmean(dose.rate_nl_s * 60 / NL_PER_ML for dose in doses),
        "go_batch_sd": statistics.stdev(means),
        "go_left": statistics.fmean(dose.left * CHARGE_NL / NL_PER_ML for dose in doses),
    }


def _describe_eflow(doses: list[MeshDose]) -> Figures:
    return {
        "flow_rate": statistics.fmean(dose.rate_nl_s * 60 / NL_PER_ML for dose in doses),
        "flow_left": statistics.fmean(dose.left * CHARGE_NL / NL_PER_ML for dose in doses),
    }


def _describe_jets(doses: list[JetDose]) -> Figures:
    return {
        "jet_rate": statistics.fmean(dose.rate_ml_min for dose in doses),
        "jet_share_low": 100 * min(dose.share for dose in doses),
        "jet_share_high": 100 * max(dose.share for dose in doses),
        "jet_left": statistics.fmean(dose.left_ml for dose in doses),
        "jet_emitted": 100 * statistics.fmean(dose.emitted for dose in doses),
        "jet_thicker": statistics.fmean(dose.thicker for dose in doses),
        "jet_colder": statistics.fmean(dose.colder_c for dose in doses),
    }


def _describe_field(doses: list[JetDose]) -> Figures:
    weak = [dose for dose in doses if dose.weak]
    good = [dose for dose in doses if not dose.weak]
    rates, left = (
        [statistics.fmean(getattr(dose, field) for dose in some) for some in (weak, good)]
        for field in ("rate_ml_min", "left_ml")
    )
    return {
        "weak": 100 * len(weak) / len(doses),
        "weak_slower": 100 * rates[0] / rates[1],
        "weak_left": left[0] - left[1],
    }
