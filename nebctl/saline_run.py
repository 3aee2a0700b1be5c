"""A saline run on the device itself: no kit and no subject, but the same care as a dose.

The intent is on disk before the device hears anything (S13), the host beats while the output is on, a maximum on-time
sits in the device, a missing report means STOP, and however it ends the output is proven OFF and the end is recorded.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from nebctl.clock import trusted
from nebctl.core import calibrations
from nebctl.core.calibrations import RunTaken, Share, Subject
from nebctl.core.device import CommandFailed, DeviceReport, EndCause, Identity, Output
from nebctl.core.device_memory import Remembered, RunsKnown, question
from nebctl.core.dose import saline
from nebctl.core.dose.aerosol import aerosol_span, weight_loss
from nebctl.core.dose.calibration import By
from nebctl.core.dose.saline import Finding, Known, Measured
from nebctl.core.instant import NS_PER_MS
from nebctl.core.ledger.records import Draft, Entry
from nebctl.core.session import Rules
from nebctl.core.units import NL_PER_ML
from nebctl.ports import Clock, EntryStore, Nebulizer
from nebctl.watch import BEAT_S, MEMORY_ASKED, OVERDUE_S, Contained, ask_last_run

MESH_LEAST_NL_PER_S = 3_333
"""0.2 mL/min: a mesh below it is to be replaced. Source: the flow check of the Aerogen manuals, as commonly quoted."""
SLOWEST_SHARE = 5
"""A device that is slower than its class by this factor is implausible, so no run takes longer than at that rate."""
SPARE_MS = 30_000


class RunFault(Exception):  # noqa: N818 - a fault is of the world, not of the program
    """Why a saline run could not be made or was broken off, in one sentence for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be measured: `runs` runs of `volume_nl` each, on the mesh that the unit's file names.

    `model` is the class of the driver; `residue_nl` is what somebody found in the cup after a run, None where nobody
    looked; `simulated` says what kind of unit this is.
    """

    operator: str
    model: str
    mesh: str = ""
    by: By = By.TIME
    volume_nl: int = 500_000
    runs: int = 3
    residue_nl: int | None = None
    share: Share | None = None
    simulated: bool = False
    poll_s: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run stands: its number of all, the seconds that the output has been on, and whether aerosol is made."""

    number: int
    of: int
    on_ms: int
    output: Output


class Attendant(Protocol):
    """Who stands by: fills the cup, is told, and may say that aerosol has ceased."""

    async def fill(self, number: int, plan: Plan) -> None:
        """Return once the cup holds the volume of this run and nobody breathes from the device."""
        ...

    async def ceased(self) -> None:
        """Return once the person sees that aerosol has ceased; never, where the device says so by itself."""
        ...

    def tell(self, progress: Progress) -> None:
        """Show where the run stands."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a saline run works on.

    `asked` is set when the unit is asked to end; `run_id` returns 8 fresh hex digits; `runs` is what the log says of
    runs.
    """

    nebulizer: Nebulizer
    store: EntryStore
    clock: Clock
    rules: Rules
    run_id: Callable[[], str]
    runs: RunsKnown
    asked: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """A finished calibration: its record, and why it is not accepted; None where it is."""

    entry: Entry
    measured: Measured | None
    finding: Finding | None


async def calibrate(bench: Bench, plan: Plan, attendant: Attendant) -> Calibrated:
    """Make the runs, and record what they say; the device is OFF and closed afterwards.

    Raises: `RunFault` before the first run where device or clock are not fit for one; what the store raises.
    """
    if bench.rules.model.dries and (plan.by is By.TIME or plan.share is None):
        raise RunFault(
            "A jet is calibrated by balance, with a measured aerosol share f: 0.5 mL never leave its cup, and loss of "
            "weight alone is not aerosol. Give --by balance and --f, --f-sigma and --f-source."
        )
    device = Contained(bench.nebulizer)
    try:
        identity = await _prove(bench, device, plan)
        subject = Subject(device=identity, model=plan.model, mesh=plan.mesh)
        taken: list[RunTaken] = []
        finding: Finding | None = None
        for number in range(1, plan.runs + 1):
            run, finding = await _take(bench, device, plan, subject, number, attendant)
            taken += [run] if run else []
            if finding is not None:
                break
        return await _record(bench, plan, subject, tuple(taken), finding)
    finally:
        await device.close()


