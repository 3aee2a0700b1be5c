"""`nebctl bench ledger`: what a record costs, as ratios within one run, against the limits that it must keep."""

import asyncio
import json
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from nebctl_lab.bench.ledger_append import measure_apart, measure_appends, measure_held
from nebctl_lab.bench.ledger_bare import connect_card
from nebctl_lab.bench.ledger_fsck import measure_fsck
from nebctl_lab.bench.ledger_start import AT_RECORDS, measure_start
from nebctl_lab.guarded import Guarded

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured: rounds, commits in each, appends that come apart, appends to a slow disk, records of a
    large ledger and of fsck."""

    rounds: int
    commits: int
    apart: int
    slow: int
    records: int
    verified: int


USUAL = Extent(rounds=7, commits=400, apart=200, slow=60, records=AT_RECORDS, verified=100_000)
QUICK = Extent(rounds=1, commits=20, apart=4, slow=4, records=2000, verified=1200)
"""Enough to show that every part works; its figures prove nothing."""


@click.command(cls=Guarded, name="ledger", epilog="Example: nebctl bench ledger --json")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object and print nothing else on stdout.")
@click.option("--quick", is_flag=True, help="Try every part in seconds; the figures prove nothing.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder on the disk to measure; without it the system's folder for temporary files. Takes 1.2 GB.",
)
def ledger(as_json: bool, quick: bool, data: Path | None) -> None:
    """Measure the ledger on this machine: appends, the loop while the disk is slow, the start, and fsck.

    Prints figures beside their limits; exits with 1 where one is not kept, with --quick never. About three minutes.
    """
    figures = measure(QUICK if quick else USUAL, data, lambda text: click.echo(text, err=True))
    if as_json:
        click.echo(json.dumps(figures))
    else:
        for line in describe(figures):
            click.echo(line)
    raise SystemExit(0 if quick or figures["kept"] else 1)


def measure(extent: Extent, data: Path | None, say: Callable[[str], None]) -> Figures:
    """Return all figures, one part after the other, so that none disturbs another."""
    began = time.perf_counter()
    random = secrets.token_bytes
    with tempfile.TemporaryDirectory(prefix="nebctl-bench-", dir=data) as name:
        folder = Path(name)
        say("durable appends against bare commits, through the same kind of thread …")
        appends = asyncio.run(measure_appends(folder, random, extent.rounds, extent.commits))
        say(f"  {appends['single']['per_s']} a second; one by one, here and on a card …")
        apart = asyncio.run(measure_apart(folder, random, extent.apart))
        card = asyncio.run(measure_apart(folder, random, extent.apart, connect_card))
        say(f"  {apart['append_us']} us each, {card['append_us']} us on a card; the event loop on a slow disk …")
        loop = asyncio.run(measure_held(folder, random, extent.slow))
        say(f"  held for {loop['held_ms']} ms at most; the start of a ledger with {extent.records} records …")
        start = measure_start(folder, random, extent.records, min(extent.rounds, 3))
        say(f"  {start['beyond_s']} s beyond reading; fsck of {extent.verified} records on every core …")
        fsck = measure_fsck(folder, extent.verified, min(extent.rounds, 3))
    figures = sum_up(appends, loop, start, fsck) | {"apart": apart, "card": card}
    return figures | {"seconds": round(time.perf_counter() - began, 1)}


def sum_up(appends: dict[str, Figures], loop: Figures, start: Figures, fsck: Figures) -> Figures:
    """Return the figures with a judgement of each."""
    limits = {name: part["ratio"] >= part["ratio_limit"] for name, part in appends.items()}
    limits["loop"] = loop["held_ms"] <= loop["held_limit_ms"]
    limits["start"] = start["beyond_s"] <= start["beyond_limit_s"]
    limits["fsck"] = fsck["ratio"] >= fsck["ratio_limit"]
    return {"kept": all(limits.values()), "limits": limits, **appends, "loop": loop, "start": start, "fsck": fsck}


def describe(figures: Figures) -> Iterator[str]:
    """Yield the figures as lines for a person."""
    marks = {name: "kept" if kept else "NOT KEPT" for name, kept in figures["limits"].items()}
    names = {"single": "append", "batch": "batch of 100", "waiting": "100 waiting"}
    for part, title in names.items():
        found, other = figures[part], "a bare commit" if part == "single" else "the single rate"
        yield f"{title:<13}{found['ratio']} of {other} (least {found['ratio_limit']:g}): {marks[part]}"
        yield f"{'':<13}{found['per_s']} records a second"
        if part == "single":
            yield f"{'':<13}{found['bound']} with two signatures and the same rows alone, the most that can be reached"
    for part, where in (("apart", "this disk"), ("card", "a card of 5 ms")):
        found = figures[part]
        yield f"{'one by one':<13}{found['ratio']} of a bare commit on {where}, {found['append_us']} us each"
    loop, start = figures["loop"], figures["start"]
    yield f"{'loop held':<13}{loop['held_ms']} ms (most {loop['held_limit_ms']:g}): {marks['loop']}"
    yield f"{'':<13}with an fsync of {loop['fsync_ms']:g} ms; {loop['held_idle_ms']} ms without any record"
    yield f"{'start':<13}{start['beyond_s']} s beyond reading (most {start['beyond_limit_s']:g}): {marks['start']}"
    yield f"{'':<13}{start['start_s']} s for {start['records']} records in {start['file_mib']} MiB"
    fsck = figures["fsck"]
    yield f"{'fsck':<13}{fsck['ratio']} of the bare signature check (least {fsck['ratio_limit']:g}): {marks['fsck']}"
    for name, mix in fsck["mixes"].items():
        yield f"{'':<13}{mix['ratio']} where {name} dominate: {mix['fsck_per_s']} records a second"
    yield f"{'':<13}on {fsck['processes']} cores, {fsck['process_rss_mib']} MiB each"
    yield f"{'all limits kept' if figures['kept'] else 'NOT ALL LIMITS KEPT'}, in {figures['seconds']} s"
