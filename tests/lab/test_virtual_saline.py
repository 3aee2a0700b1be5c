"""Saline runs by balance, end to end: a simulated mesh on a simulated balance, by the unit's own drivers."""

import asyncio
import contextlib
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import pytest

from nebctl.core.dose.calibration import By
from nebctl.daemon import open_parts
from nebctl.saline_run import Bench, Calibrated, Plan, calibrate
from nebctl.store.prove import read
from nebctl.store.reader import LedgerFile
from nebctl.unit import Edge
from nebctl_lab.system import SitePlan, UnitPlan
from nebctl_lab.system.cable import Cable
from nebctl_lab.system.devices import DEVICES, TICK_S, Built, Standing, stand_on_balance
from nebctl_lab.system.furnish import BALANCE_PORT, furnish
from nebctl_lab.system.inline import Inline
from nebctl_lab.system.saline import SimulatedHands
from nebctl_lab.system.site import read_config
from nebctl_lab.system.time import HostClock, SiteTime
from nebctl_simulators.faults import parse_fault

pytestmark = pytest.mark.virtual
UNIT = "neb-0001"


class Table:
    """A mesh, on its cable, that stands on a balance or beside it, on its own cable."""

    def __init__(self, root: Path, *, under: bool, seed: int = 7) -> None:
        self.plan = SitePlan(units=(UnitPlan(balance=True, calibrated=False),))
        furnish(root, self.plan)
        self.loaded = read_config(root / "units" / UNIT / "unit.toml")
        self.time, self.seed = SiteTime(self.plan.begins), seed
        kind = DEVICES["mesh"]
        self.cables = {kind.port: Cable("of the mesh"), BALANCE_PORT: Cable("of the balance")}
        built = Built(preset=kind.preset, seed=seed, serial="SIM-0001", time=self.time)
        self.mesh = Standing(kind.build(built), self.cables[kind.port], self.time)
        stands = [self.mesh]
        if under:
            balance = stand_on_balance(self.mesh, self.cables[BALANCE_PORT], self.time, seed=seed, serial="SIM-0501")
            stands.append(balance)
        self.stands, self.rates = stands, list[int]()

    async def measure(self, plan: Plan) -> Calibrated:
        """Make the saline runs of a plan."""
        chance = Random(self.seed)
        edge = Edge(
            random=chance.randbytes,
            clock=HostClock(self.time, self.seed, UNIT),
            open_link=lambda url: self.cables[url].open_link(url),
            thread=Inline,
        )
        keeping = [asyncio.create_task(self._keep(stand)) for stand in self.stands]
        opened = await open_parts(self.loaded, edge, reason="calibrate")
        bench = Bench(
            nebulizer=opened.nebulizer,
            store=opened.ledger,
            clock=opened.clock,
            rules=opened.rules,
            run_id=lambda: chance.randbytes(4).hex(),
            runs=opened.history.runs,
        )
        try:
            return await calibrate(bench, plan, SimulatedHands(self._fill))
        finally:
            await opened.ledger.close()
            for task in keeping:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def _fill(self, volume_nl: int) -> None:
        self.mesh.truth()
        self.mesh.device.empty_cup()
        self.mesh.device.pour(volume_nl)
        self.rates.append(self.mesh.device.truth().rate_nl_s)

    async def _keep(self, stand: Standing) -> None:
        while True:
            stand.tick()
            await asyncio.sleep(TICK_S)


def asked() -> Plan:
    """Return three runs by balance."""
    return Plan(operator="RT-07", model="mesh", by=By.BALANCE, simulated=True)


async def test_the_balance_measures_the_rate(tmp_path: Path) -> None:
    """The rate by loss of weight is the mean of the three fillings' own to 3 %, and surer than one by a syringe."""
    table = Table(tmp_path, under=True)
    done = await table.measure(asked())
    assert done.finding is None
    assert done.measured is not None
    rate, sigma = done.measured.rate_nl_per_s, done.measured.sigma_nl_per_s
    assert len(table.rates) == 3
    assert rate == pytest.approx(fmean(table.rates), rel=0.03)
    assert sigma < 0.05 * rate
    facts = done.entry.payload
    assert (facts["method"], facts["accepted"]) == ("balance", True)
    assert dict(done.measured.parts_ppm)["residue"] == 0


async def test_without_a_weight_nothing_is_measured(tmp_path: Path) -> None:
    """A balance that tells nothing gives no calibration by balance; the record says why."""
    done = await Table(tmp_path, under=False).measure(asked())
    assert done.finding is not None
    assert (done.finding.code, done.entry.payload["accepted"]) == ("no-weight", False)


@pytest.mark.req("S02")
async def test_a_run_that_the_log_forgot_is_recorded_before_saline_makes_the_device_forget_it(tmp_path: Path) -> None:
    """The device remembers its last run alone: what no record names is an incident, once, before the first intent.

    An answer that the wire lost is asked for again, as at the bedside.
    """
    table = Table(tmp_path, under=True)
    data = tmp_path / "units" / UNIT / "unit.db"
    lost = records(data, await table.measure(asked()))
    for path in data.parent.glob("unit.db*"):
        path.unlink()
    table.seed += 1  # other runs
    unheard = parse_fault("drop_reply:command=LAST,count=6")  # two of three questions, each put three times
    unheard.arm(table.mesh.device, table.time.live_ns())
    again = records(data, await table.measure(asked()))
    assert [record["typ"] for record in again].index("incident") < [record["typ"] for record in again].index(
        "calibration"
    )
    (incident,) = (record for record in again if record["typ"] == "incident")
    last = [record["run"] for record in lost if record.get("step") == "begun"][-1]
    assert (incident["kind"], incident["device"], incident["run"]) == ("run-unknown", "SIM-0001", last)
    table.seed += 1
    third = records(data, await table.measure(asked()))
    assert [record["typ"] for record in third].count("incident") == 1


def records(data: Path, _done: Calibrated) -> list[dict[str, Any]]:
    """Return the records of a ledger after runs that are done."""
    with LedgerFile.open(data) as file:
        return [dict(entry.payload) for _, entry in read(file)]
