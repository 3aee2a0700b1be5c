"""`nebctl bench stream`: from a record to its receipt, as ratios of one run beside the limits that they must keep."""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from nebctl.store.reader import LogName
from nebctl_lab.bench.stream_intake import measure_intake
from nebctl_lab.bench.stream_wire import measure_over_mqtt, measure_round_trips
from nebctl_lab.guarded import Guarded
from nebctl_lab.stream import mosquitto
from nebctl_lab.stream.check import read_side

MOST_P50_MS = 5.0
MOST_P99_MS = 25.0
LEAST_FROM_MEMORY = 0.8
LEAST_OVER_MQTT = 0.35
MOST_GROWTH = 1.1
"""Resident memory at the end of the run, against that after a third of it."""
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured: records one by one, rounds and records from memory, units and records over MQTT."""

    round_trips: int
    rounds: int
    from_memory: int
    units: int
    over_mqtt: int


USUAL = Extent(round_trips=1000, rounds=7, from_memory=4000, units=8, over_mqtt=24_000)
LONG = Extent(round_trips=10_000, rounds=15, from_memory=20_000, units=16, over_mqtt=200_000)
QUICK = Extent(round_trips=30, rounds=1, from_memory=300, units=2, over_mqtt=600)
"""Enough to show that every part works; its figures prove nothing."""


@click.command(cls=Guarded, name="stream", epilog="Example: nebctl bench stream --json")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object and print nothing else on stdout.")
@click.option("--long", "extent", flag_value="long", help="Some ten times as much, for memory over a long run.")
@click.option("--quick", "extent", flag_value="quick", help="Try every part in seconds; the figures prove nothing.")
def stream(as_json: bool, extent: str | None) -> None:
    """Measure the stream on this machine: record to receipt over mosquitto, and how fast a pharmacy takes records in.

    Prints figures beside their limits; exits with 1 where one is not kept, with --quick only where a record was lost.
    About a minute; needs mosquitto.
    """
    if (advice := mosquitto.missing()) is not None:
        raise click.UsageError(advice)
    chosen = {"long": LONG, "quick": QUICK}.get(extent or "", USUAL)
    figures = measure(chosen, lambda text: click.echo(text, err=True))
    if as_json:
        click.echo(json.dumps(figures))
    else:
        for line in describe(figures):
            click.echo(line)
    raise SystemExit(0 if figures["limits"]["whole"] and (extent == "quick" or figures["kept"]) else 1)


def measure(extent: Extent, say: Callable[[str], None]) -> Figures:
    """Return all figures; each part runs alone."""
    began, cores = time.perf_counter(), _cores()
    with tempfile.TemporaryDirectory(prefix="nebctl-bench-") as name:
        folder = Path(name)
        say(f"{extent.round_trips} records one by one, from the call to the receipt …")
        trips = asyncio.run(measure_round_trips(_made(folder / "trips"), extent.round_trips))
        say(f"  p50 {trips['p50_ms']} ms; {extent.rounds} rounds of {extent.from_memory} records from memory …")
        intake = measure_intake(cores[0] if cores else None, extent.rounds, extent.from_memory)
        say(f"  {intake['ratio']} of {intake['bare_per_s']} a second; {extent.over_mqtt} records over MQTT …")
        over = asyncio.run(measure_over_mqtt(_made(folder / "mqtt"), cores, extent.units, extent.over_mqtt))
        kept = _kept(folder / "mqtt", extent.units)
    return _sum_up(trips, intake, over, kept) | {"seconds": round(time.perf_counter() - began, 1)}


def _cores() -> tuple[int, int] | None:
    """Return one core for the pharmacy and one for the rest; None where there is one alone."""
    found = sorted(os.sched_getaffinity(0))
    return (found[0], found[1]) if len(found) > 1 else None


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _kept(folder: Path, units: int) -> int:
    """Return how many records lie at the pharmacy in their order, without a gap."""
    database = folder / "pharmacy" / "pharmacy.db"
    sides = [read_side(database, LogName(f"neb-{number:04}", 1)) for number in range(1, units + 1)]
    return sum(len(side.places) for side in sides if side.places == tuple(range(len(side.places))))


def _sum_up(trips: Figures, intake: Figures, over: Figures, kept: int) -> Figures:
    ratio = round(over["per_s"] / intake["bare_per_s"], 3)
    limits = {
        "p50": trips["p50_ms"] <= MOST_P50_MS,
        "p99": trips["p99_ms"] <= MOST_P99_MS,
        "from_memory": intake["ratio"] >= LEAST_FROM_MEMORY,
        "over_mqtt": ratio >= LEAST_OVER_MQTT,
        "memory": over["memory_growth"] <= MOST_GROWTH,
        "whole": kept == over["records"],
    }
    return {
        "kept": all(limits.values()),
        "limits": limits,
        "round_trip": trips | {"p50_limit_ms": MOST_P50_MS, "p99_limit_ms": MOST_P99_MS},
        "from_memory": intake | {"ratio_limit": LEAST_FROM_MEMORY},
        "over_mqtt": over | {"ratio": ratio, "ratio_limit": LEAST_OVER_MQTT, "growth_limit": MOST_GROWTH},
        "wrong": over["records"] - kept,
    }


def describe(figures: Figures) -> Iterator[str]:
    """Yield the figures as lines for a person."""
    trips, intake, over = figures["round_trip"], figures["from_memory"], figures["over_mqtt"]
    marks = {name: "kept" if kept else "NOT KEPT" for name, kept in figures["limits"].items()}
    yield f"record to receipt  p50 {trips['p50_ms']} ms (most {MOST_P50_MS:g}): {marks['p50']}"
    yield f"                   p99 {trips['p99_ms']} ms (most {MOST_P99_MS:g}): {marks['p99']}, of {trips['records']}"
    yield f"from memory        {intake['ratio']} of a bare check (least {LEAST_FROM_MEMORY}): {marks['from_memory']}"
    yield f"                   {intake['taken_per_s']} a second on all cores, {intake['bare_per_s']} bare on one"
    yield f"                   {intake['one_core_per_s']} a second on one core alone: {intake['one_core_ratio']}"
    yield f"over MQTT          {over['ratio']} of a bare check (least {LEAST_OVER_MQTT}): {marks['over_mqtt']}"
    yield f"                   {over['per_s']} a second from {over['units']} units"
    yield f"memory             {over['memory_growth']} of that after a third (most {MOST_GROWTH}): {marks['memory']}"
    yield f"                   {over['memory_third_mb']} and {over['memory_end_mb']} MiB"
    yield f"records            {figures['wrong']} of {over['records']} lost or out of place: {marks['whole']}"
    yield f"{'all limits kept' if figures['kept'] else 'NOT ALL LIMITS KEPT'}, in {figures['seconds']} s"
