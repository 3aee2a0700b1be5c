"""The evening before: a unit's mesh is calibrated with saline, by the unit's own driver and into its own ledger."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from nebctl.config import LoadedConfig
from nebctl.core.device_memory import followed
from nebctl.daemon import open_parts
from nebctl.saline_run import Bench, Plan, Progress, calibrate
from nebctl.unit import Edge
from nebctl_lab.demo.site import THERAPIST
from nebctl_lab.system.cable import Cable
from nebctl_lab.system.chance import stream
from nebctl_lab.system.devices import DEVICES, TICK_S, Built, Standing
from nebctl_lab.system.host import read_config
from nebctl_lab.system.inline import Inline
from nebctl_lab.system.time import HostClock, SiteTime
from nebctl_lab.virtual import run_virtual
from nebctl_simulators.control import Device

EVENING = timedelta(hours=14)
"""How long before the site begins; its first morning is at nine, so this is at seven in the evening."""
TRIES = 8
"""How often the runs are repeated where they are refused; a preset that stops early spoils many."""
_done: dict[bytes, bytes] = {}
"""Ledgers of sites that are alike in everything: many tests build the same one."""


class SimulatedHands:
    """Fills a simulated cup with exactly what a run wants, and never says that aerosol has ceased."""

    def __init__(self, fill: Callable[[int], None]) -> None:
        self._fill = fill

    async def fill(self, number: int, plan: Plan) -> None:  # noqa: ARG002 - the port's own name
        """Pour into the cup, from which what stayed before is drawn."""
        self._fill(plan.volume_nl)

    async def ceased(self) -> None:
        """Wait for ever: the device runs dry."""
        await asyncio.Event().wait()

    def tell(self, progress: Progress) -> None:
        """Show nothing."""


def calibrate_before(
    loaded: LoadedConfig, build: Callable[[SiteTime], Device], *, seed: int, begins: datetime, same: str | None = None
) -> None:
    """Put the signed records of real saline runs into a unit's ledger, which is not open yet.

    `build` returns a device of the same make on a time of its own. Its fillings must have chance of their own
    (`fillings`): what the runs say of the mesh is what they measured, and no dose repeats one of them. `same` names
    what is alike in keys, files and device, so that its ledger is the same; None means nothing is.
    """
    data = loaded.path(loaded.config.unit.data) / "unit.db"
    key = repr((same, seed, begins, loaded.sha256)).encode() + _study(loaded)
    if same is not None and key in _done:
        data.write_bytes(_done[key])
        return
    with ThreadPoolExecutor(1) as elsewhere:  # a loop of its own: no time passes at the site
        elsewhere.submit(run_virtual, _calibrate(loaded, build, seed, begins)).result()
    if same is not None:
        _done[key] = data.read_bytes()


def calibrate_bedside(unit: Path, device: str, *, seed: int, serial: str, begins: datetime) -> None:
    """Let the device of a unit, whose folder is `unit`, have had its saline runs in simulated time nobody waits for.

    `seed` and `serial` are those its simulator is started with later.
    """
    kind = DEVICES[device]

    def build(time: SiteTime) -> Device:
        return kind.build(Built(preset=kind.preset, seed=seed, serial=serial, time=time, fillings=fillings(seed)))

    calibrate_before(read_config(unit / "unit.toml"), build, seed=seed, begins=begins)


def fillings(seed: int) -> int:
    """Return the seed of a device's fillings on the evening before."""
    return -seed - 1


def _study(loaded: LoadedConfig) -> bytes:
    files: tuple[Path, ...] = (loaded.config.study.protocol, loaded.config.study.site_rules)
    return b"".join(loaded.path(file).read_bytes() for file in files)


async def _calibrate(loaded: LoadedConfig, build: Callable[[SiteTime], Device], seed: int, begins: datetime) -> None:
    name = loaded.config.unit.id
    time = SiteTime(begins - EVENING)
    cable, nowhere = Cable(f"cable of {name}"), Cable("a port without a cable")
    chance, balance = stream(seed, f"saline {name}"), loaded.config.device.balance
    standing = Standing(build(time), cable, time)
    standing.tick()
    keeping = asyncio.create_task(_keep(standing))

    def fill(volume_nl: int) -> None:
        standing.truth()
        standing.device.empty_cup()
        standing.device.pour(volume_nl)

    edge = Edge(
        random=chance.randbytes,
        clock=HostClock(time, seed, f"saline {name}"),
        open_link=lambda url: (nowhere if url == balance else cable).open_link(url),
        thread=Inline,
    )
    opened = await open_parts(loaded, edge, reason="calibrate")
    bench = Bench(
        nebulizer=opened.nebulizer,
        store=opened.ledger,
        clock=opened.clock,
        rules=opened.rules,
        run_id=lambda: chance.randbytes(4).hex(),
        runs=opened.history.runs,
    )
    wish = Plan(operator=THERAPIST[0], model=opened.rules.model.name, simulated=True)
    try:
        for _ in range(TRIES):
            bench = replace(bench, runs=followed(bench.runs, await opened.ledger.all_entries()))
            done = await calibrate(bench, wish, SimulatedHands(fill))
            if done.finding is None:
                break
    finally:
        keeping.cancel()
        await opened.ledger.close()


async def _keep(standing: Standing) -> None:
    while True:
        standing.tick()
        await asyncio.sleep(TICK_S)