async def _prove(bench: Bench, device: Contained, plan: Plan) -> Identity:
    """Greet the device and try its stop path, as the self-test before a dose does (S30)."""
    if not trusted(bench.clock.instant().clock):
        raise RunFault("The clock is not trusted, and a calibration's age counts. Synchronise the clock first.")
    identity = await device.open()
    if isinstance(identity, CommandFailed):
        raise RunFault(identity.sentence())
    if identity.simulated != plan.simulated:
        told = "a simulator" if identity.simulated else "a real device"
        raise RunFault(f"{identity.serial} is {told}; a unit is calibrated on a device of its own kind alone.")
    off = await device.stop()
    if isinstance(off, CommandFailed):
        raise RunFault(f"The stop path does not work. {off.sentence()}")
    await _note_memory(bench, device, identity)
    return identity


async def _note_memory(bench: Bench, device: Contained, identity: Identity) -> None:
    """Record a run that no record names before the device forgets it over the first saline run; a dose then asks."""
    told = await ask_last_run(device, MEMORY_ASKED)
    asked = question(bench.runs, Remembered(device=identity.serial, last=told))
    if asked is not None and asked.incident is not None:
        await bench.store.append((asked.incident,), bench.clock.instant())


async def _take(
    bench: Bench, device: Contained, plan: Plan, subject: Subject, number: int, attendant: Attendant
) -> tuple[RunTaken | None, Finding | None]:
    """Make one run; None with the finding where it was broken off."""
    if not await _unless_asked(bench, attendant.fill(number, plan)):
        return None, _STOPPED
    run, most_ms = bench.run_id(), max_on_ms(bench.rules, plan, subject.device)
    intent = calibrations.begun(
        subject,
        plan.by,
        run=run,
        number=number,
        volume_nl=plan.volume_nl,
        max_on_ms=most_ms,
        operator=plan.operator,
    )
    entry = (await bench.store.append((intent,), bench.clock.instant()))[0]
    reports, finding = await _Following(bench, device, plan, number, attendant).drive(run, most_ms)
    measured = _measured(plan, reports)
    last = reports[-1] if reports else None
    taken = RunTaken(
        run=run,
        begun_seq=entry.seq,
        filled_nl=plan.volume_nl,
        on_ms=last.on_ms if last else 0,
        end=last.end.value if last else EndCause.NONE.value,
        measured=measured,
    )
    return taken, finding or saline.refuse_run(measured)


def _measured(plan: Plan, reports: tuple[DeviceReport, ...]) -> saline.Run:
    """Return what the readings measured; without a weight, by balance, nothing has left."""
    span = aerosol_span(reports)
    if plan.by is By.BALANCE:
        loss = weight_loss(reports)
        return saline.Run(
            volume_nl=loss.ug * NL_PER_ML // saline.DENSITY_UG_PER_ML,
            aerosol_ms=loss.ms,
            sigma_ms=max(1, loss.sigma_ms),
            temp_mc=span.temp_mc,
        )
    return saline.Run(
        volume_nl=plan.volume_nl, aerosol_ms=span.ms, sigma_ms=max(1, span.sigma_ms), temp_mc=span.temp_mc
    )


def max_on_ms(rules: Rules, plan: Plan, device: Identity) -> int:
    """Return how long one run may last at most: as the slowest plausible device takes, and site and device allow."""
    slowest_ms = plan.volume_nl * 1000 * SLOWEST_SHARE // rules.model.rate_nl_per_s + SPARE_MS
    return min(slowest_ms, rules.max_on_ms, device.max_on_ms)


