"""A whole site in virtual time: what can be done to its machines, wires and clocks, and what can be read off it."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from nebctl.core.instant import NS_PER_S
from nebctl.core.ledger.head import origin as head_origin
from nebctl.pharmacy import database, log
from nebctl.pharmacy.books import Books
from nebctl.pharmacy.run import bookkeeping
from nebctl.pharmacy.show import CourseSheet, course_of
from nebctl.store.prove import read, reveal
from nebctl.store.reader import LedgerFile
from nebctl_lab.demo.site import SITE
from nebctl_lab.system.broker import Broker
from nebctl_lab.system.cable import Cable
from nebctl_lab.system.devices import (
    BALANCE_PORT,
    CUT_OFF_PORT,
    DEVICES,
    OFF,
    TICK_S,
    Built,
    Kind,
    Standing,
    cut_off,
    stand_on_balance,
)
from nebctl_lab.system.furnish import enrol, furnish
from nebctl_lab.system.hands import Hands
from nebctl_lab.system.host import PharmacyHost, SiteFault, UnitHost, read_config
from nebctl_lab.system.plan import SitePlan, UnitPlan
from nebctl_lab.system.saline import calibrate_before, fillings
from nebctl_lab.system.time import HostClock, SiteTime
from nebctl_lab.virtual import VirtualLoop
from nebctl_simulators.control import Device
from nebctl_simulators.faults import parse_fault
from nebctl_simulators.serve import Truth
from nebctl_simulators.shim import ANY, Injection, Terms

__all__ = ["SiteFault", "VirtualSite"]

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
SETTLE_S = 60.0
LAST_S = 1.0
"""What of a skipped time is lived through, so that everybody looks at the clock."""


class VirtualSite(Hands):
    """The site while the body of `async with` runs, on a `VirtualLoop` and on it alone.

    `root` is an empty folder for its disks; None means one in memory where there is that, removed at the end. The body
    begins when every unit has found its device and has its worklist.
    """

    def __init__(self, plan: SitePlan | None = None, root: Path | None = None) -> None:
        super().__init__(plan or SitePlan())
        self._given_root = root
        self.balances: dict[str, Standing] = {}
        self.cut_offs: dict[str, Standing] = {}
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Furnish the site and switch everything on."""
        if not isinstance(asyncio.get_running_loop(), VirtualLoop):
            raise TypeError("a virtual site needs a VirtualLoop: run it with nebctl_lab.virtual.run_virtual")
        try:
            await self._switch_on()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Switch everything off in order."""
        await self._stack.aclose()

    async def _switch_on(self) -> None:
        self.root = self._given_root or self._make_root()
        self.time = SiteTime(self.plan.begins)
        self.broker = Broker()
        furnish(self.root, self.plan)
        self.pharmacy = PharmacyHost(self.root, self.plan.seed, self._clock("pharmacy"), self.broker)
        with self.books() as books:
            enrol(self.root, self.plan, books)
        await self.pharmacy.start()
        self._stack.push_async_callback(self.pharmacy.stop)
        for unit in self.plan.units:
            await self._add(unit)
        await self.until(self._settled, "devices and worklists at every unit", SETTLE_S)

    def _make_root(self) -> Path:
        root = Path(tempfile.mkdtemp(prefix="nebctl-site-", dir=MEMORY if MEMORY.is_dir() else None))
        self._stack.callback(shutil.rmtree, root, ignore_errors=True)
        return root

    def _clock(self, host: str) -> HostClock:
        return HostClock(self.time, self.plan.seed, host)

    async def _add(self, unit: UnitPlan) -> None:
        kind, place = DEVICES[unit.device], len(self.standings) + 1
        cables = {kind.port: Cable(f"cable of {unit.name}")}
        built = Built(
            preset=unit.preset or kind.preset,
            seed=self.plan.seed * 1000 + place if unit.device_seed is None else unit.device_seed,
            serial=f"SIM-{place:04d}",
            time=self.time,
        )
        folder = self.root / "units" / unit.name
        if unit.calibrated and not kind.is_jet and not unit.cut_off:
            self._calibrate(folder, kind, built)
        standing = Standing(kind.build(built), cables[kind.port], self.time)
        self._switch_on_device(standing)
        if unit.cut_off:
            self._cut_off(unit.name, standing, cables, built)
        if unit.balance:
            self._put_balance_under(unit.name, standing, cables, built)
        host = UnitHost(folder, self.plan.seed, self._clock(unit.name), self.broker, cables)
        self.standings[unit.name], self.hosts[unit.name] = standing, host
        await host.start()
        self._stack.push_async_callback(self._end, host)

    def _put_balance_under(self, unit: str, standing: Standing, cables: dict[str, Cable], built: Built) -> None:
        cable = cables[BALANCE_PORT] = Cable(f"cable of the balance of {unit}")
        balance = stand_on_balance(standing, cable, self.time, seed=built.seed, serial=f"SIM-{len(cables) + 500:04d}")
        self.balances[unit] = balance
        self._switch_on_device(balance)

    def _cut_off(self, unit: str, standing: Standing, cables: dict[str, Cable], built: Built) -> None:
        cable = cables[CUT_OFF_PORT] = Cable(f"cable of the cut-off of {unit}")
        self.cut_offs[unit] = cut_off(standing, cable, self.time, seed=built.seed, serial=f"{built.serial}-R")
        self._switch_on_device(self.cut_offs[unit])

    def _switch_on_device(self, standing: Standing) -> None:
        standing.tick()
        keeping = asyncio.create_task(self._keep(standing))
        self._stack.callback(keeping.cancel)

    def _calibrate(self, folder: Path, kind: Kind, built: Built) -> None:
        """Let a unit's device have had its saline runs on the evening before."""
        calibrate_before(
            read_config(folder / "unit.toml"),
            lambda time: kind.build(replace(built, time=time, fillings=fillings(built.seed))),
            seed=self.plan.seed,
            begins=self.plan.begins,
            same=repr((built.preset, built.seed, built.serial)),
        )

    async def _keep(self, standing: Standing) -> None:
        while True:
            standing.tick()
            await asyncio.sleep(TICK_S)

    async def _end(self, host: UnitHost) -> None:
        host.thaw()
        if host.is_on:
            await host.stop()

    def _settled(self) -> bool:
        return all(
            host.runner.witnessed.device is not None and (host.folder / "worklist.note").exists()
            for host in self.hosts.values()
        )

    # Time.

    @property
    def seconds(self) -> float:
        """Return the seconds since the site began."""
        return self.time.ns() / NS_PER_S

    @property
    def now(self) -> datetime:
        """Return the true time."""
        return self.time.now()

    async def advance(self, seconds: float) -> None:
        """Let everything live for so long."""
        await asyncio.sleep(seconds)

    async def skip(self, seconds: float) -> None:
        """Jump over a night or more: clocks and plants move at once, and nobody polls in between.

        Raises: `ValueError` while an output is on: what happens then must be lived through.
        """
        running = [name for name, standing in self.standings.items() if standing.truth().output != OFF]
        if running:
            raise ValueError(f"{', '.join(running)} runs: use advance while an output is on")
        self.note(f"skip {seconds:g} s")
        self.time.skip(round(max(0.0, seconds - LAST_S) * NS_PER_S))
        await self.advance(min(seconds, LAST_S))

    async def skip_to(self, moment: datetime) -> None:
        """Jump to a moment of true time; one that has passed is no jump at all."""
        left_s = (moment - self.now).total_seconds()
        if left_s > 0:
            await self.skip(left_s)

    def step_clock(self, seconds: float, unit: str = "") -> None:
        """Step the wall clock of a unit; its monotonic clock goes on."""
        self.note(f"{self.named(unit)}: its clock steps by {seconds:g} s")
        self.hosts[self.named(unit)].clock.step_ns += round(seconds * NS_PER_S)

    def trust_clock(self, good: bool, unit: str = "") -> None:
        """Let NTP hold a unit's clock, or lose it."""
        self.hosts[self.named(unit)].clock.sync = good

    # Machines.

    async def crash(self, unit: str = "") -> None:
        """Let a unit's computer lose its power, without a word to anybody."""
        self.note(f"{self.named(unit)}: the host dies")
        await self.hosts[self.named(unit)].die()

    async def start_unit(self, unit: str = "") -> None:
        """Switch a unit's computer on again."""
        host = self.hosts[self.named(unit)]
        host.clock.boot()
        self.note(f"{self.named(unit)}: the host starts")
        await host.start()

    async def stop_unit(self, unit: str = "") -> None:
        """End a unit's daemon in order, as SIGTERM does."""
        self.note(f"{self.named(unit)}: the host is shut down")
        await self.hosts[self.named(unit)].stop()

    async def power_cut(self, seconds: float = 5.0, unit: str = "", *, device: bool = True) -> None:
        """Cut the power of a unit's computer, and with `device` of its device; so many seconds later it is back."""
        if device:
            self.switch_device(on=False, unit=unit)
        await self.crash(unit)
        await self.advance(seconds)
        if device:
            self.switch_device(on=True, unit=unit)
        await self.start_unit(unit)

    async def hang_host(self, seconds: float, unit: str = "") -> None:
        """Let nothing run on a unit's computer for so long, while devices, broker and pharmacy live on."""
        self.note(f"{self.named(unit)}: the host hangs for {seconds:g} s")
        host = self.hosts[self.named(unit)]
        host.freeze()
        await self.advance(seconds)
        host.thaw()

    def broker_down(self) -> None:
        """Take the broker away, with all that it retained."""
        self.note("the broker goes down")
        self.broker.go_down()

    def broker_up(self) -> None:
        """Bring the broker back."""
        self.note("the broker comes up")
        self.broker.come_up()

    # Devices and cables.

    def device(self, unit: str = "") -> Device:
        """Return the simulated device, brought up to the present."""
        standing = self.standings[self.named(unit)]
        standing.truth()
        return standing.device

    def truth(self, unit: str = "") -> Truth:
        """Return what is really so at a device now."""
        return self.standings[self.named(unit)].truth()

    def unplug(self, unit: str = "") -> None:
        """Pull the cable between unit and device."""
        self.note(f"{self.named(unit)}: unplugged")
        self.standings[self.named(unit)].cable.pull()

    def plug(self, unit: str = "") -> None:
        """Put the cable in again."""
        self.note(f"{self.named(unit)}: plugged in")
        self.standings[self.named(unit)].cable.lay()

    def switch_device(self, on: bool, unit: str = "") -> None:
        """Cut or give the power of a device."""
        self.note(f"{self.named(unit)}: device power {'on' if on else 'off'}")
        standing = self.standings[self.named(unit)]
        standing.device.switch_power(on, self.time.live_ns())
        standing.tick()

    def inject(self, unit: str, fault: str, count: int = 1, ms: int | None = None, terms: Terms = ANY) -> None:
        """Arm a fault of a device by its name, or as the text that `nebctl sim … --fault` takes.

        Raises: `ValueError` for a fault that it does not have.
        """
        standing = self.standings[self.named(unit)]
        if ":" in fault:
            parse_fault(fault).arm(standing.device, self.time.live_ns())
        else:
            standing.device.inject(fault, count, ms, self.time.live_ns(), terms)
        self.note(f"{self.named(unit)}: fault {fault}")
        standing.tick()

    def clear(self, unit: str = "") -> None:
        """End every fault of a device."""
        standing = self.standings[self.named(unit)]
        standing.device.clear(self.time.live_ns())
        standing.tick()

    def injections(self, unit: str = "") -> list[Injection]:
        """Return the faults of a device's line as they happened, oldest first."""
        return self.standings[self.named(unit)].device.injections()

    # Reading.

    def alarms(self, unit: str = "") -> tuple[str, ...]:
        """Return the alarms that stand at a unit, in the order in which they were raised."""
        return tuple(condition.value for condition in self.hosts[self.named(unit)].runner.alarms)

    def records(self, *types: str, unit: str = "") -> list[dict[str, Any]]:
        """Return a unit's records of these types (none: of all), private facts among them, oldest first."""
        with self._ledger(unit) as file:
            whole = [{**entry.payload, **reveal(entry)} for _, entry in read(file)]
        return [record for record in whole if not types or record["typ"] in types]

    def raw_records(self, unit: str = "") -> tuple[str, ...]:
        """Return a unit's records as they are signed, byte for byte, each with its disclosures."""
        with self._ledger(unit) as file:
            return tuple("~".join((entry.jws, *entry.disclosures)) for _, entry in read(file))

    def head(self, unit: str = "") -> str:
        """Return the signed head over a unit's records."""
        with self._ledger(unit) as file:
            heads = [file.head(name, head_origin(SITE, self.named(unit), name.epoch)) for name in file.logs()]
        return next((found.note for found in reversed(heads) if found is not None), "")

    def waiting(self, unit: str = "") -> int:
        """Return how many of a unit's records the pharmacy has not countersigned."""
        with self._ledger(unit) as file:
            return sum(
                len(list(file.rows(name))) - max((receipt.size for receipt in file.receipts(name)), default=0)
                for name in file.logs()
            )

    def pharmacy_records(self) -> tuple[str, ...]:
        """Return the records of the pharmacy's own log as they are signed, each with its disclosures."""
        own = log.entries(log.beside(self.pharmacy.config.database))
        return tuple("~".join((entry.jws, *entry.disclosures)) for entry in own)

    def course(self, subject: str = "") -> CourseSheet | None:
        """Return a subject's course as the pharmacy computes it from the records; None for somebody unknown."""
        own = log.entries(log.beside(self.pharmacy.config.database))
        with database.reading(self.pharmacy.config.database) as db:
            return course_of(db, self.subject(subject).name, own)

    @contextlib.contextmanager
    def books(self) -> Iterator[Books]:
        """Open the pharmacy's books for one change, at the site's present time."""
        config = self.pharmacy.config
        with database.beside(config.database) as db:
            yield bookkeeping(config, self.pharmacy.edge)(db, self.pharmacy.clock.instant())

    @contextlib.contextmanager
    def _ledger(self, unit: str) -> Iterator[LedgerFile]:
        with LedgerFile.open(self.hosts[self.named(unit)].folder / "unit.db") as file:
            yield file
