"""The saline run at a terminal: what to do, how far it is, and what came of it."""

import asyncio
import contextlib
import json
import queue
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nebctl.config import LoadedConfig
    from nebctl.core.calibrations import Share
    from nebctl.core.ledger.records import Json
    from nebctl.saline_run import Calibrated, Plan, Progress

INTERRUPTED = 130
PART_NAMES = {
    "filling": "the volume that was filled",
    "residue": "what stays in the cup",
    "temperature": "temperature",
    "timing": "beginning and end of aerosol",
    "repeatability": "from run to run",
    "share": "aerosol's share of the loss",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The options as given; None where one was left out."""

    operator: str | None
    volume_ul: int
    runs: int
    by: str
    left_ul: int | None
    f_share: float | None
    f_sigma: float | None
    f_source: str | None
    as_json: bool


def guide(config: Path, wishes: Wishes) -> None:
    """Guide the runs and end with the exit code."""
    from nebctl.config import load_config
    from nebctl.saline_run import RunFault
    from nebctl.store.faults import StoreFault
    from nebctl.unit import StartFault

    loaded = load_config(config)
    if isinstance(loaded, tuple):
        raise click.UsageError("\n".join(map(str, loaded)))
    share = _share(wishes)
    operator = wishes.operator or click.prompt("Badge code of who calibrates", err=True)
    if not operator.strip():
        raise click.UsageError("--operator: a badge code is missing, write such as RT-07")
    try:
        done, serial = asyncio.run(_calibrate(loaded, wishes, operator.strip(), share))
    except (StartFault, RunFault, StoreFault) as fault:
        click.echo(f"nebctl: {fault}", err=True)
        raise SystemExit(2 if isinstance(fault, StartFault) and fault.wrong_call else 1) from None
    click.echo(json.dumps(_as_json(done)) if wishes.as_json else "\n".join(_lines(done, serial)))
    if done.finding is not None:
        raise SystemExit(INTERRUPTED if done.finding.code == "stopped" else 1)


def _share(wishes: Wishes) -> "Share | None":
    from nebctl.core.calibrations import Share

    given = (wishes.f_share, wishes.f_sigma, wishes.f_source)
    if given == (None, None, None):
        return None
    if wishes.f_share is None or wishes.f_sigma is None or not (wishes.f_source or "").strip():
        raise click.UsageError(
            "--f, --f-sigma and --f-source go together: a share without its source is no measurement"
        )
    ppm, sigma = round(wishes.f_share * 1_000_000), round(wishes.f_sigma * 1_000_000)
    return Share(ppm=ppm, sigma_ppm=sigma, source=str(wishes.f_source).strip())


async def _calibrate(
    loaded: "LoadedConfig", wishes: Wishes, operator: str, share: "Share | None"
) -> tuple["Calibrated", str]:
    import secrets

    from nebctl.core.dose.calibration import By
    from nebctl.daemon import open_parts
    from nebctl.saline_run import Bench, Plan, calibrate
    from nebctl.unit import ask_to_end

    opened = await open_parts(loaded, reason="calibrate")
    try:
        plan = Plan(
            operator=operator,
            model=opened.rules.model.name,
            mesh=opened.rules.mesh,
            by=By(wishes.by),
            volume_nl=wishes.volume_ul * 1000,
            runs=wishes.runs,
            residue_nl=None if wishes.left_ul is None else wishes.left_ul * 1000,
            share=share,
            simulated=loaded.config.unit.simulated,
            poll_s=min(0.2, loaded.config.device.poll / 1e9),
        )
        bench = Bench(
            nebulizer=opened.nebulizer,
            store=opened.ledger,
            clock=opened.clock,
            rules=opened.rules,
            run_id=lambda: secrets.token_hex(4),
            runs=opened.history.runs,
            asked=ask_to_end(),
        )
        done = await calibrate(bench, plan, _Terminal())
    finally:
        await opened.ledger.close()
    device = done.entry.payload["device"]
    return done, str(device["serial"]) if isinstance(device, dict) else ""


class _Terminal:
    """A person at a terminal, or a script that writes a line for each run."""

    def __init__(self) -> None:
        self._keys = _Keys()
        self._shows = sys.stderr.isatty()

    async def fill(self, number: int, plan: "Plan") -> None:
        """Say what to do, and wait for Enter."""
        volume = f"{plan.volume_nl / 1_000_000:g} mL"
        click.echo(
            f"Run {number} of {plan.runs}: dry the cup, put {volume} of 0.9 % saline of room temperature into it, and "
            "make sure that nobody breathes from the device. Press Enter to start.",
            err=True,
        )
        await self._keys.line()

    async def ceased(self) -> None:
        """Wait for Enter at a terminal; a script's next line belongs to the next run."""
        if not sys.stdin.isatty():
            await asyncio.Event().wait()
        await self._keys.line()

    def tell(self, progress: "Progress") -> None:
        """Show the seconds on one line of a terminal."""
        if self._shows:
            doing = {"sweep": "looks for resonance", "running": "aerosol", "off": "off"}[progress.output.value]
            end = "\n" if progress.output.value == "off" else ""
            click.echo(
                f"\r\x1b[KRun {progress.number} of {progress.of}  {progress.on_ms / 1000:6.1f} s  {doing}",
                err=True,
                nl=False,
            )
            click.echo(end, err=True, nl=False)


class _Keys:
    """Lines of standard input, read in a thread: a file, a pipe and a terminal are all waited for alike."""

    def __init__(self) -> None:
        self._asked: queue.Queue[tuple[asyncio.AbstractEventLoop, asyncio.Future[bool]]] = queue.Queue()
        self._begun = False
        self._waiting: asyncio.Future[bool] | None = None

    async def line(self) -> None:
        """Wait for the next line; one that was asked for before and never came is waited for again.

        Raises: `RunFault` where standard input has ended.
        """
        from nebctl.saline_run import RunFault

        loop = asyncio.get_running_loop()
        if not self._begun:
            self._begun = True
            threading.Thread(target=self._read, daemon=True).start()
        if self._waiting is None:
            self._waiting = loop.create_future()
            self._asked.put((loop, self._waiting))
        there = await asyncio.shield(self._waiting)
        self._waiting = None
        if not there:
            raise RunFault("Standard input has ended before Enter: give one line for each run. The output is off.")

    def _read(self) -> None:
        while True:
            loop, future = self._asked.get()
            there = bool(sys.stdin.readline())
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(_answer, future, there)


def _answer(future: "asyncio.Future[bool]", there: bool) -> None:
    if not future.done():
        future.set_result(there)


def _as_json(done: "Calibrated") -> "Json":
    facts: tuple[str, ...] = (
        *("device", "model", "mesh", "method", "runs", "rate_nl_per_s", "sigma_nl_per_s", "spread_ppm", "parts_ppm"),
        *("residue_nl", "f_ppm", "f_sigma_ppm", "accepted", "finding", "sentence", "valid_until"),
    )
    return {"seq": done.entry.seq, **{name: done.entry.payload[name] for name in facts}}


def _lines(done: "Calibrated", serial: str) -> list[str]:
    lines, measured = [], done.measured
    if measured is not None:
        rate, sigma = measured.rate_nl_per_s, measured.sigma_nl_per_s
        runs = ", ".join(f"{each * 60 / 1e6:.3f}" for each in measured.rates_nl_per_s)
        lines += [
            f"{serial}: {rate * 60 / 1e6:.3f} mL/min, standard uncertainty {sigma / rate:.1%}; runs {runs} mL/min",
            *(f"  {share / 10_000:4.1f} %  {PART_NAMES[name]}" for name, share in measured.parts_ppm),
        ]
    if done.finding is None:
        until = str(done.entry.payload["valid_until"])[:10]
        lines.append(f"accepted: record {done.entry.seq}, used from the unit's next start until {until}")
    else:
        lines.append(f"not accepted ({done.finding.code}): {done.finding.sentence} Record {done.entry.seq} says so.")
    return lines
