"""`nebctl bench wire`: the guard's figures, as ratios and counts of one run, against the limits that it must keep."""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import click

from nebctl_lab.bench.evil import FAULTS
from nebctl_lab.bench.fleet import PROFILE, measure_fleet
from nebctl_lab.bench.matrix import UNITS, Counts, count_in_memory, count_on_ptys
from nebctl_lab.bench.rates import measure_reads, measure_stops
from nebctl_lab.guarded import Guarded

LEAST_RATIO = 0.9
MOST_LATE_MS = 50.0
MOST_CORE_SHARE = 0.25
MOST_LOST_SHARE = 0.001
SEED = 1
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured: rounds of reads and reads in each, STOPs, seconds of the fleet, requests a case."""

    rounds: int
    reads: int
    stops: int
    fleet_s: float
    in_memory: int
    on_pty: int


USUAL = Extent(rounds=7, reads=200, stops=3000, fleet_s=30, in_memory=10_000, on_pty=100)
LONG = Extent(rounds=15, reads=1000, stops=20_000, fleet_s=3600, in_memory=100_000, on_pty=1000)
QUICK = Extent(rounds=1, reads=50, stops=30, fleet_s=1, in_memory=200, on_pty=4)
"""Enough to show that every part works; its figures prove nothing."""


@click.command(cls=Guarded, name="wire", epilog="Example: nebctl bench wire --json")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object and print nothing else on stdout.")
@click.option("--long", "extent", flag_value="long", help="An hour of polling and ten times the requests.")
@click.option("--quick", "extent", flag_value="quick", help="Try every part in seconds; the figures prove nothing.")
def wire(as_json: bool, extent: str | None) -> None:
    """Measure link, bus guard and drivers on real ptys and TCP, and count wrong answers under every fault.

    Prints figures beside their limits; exits with 1 where one is not kept, with --quick only where an answer was
    wrong. About two minutes.
    """
    chosen = {"long": LONG, "quick": QUICK}.get(extent or "", USUAL)
    figures = measure(chosen, lambda text: click.echo(text, err=True))
    if as_json:
        click.echo(json.dumps(figures))
    else:
        for line in describe(figures):
            click.echo(line)
    raise SystemExit(0 if figures["limits"]["matrix"] and (extent == "quick" or figures["kept"]) else 1)


def measure(extent: Extent, say: Callable[[str], None]) -> Figures:
    """Return all figures; what needs a quiet machine is measured alone, one after the other."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="nebctl-bench-") as name:
        folder = Path(name)
        say("reads through the guard against a bare client, on one paced line …")
        reads = asyncio.run(measure_reads(folder, extent.rounds, extent.reads))
        say(f"  {reads['guarded_per_s']} a second, bare {reads['bare_per_s']}; 16 nebulizers at 10 Hz …")
        with resources.as_file(resources.files("nebctl_profiles") / f"{PROFILE}.toml") as profile:
            fleet = asyncio.run(measure_fleet(folder, profile, extent.fleet_s))
        say(f"  p99 {fleet['p99_ms']} ms late; {extent.stops} STOPs on a saturated bus …")
        stop = asyncio.run(measure_stops(folder, extent.stops))
        say(f"  p99.9 {stop['p999_ms']} ms; the fault matrix on ptys …")
        on_pty = asyncio.run(count_on_ptys(folder, extent.on_pty, SEED))
        say("the fault matrix in memory, in virtual time …")
        in_memory = _count_in_memory(extent.in_memory)
    return _sum_up(reads, fleet, stop, on_pty, in_memory) | {"seconds": round(time.perf_counter() - began, 1)}


def _count_in_memory(requests: int) -> list[Counts]:
    with ProcessPoolExecutor() as pool:
        return list(pool.map(count_in_memory, [(unit, fault, requests, SEED) for unit in UNITS for fault in FAULTS]))


def _sum_up(reads: Figures, fleet: Figures, stop: Figures, on_pty: list[Counts], in_memory: list[Counts]) -> Figures:
    wrong = {
        "wrong_on_pty": sum(case.wrong for case in on_pty),
        "wrong_in_memory": sum(case.wrong for case in in_memory),
    }
    limits = {
        "reads": reads["ratio"] >= LEAST_RATIO,
        "fleet_late": fleet["p99_ms"] <= MOST_LATE_MS,
        "fleet_core": fleet["core_share"] <= MOST_CORE_SHARE,
        "stop": stop["p999_ms"] <= stop["limit_ms"],
        "fleet_lost": fleet["lost"] <= MOST_LOST_SHARE * fleet["polls"],
        "matrix": not any(wrong.values()),
        "matrix_served": all(case.is_served() for case in (*on_pty, *in_memory)),
    }
    return {
        "kept": all(limits.values()),
        "limits": limits,
        "reads": reads | {"ratio_limit": LEAST_RATIO},
        "fleet": fleet | {"p99_limit_ms": MOST_LATE_MS, "core_share_limit": MOST_CORE_SHARE},
        "stop": stop,
        **wrong,
        "matrix": {
            "on_pty": [asdict(case) for case in on_pty],
            "in_memory": [asdict(case) for case in in_memory],
        },
    }


def describe(figures: Figures) -> Iterator[str]:
    """Yield the figures as lines for a person."""
    reads, fleet, stop, limits = figures["reads"], figures["fleet"], figures["stop"], figures["limits"]
    marks = {name: "kept" if kept else "NOT KEPT" for name, kept in limits.items()}
    yield f"reads      {reads['ratio']} of a bare client (least {LEAST_RATIO}): {marks['reads']}"
    yield f"           {reads['guarded_per_s']} and {reads['bare_per_s']} a second at 115200 baud"
    yield f"16 devices p99 {fleet['p99_ms']} ms late (most {MOST_LATE_MS:g}): {marks['fleet_late']}"
    yield f"           {fleet['core_share']:.1%} of a core (most {MOST_CORE_SHARE:.0%}): {marks['fleet_core']}"
    yield f"           {fleet['polls']} readings, {fleet['lost']} lost: {marks['fleet_lost']}"
    yield f"STOP       p99.9 {stop['p999_ms']} ms (most {stop['limit_ms']}): {marks['stop']}, of {stop['stops']}"
    for where in ("on_pty", "in_memory"):
        cases = figures["matrix"][where]
        asked = sum(case["asked"] for case in cases)
        wrong, name = figures[f"wrong_{where}"], where.replace("_", " ")
        yield f"matrix     {name}: {wrong} wrong of {asked} in {len(cases)} cases: {marks['matrix']}"
    yield f"           no case lost more than its fault took: {marks['matrix_served']}"
    yield f"{'all limits kept' if figures['kept'] else 'NOT ALL LIMITS KEPT'}, in {figures['seconds']} s"