class _Following:
    """One run under way: started, beaten, read to its end, and off whatever happens."""

    def __init__(self, bench: Bench, device: Contained, plan: Plan, number: int, attendant: Attendant) -> None:
        self._bench, self._device, self._plan = bench, device, plan
        self._number, self._attendant = number, attendant
        self._reports: list[DeviceReport] = []

    async def drive(self, run: str, most_ms: int) -> tuple[tuple[DeviceReport, ...], Finding | None]:
        """Run the device and return its readings, and why they are no measurement."""
        ceased = asyncio.ensure_future(self._attendant.ceased())
        try:
            began = await self._device.start(run, most_ms)
            if isinstance(began, CommandFailed):
                return (), Finding(code="start-failed", sentence=began.sentence())
            self._take(began)
            return await self._follow(ceased)
        finally:
            ceased.cancel()
            await asyncio.shield(self._end())

    async def _follow(self, ceased: "asyncio.Future[None]") -> tuple[tuple[DeviceReport, ...], Finding | None]:
        loop = asyncio.get_running_loop()
        heard_s = beaten_s = loop.time()
        asked = asyncio.ensure_future(self._bench.asked.wait())
        try:
            while True:
                waiting: tuple[asyncio.Future[Any], ...] = (asked, ceased)
                await asyncio.wait(waiting, timeout=self._plan.poll_s, return_when=asyncio.FIRST_COMPLETED)
                if asked.done() or ceased.done():
                    return await self._stop(by_person=not asked.done())
                if loop.time() - beaten_s >= BEAT_S:
                    beaten_s = loop.time()
                    await self._device.beat()
                report = await self._device.status()
                if isinstance(report, DeviceReport):
                    heard_s = loop.time()
                    self._take(report)
                    if report.output is Output.OFF:
                        return tuple(self._reports), _end_finding(report)
                elif loop.time() - heard_s > OVERDUE_S:
                    return tuple(self._reports), Finding(code="no-report", sentence=report.sentence())
        finally:
            asked.cancel()

    async def _stop(self, *, by_person: bool) -> tuple[tuple[DeviceReport, ...], Finding | None]:
        off = await self._device.stop()
        if isinstance(off, CommandFailed):
            return tuple(self._reports), Finding(code="cannot-stop", sentence=off.sentence())
        self._reports.append(off)
        return tuple(self._reports), None if by_person else _STOPPED

    def _take(self, report: DeviceReport) -> None:
        self._reports.append(report)
        self._attendant.tell(
            Progress(number=self._number, of=self._plan.runs, on_ms=report.on_ms, output=report.output)
        )

    async def _end(self) -> None:
        if not self._reports or self._reports[-1].output is not Output.OFF:
            await self._device.stop()


_STOPPED = Finding(code="stopped", sentence="The run was stopped before its end. Nothing was measured.")


def _end_finding(report: DeviceReport) -> Finding | None:
    """Return why a run that the device ended is no measurement: only a dry cup ends one."""
    if report.end is EndCause.DRY:
        return None
    return Finding(
        code=f"ended-{report.end.value}",
        sentence=f"The device ended the run by itself ({report.end.value}), expected it to run dry. Repeat the run.",
    )


async def _unless_asked(bench: Bench, wait: Coroutine[object, object, None]) -> bool:
    """Wait for a person, unless the unit is asked to end; return whether the person was there first."""
    asked = asyncio.ensure_future(bench.asked.wait())
    person = asyncio.ensure_future(wait)
    try:
        await asyncio.wait({asked, person}, return_when=asyncio.FIRST_COMPLETED)
        if person.done():
            person.result()
        return not asked.done()
    finally:
        asked.cancel()
        person.cancel()
        await asyncio.gather(person, return_exceptions=True)


async def _record(
    bench: Bench, plan: Plan, subject: Subject, taken: tuple[RunTaken, ...], finding: Finding | None
) -> Calibrated:
    known = Known(by=plan.by, residue_nl=plan.residue_nl)
    if plan.share is not None:
        known = replace(known, share_ppm=plan.share.ppm, share_sigma_ppm=plan.share.sigma_ppm)
    measured = saline.measure([run.measured for run in taken], known) if taken and finding is None else None
    if measured is not None:
        model = bench.rules.model
        least = None if model.dries else MESH_LEAST_NL_PER_S
        finding = saline.judge(measured, model.rate_nl_per_s, least)
    now = bench.clock.instant()
    until_ns = now.wall_ns + bench.rules.site.calibration_max_ns
    draft: Draft = calibrations.ended(
        subject,
        plan.by,
        taken,
        measured,
        finding,
        valid_until_ns=until_ns - until_ns % NS_PER_MS,
        operator=plan.operator,
        residue_nl=plan.residue_nl,
        share=plan.share,
    )
    entry = (await bench.store.append((draft,), now))[0]
    return Calibrated(entry=entry, measured=measured, finding=finding)
