"""`nebctl bench sim`: what the simulators cost and how they agree with what was published, against their limits."""

import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from nebctl_lab.bench.sim_answers import measure_answers
from nebctl_lab.bench.sim_fleet import measure_devices
from nebctl_lab.bench.sim_population import (
    CHARGE_NL,
    FILLINGS,
    UNITS,
    Row,
    draw_meshes,
    draw_rows,
    run_dry,
    table_lines,
)
from nebctl_lab.guarded import Guarded
from nebctl_lab.system.course import measure_course
from nebctl_lab.virtual import run_virtual
from nebctl_simulators.plant import NS_PER_S, Plant, pour
from nebctl_simulators.presets import build_unit, draw_load

LEAST_SPEED = 8000
MOST_POPULATION_S = 60.0
LEAST_RATIO = 1.0
MOST_CORE_SHARE = 1.0
MOST_COURSE_S = 20.0
STEP_NS = NS_PER_S // 4
"""A host asks four times a second in a dose: so finely the physics is stepped, and measured after each step."""
SEED = 1
BEGIN, END = "<!-- drawn by nebctl bench sim --write-docs -->", "<!-- end of what was drawn -->"
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured: doses for the speed, units of the population, rounds and requests, seconds of devices."""

    doses: int
    units: int
    rounds: int
    requests: int
    seconds: float
    course: bool


USUAL = Extent(doses=20, units=UNITS, rounds=9, requests=1000, seconds=15, course=True)
QUICK = Extent(doses=1, units=4, rounds=1, requests=50, seconds=1, course=False)
"""Enough to show that every part works; its figures prove nothing."""


@click.command(cls=Guarded, name="sim", epilog="Example: nebctl bench sim --json")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object and print nothing else on stdout.")
@click.option("--quick", is_flag=True, help="Try every part but the course in seconds; the figures prove nothing.")
@click.option(
    "--write-docs",
    "page",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Only draw the population and put its table into this page, between its two marks.",
)
def sim(as_json: bool, quick: bool, page: Path | None) -> None:
    """Measure the simulators: speed of the physics, answers, cost of 32 devices, and their agreement with the papers.

    Prints figures beside their limits; exits with 1 where one is not kept. About two minutes.
    """
    if page is not None:
        try:
            write_table(page)
        except ValueError as error:
            raise click.ClickException(str(error)) from None
        return
    figures = measure(QUICK if quick else USUAL, lambda text: click.echo(text, err=True))
    if as_json:
        click.echo(json.dumps(figures))
    else:
        for line in describe(figures):
            click.echo(line)
    raise SystemExit(0 if figures["kept"] else 1)


def write_table(page: Path) -> None:
    """Put the table of the population into a page of the documentation, in the place of the one between its marks.

    Raises: ValueError for a page without the two marks.
    """
    text = page.read_text(encoding="utf-8")
    marks = re.compile(f"({re.escape(BEGIN)}\n).*?({re.escape(END)})", re.DOTALL)
    if len(marks.findall(text)) != 1:
        raise ValueError(f"{page}: expected the marks {BEGIN!r} and {END!r} once each; put them where the table is due")
    table = "\n".join(table_lines(draw_rows(SEED)))
    page.write_text(marks.sub(lambda found: f"{found[1]}{table}\n{found[2]}", text), encoding="utf-8")


def measure(extent: Extent, say: Callable[[str], None]) -> Figures:
    """Return all figures; each part is measured alone, one after the other."""
    began = time.perf_counter()
    say("one mesh dose on the physics alone …")
    speed = measure_speed(extent.doses)
    say(f"  {speed['times_real_time']} times real time; {extent.units * FILLINGS} doses of the population …")
    population = measure_population(extent.units)
    say(f"  {population['seconds']} s; the figures of all presets …")
    rows = draw_rows(SEED)
    with tempfile.TemporaryDirectory(prefix="nebctl-bench-") as name:
        say("answers against a bare Modbus server …")
        answers = measure_answers(Path(name), extent.rounds, extent.requests)
        say(f"  least ratio {answers['ratio']}; 32 devices in one process at 10 Hz …")
        devices = measure_devices(Path(name), extent.seconds)
    course: Figures = {}
    if extent.course:
        say("a course of five days in virtual time …")
        course = dict(run_virtual(measure_course(SEED)))
    figures = _sum_up(speed, population, answers, devices, rows, course)
    return figures | {"seconds": round(time.perf_counter() - began, 1)}


def measure_speed(doses: int) -> Figures:
    """Return how many times faster than real time one dose runs on one core, the median of so many.

    The time is that of the processor: what else the machine does meanwhile does not count.
    """
    unit = build_unit("mesh.solo", SEED)
    load = draw_load(unit, 1)
    full = pour(Plant(mesh=unit.mesh, load=load), CHARGE_NL, load)
    speeds = []
    for _ in range(doses):
        began = time.process_time()
        plant = run_dry(full, STEP_NS)
        speeds.append(plant.at_ns / NS_PER_S / (time.process_time() - began))
    return {"times_real_time": round(statistics.median(speeds)), "dose_s": round(plant.at_ns / NS_PER_S)}


def measure_population(units: int) -> Figures:
    """Return what the doses of so many units take when they are run step by step, and how many stopped early.

    `seconds` are those of the processor, `wall_s` those that passed beside whatever else the machine did.
    """
    began, wall = time.process_time(), time.perf_counter()
    doses = list(draw_meshes("mesh.solo+premature", SEED, units, STEP_NS))
    return {
        "doses": len(doses),
        "seconds": round(time.process_time() - began, 2),
        "wall_s": round(time.perf_counter() - wall, 2),
        "stopped": sum(dose.stopped for dose in doses),
    }


def _sum_up(
    speed: Figures, population: Figures, answers: Figures, devices: Figures, rows: list[Row], course: Figures
) -> Figures:
    limits = {
        "speed": speed["times_real_time"] >= LEAST_SPEED,
        "population": population["seconds"] <= MOST_POPULATION_S,
        "answers": answers["ratio"] >= LEAST_RATIO,
        "devices": devices["core_share"] <= MOST_CORE_SHARE and not devices["lost"],
        "published": all(row.kept for row in rows),
    }
    if course:
        limits["course"] = course["course_s"] <= MOST_COURSE_S
    return {
        "kept": all(limits.values()),
        "limits": limits,
        "speed": speed | {"limit": LEAST_SPEED},
        "population": population | {"limit_s": MOST_POPULATION_S},
        "answers": answers | {"ratio_limit": LEAST_RATIO},
        "devices": devices | {"core_share_limit": MOST_CORE_SHARE},
        "published": {row.fact.key: _tell(row) for row in rows},
        "course": course | {"limit_s": MOST_COURSE_S} if course else {},
    }


def _tell(row: Row) -> Figures:
    fact = row.fact
    drawn = round(row.drawn, fact.digits)
    return {"preset": fact.preset, "figure": fact.figure, "drawn": drawn, "low": fact.low, "high": fact.high}


def describe(figures: Figures) -> Iterator[str]:
    """Yield the figures as lines for a person."""
    marks = {name: "kept" if kept else "NOT KEPT" for name, kept in figures["limits"].items()}
    speed, population, answers, devices = (figures[name] for name in ("speed", "population", "answers", "devices"))
    yield f"physics    {speed['times_real_time']} times real time (least {LEAST_SPEED}): {marks['speed']}"
    yield (
        f"population {population['doses']} doses in {population['seconds']} s "
        f"(most {MOST_POPULATION_S:g}): {marks['population']}"
    )
    yield f"answers    {answers['ratio']} of a bare Modbus server (least {LEAST_RATIO:g}): {marks['answers']}"
    for name in sorted(key.removesuffix("_per_s") for key in answers if key.endswith("_per_s")):
        yield f"           {name}: {answers[f'{name}_per_s']} a second"
    yield (
        f"devices    {devices['devices']} at 10 Hz take {devices['core_share']:.1%} of a core "
        f"(most {MOST_CORE_SHARE:.0%}), {devices['lost']} of {devices['asked']} answers lost: {marks['devices']}"
    )
    if figures["course"]:
        course = figures["course"]
        yield f"course     five days in {course['course_s']} s (most {MOST_COURSE_S:g}): {marks['course']}"
    yield f"published  {len(figures['published'])} figures: {marks['published']}"
    for told in figures["published"].values():
        outside = "" if told["low"] <= told["drawn"] <= told["high"] else "  OUTSIDE"
        yield f"           {told['preset']} {told['figure']}: {told['drawn']} ({told['low']} … {told['high']}){outside}"
    yield f"{'all limits kept' if figures['kept'] else 'NOT ALL LIMITS KEPT'}, in {figures['seconds']} s"
