"""`nebctl bench stop`: how long after a press STOP is on the wire, with the machine loaded and the disk stalled."""

import contextlib
import json
import os
import random
import signal
import statistics
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import click

from nebctl_lab.bench.rates import STOP_SHARE, match_stops
from nebctl_lab.bench.tap import put_between
from nebctl_lab.bench_site import Bench, until
from nebctl_lab.guarded import Guarded
from nebctl_lab.processes import Child

LIMIT_MS = 100.0
PRESSED = ("page", "api", "button")
REST_S = 0.05
CORE_S = 600.0
BURN = "while True: pass"
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured: STOPs in the core, presses by each source, units that are told to end; the load beside."""

    core: int
    presses: int
    signals: int
    loaded: bool = True


USUAL = Extent(core=3000, presses=100, signals=100)
QUICK = Extent(core=20, presses=3, signals=1, loaded=False)
"""Enough to show that every part works; its figures prove nothing."""


@click.command(cls=Guarded, name="stop", epilog="Example: nebctl bench stop --json")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object and print nothing else on stdout.")
@click.option("--presses", type=click.IntRange(1), help="How often each source is pressed; 100 where not said.")
@click.option("--signals", type=click.IntRange(1), help="How many units SIGTERM ends; 100 where not said.")
@click.option("--quick", is_flag=True, help="Try every part in seconds; the figures prove nothing.")
def stop(as_json: bool, presses: int | None, signals: int | None, quick: bool) -> None:
    """Measure STOP from the press to its bytes on the wire, on a whole unit under load.

    Every core is kept busy, each job of the ledger's thread waits half a second, and the log goes to a full pipe. The
    wire's own process notes when STOP came by. Page, API, button and SIGTERM each stop a dose that runs. Prints figures
    beside their limits; exits with 1 where one is not kept, with --quick never. About half an hour.
    """
    extent = QUICK if quick else USUAL
    extent = replace(extent, presses=presses or extent.presses, signals=signals or extent.signals)
    figures = measure(extent, lambda text: click.echo(text, err=True))
    if as_json:
        click.echo(json.dumps(figures))
    else:
        for line in describe(figures):
            click.echo(line)
    raise SystemExit(0 if quick or figures["kept"] else 1)


def measure(extent: Extent, say: Callable[[str], None]) -> Figures:
    """Return all figures."""
    began = time.perf_counter()
    burning = _burning(os.cpu_count() or 1 if extent.loaded else 0)
    subjects = 1 + len(PRESSED) * extent.presses + extent.signals
    with (
        tempfile.TemporaryDirectory(prefix="nebctl-bench-") as name,
        _Table(Path(name), subjects) as table,
        burning,
    ):
        say(f"{extent.core} STOPs in the core …")
        core = table.press_in_core(extent.core)
        say(f"  p99.9 {_ms(core, STOP_SHARE)} ms; {extent.presses} doses each stopped by {', '.join(PRESSED)} …")
        taken = {name: table.press(name, extent.presses) for name in PRESSED}
        worst = ", ".join(f"{name} {_ms(each, 1)} ms" for name, each in taken.items())
        say(f"  at most {worst}; {extent.signals} by SIGTERM …")
        taken["sigterm"] = table.end_units(extent.signals)
    figures = {"core": _figures(core, STOP_SHARE), **{name: _figures(each, 1.0) for name, each in taken.items()}}
    limits = {name: one["ratio"] <= 1 for name, one in figures.items()}
    return {
        "kept": all(limits.values()),
        "limits": limits,
        "limit_ms": LIMIT_MS,
        **figures,
        "seconds": round(time.perf_counter() - began, 1),
    }


def _ms(taken: list[int], share: float) -> float:
    return round(sorted(taken)[min(len(taken) - 1, int(len(taken) * share))] / 1e6, 2)


def _figures(taken: list[int], share: float) -> Figures:
    """Return median, worst and judged figure of STOPs in ns; the judged one is a quantile of `share`."""
    judged = _ms(taken, share)
    return {
        "stops": len(taken),
        "p50_ms": round(statistics.median(taken) / 1e6, 2),
        "judged_ms": judged,
        "most_ms": _ms(taken, 1.0),
        "ratio": round(judged / LIMIT_MS, 3),
    }


def describe(figures: Figures) -> Iterator[str]:
    """Yield the figures as lines for a person."""
    for name in ("core", *PRESSED, "sigterm"):
        one, mark = figures[name], "kept" if figures["limits"][name] else "NOT KEPT"
        what = "p99.9" if name == "core" else "worst"
        yield (
            f"{name:<8} {what} {one['judged_ms']} ms of {figures['limit_ms']:g} ({one['ratio']:.0%}): {mark}; "
            f"median {one['p50_ms']} ms, worst {one['most_ms']} ms of {one['stops']}"
        )
    yield f"{'all limits kept' if figures['kept'] else 'NOT ALL LIMITS KEPT'}, in {figures['seconds']} s"


@contextlib.contextmanager
def _burning(cores: int) -> Iterator[None]:
    """Keep so many cores busy with one process each."""
    with contextlib.ExitStack() as stack:
        for number in range(cores):
            child = Child(f"burner{number}", ("-c", f"print('ready', flush=True)\n{BURN}"), Path(os.devnull)).start()
            stack.callback(child.kill)
        yield


class _Table:
    """A unit behind a wire that notes each STOP: as in a ward, but for its disk and its log."""

    def __init__(self, root: Path, subjects: int) -> None:
        self._bench = Bench(root / "site", subjects=subjects, tcp=True)
        self._lines = root / "lines"
        self._log = root / "stops.bin"
        self._calls = root / "calls.bin"
        self._rounds = 0
        self._chance = random.Random("presses")  # noqa: S311 - when to press is no secret
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "_Table":
        self._stack.callback(self._bench.close)
        self._stack.callback(put_between(self._bench, "nebctl_lab.bench.stop_tap", self._log).kill)
        self._lines.mkdir()
        os.mkfifo(self._lines / "in")
        with self._bench.config.open("a", encoding="utf-8") as file:
            file.write(f'\n[gpio]\nchip = "pipe://{self._lines}"\nstop = 27\n')
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, presses: int = 0) -> None:
        arguments = ("-m", "nebctl_lab.bench.stop_unit", str(self._bench.config), str(self._calls), str(presses))
        self._bench.unit = Child("unit", arguments, self._bench.site.log("unit"))
        self._bench.start_unit()

    def press_in_core(self, presses: int) -> list[int]:
        """Start the unit, and return the ns from each call of STOP in its own loop to the bytes on the wire."""
        self._start(presses)
        until(self._calls.exists, "every STOP is pressed", CORE_S)
        calls = [at for (at,) in struct.iter_unpack("<q", self._calls.read_bytes())]
        return match_stops(calls, self._log)

    def press(self, source: str, presses: int) -> list[int]:
        """Return the ns from each press to the bytes on the wire; each stops a dose that runs."""
        act = self._press_button if source == "button" else self._http(page=source == "page")
        calls = []
        for _ in range(presses):
            self._run_dose()
            calls.append(time.monotonic_ns())
            act()
            self._bench.until_state("residual")
        return match_stops(calls, self._log)

    def end_units(self, signals: int) -> list[int]:
        """Return the ns from each SIGTERM to the bytes on the wire; each ends a unit in mid-dose."""
        taken = []
        for number in range(signals):
            if number:
                self._start()
            self._run_dose()
            called = time.monotonic_ns()
            self._bench.unit.send(signal.SIGTERM)
            until(lambda: self._bench.unit.returncode is not None, "the unit has ended")
            taken += match_stops([called], self._log)
        return taken

    def _run_dose(self) -> None:
        """Start the next subject's dose, and let it run for a moment."""
        self._bench.turn_to_next()
        self._bench.api.post("/api/start", auth=self._bench.make_ready())
        self._bench.until_state("running")
        time.sleep(self._chance.uniform(REST_S, 4 * REST_S))

    def _http(self, *, page: bool) -> Callable[[], None]:
        """Return what asks for STOP; connecting is part of it."""
        host = self._bench.unit.ready.removeprefix("http://")
        token = (self._bench.folder / "api.token").read_text("ascii")
        who = {"origin": f"http://{host}"} if page else {"authorization": f"Bearer {token}"}

        def ask() -> None:
            with contextlib.closing(HTTPConnection(host, timeout=30)) as connection:
                connection.request("POST", "/api/stop", "{}", {**who, "content-type": "application/json"})
                connection.getresponse().read()

        return ask

    def _press_button(self) -> None:
        with (self._lines / "in").open("w", encoding="ascii") as pipe:
            pipe.write("stop down\nstop up\n")
