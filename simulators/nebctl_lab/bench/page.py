"""`nebctl bench page`: START from the press to the device, a value from the device to the page, memory over an hour."""

import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from nebctl_lab.bench.page_hour import measure_hour
from nebctl_lab.bench.page_tap import Heard
from nebctl_lab.bench.page_ward import PageWard
from nebctl_lab.browser import missing
from nebctl_lab.guarded import Guarded

START_LIMIT_MS = 300.0
SHOWN_LIMIT_MS = 250.0
MOST_GROWTH = 1.1
"""Resident memory at the end of the hour, against that after a third of it."""
SHARE = 0.99
Figures = dict[str, Any]
Shown = Sequence[Any]
"""What a page showed once: when (Unix ms), of which on-time (ms), of which volume (nL), and the number as written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured: STARTs, seconds of four open pages, seconds of virtual time with four readers."""

    starts: int
    seconds: float
    virtual_s: int


USUAL = Extent(starts=100, seconds=180, virtual_s=3600)
QUICK = Extent(starts=2, seconds=3, virtual_s=60)
"""Enough to show that every part works; its figures prove nothing."""


@click.command(cls=Guarded, name="page", epilog="Example: nebctl bench page --json")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object and print nothing else on stdout.")
@click.option("--quick", is_flag=True, help="Try every part in seconds; the figures prove nothing.")
def page(as_json: bool, quick: bool) -> None:
    """Measure the bedside page on this machine, with four real pages in Chromium before a whole unit.

    From the press of START to the device's answer on the wire; from the device's report to the frame that shows it;
    and memory over an hour of virtual time with four readers of the stream. Prints figures beside their limits; exits
    with 1 where one is not kept, with --quick only where a page showed something wrong. About ten minutes; needs
    playwright and chromium.
    """
    if advice := missing():
        raise click.UsageError(advice)
    figures = measure(QUICK if quick else USUAL, lambda text: click.echo(text, err=True))
    if as_json:
        click.echo(json.dumps(figures))
    else:
        for line in describe(figures):
            click.echo(line)
    raise SystemExit(0 if figures["limits"]["right"] and (quick or figures["kept"]) else 1)


def measure(extent: Extent, say: Callable[[str], None]) -> Figures:
    """Return all figures."""
    began, load = time.perf_counter(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="nebctl-bench-") as name:
        say(f"{extent.starts} STARTs held on a page …")
        with PageWard(Path(name) / "starts", extent.starts) as ward:
            starts = [took - pressed for pressed, took in ward.press_starts(extent.starts)]
        say(f"  p99 {_quantile(starts)} ms; four pages for {extent.seconds:g} s …")
        with PageWard(Path(name) / "shown") as ward:
            values = figures_of_values(*ward.watch(extent.seconds))
    say(f"  p99 {values['p99_ms']} ms; four readers for {extent.virtual_s} s of virtual time …")
    hour = measure_hour(extent.virtual_s)
    return sum_up(starts, values, hour) | {
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        "seconds": round(time.perf_counter() - began, 1),
    }


def _quantile(taken: Sequence[float]) -> float:
    return round(sorted(taken)[min(len(taken) - 1, math.ceil(len(taken) * SHARE) - 1)], 1)


def figures_of_values(heard: Heard, pages: Sequence[Sequence[Shown]]) -> Figures:
    """Return how long each report took to every page, and what the pages showed that was wrong.

    A report is shown by the first frame of its on-time or a later one. Wrong is a report that no frame followed, and a
    number that is not the volume of its view.
    """
    waits: list[float] = []
    lost = wrong = frames = 0
    reports = _first_of_each(heard)
    for page in pages:
        frames += len(page)
        wrong += sum(written != f"{(best_nl + 5000) // 10_000 / 100:.2f}" for _, _, best_nl, written in page)
        at = 0
        for reported_ms, on_ms in reports:
            while at < len(page) and page[at][1] < on_ms:
                at += 1
            if at == len(page):
                lost += 1
            else:
                waits.append(max(0.0, page[at][0] - reported_ms))
    return {
        "pages": len(pages),
        "reports": len(reports),
        "frames": frames,
        "p50_ms": round(statistics.median(waits), 1) if waits else None,
        "p99_ms": _quantile(waits) if waits else None,
        "most_ms": round(max(waits), 1) if waits else None,
        "lost": lost,
        "wrong": wrong,
    }


def _first_of_each(heard: Heard) -> list[tuple[float, int]]:
    """Return the reports that said an on-time for the first time."""
    found: list[tuple[float, int]] = []
    for at_ms, on_ms in heard.reports:
        if on_ms > (found[-1][1] if found else 0):
            found.append((at_ms, on_ms))
    return found


def sum_up(starts: Sequence[float], values: Figures, hour: Figures) -> Figures:
    """Return all figures beside their limits."""
    p99 = values["p99_ms"]
    limits = {
        "start": _quantile(starts) <= START_LIMIT_MS,
        "shown": p99 is not None and p99 <= SHOWN_LIMIT_MS,
        "memory": hour["memory_growth"] <= MOST_GROWTH,
        "right": values["lost"] == values["wrong"] == 0 and p99 is not None and min(starts) >= 0,
    }
    return {
        "kept": all(limits.values()),
        "limits": limits,
        "start": {
            "starts": len(starts),
            "p50_ms": round(statistics.median(starts), 1),
            "p99_ms": _quantile(starts),
            "most_ms": round(max(starts), 1),
            "limit_ms": START_LIMIT_MS,
        },
        "shown": values | {"limit_ms": SHOWN_LIMIT_MS},
        "hour": hour | {"growth_limit": MOST_GROWTH},
    }


def describe(figures: Figures) -> Iterator[str]:
    """Yield the figures as lines for a person."""
    start, shown, hour = figures["start"], figures["shown"], figures["hour"]
    marks = {name: "kept" if kept else "NOT KEPT" for name, kept in figures["limits"].items()}
    yield f"START    p99 {start['p99_ms']} ms (most {START_LIMIT_MS:g}): {marks['start']}"
    yield f"         median {start['p50_ms']} ms, worst {start['most_ms']} ms of {start['starts']}"
    yield f"shown    p99 {shown['p99_ms']} ms (most {SHOWN_LIMIT_MS:g}): {marks['shown']}"
    yield f"         median {shown['p50_ms']} ms, worst {shown['most_ms']} ms, {shown['reports']} reports on each page"
    yield f"right    {shown['lost']} reports lost, {shown['wrong']} of {shown['frames']} frames wrong: {marks['right']}"
    yield f"memory   {hour['memory_growth']} of that after a third (most {MOST_GROWTH}): {marks['memory']}"
    yield f"         {hour['memory_third_mb']} and {hour['memory_end_mb']} MiB in {hour['virtual_s']} s of virtual time"
    ends = f"in {figures['seconds']} s, load {figures['load'][0]} to {figures['load'][1]}"
    yield f"{'all limits kept' if figures['kept'] else 'NOT ALL LIMITS KEPT'}, {ends}"
