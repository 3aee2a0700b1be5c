"""A session's trace, estimated again, gives the figures that the unit itself recorded, to the last nanolitre."""

from pathlib import Path
from typing import Any

import pytest

from nebctl.core.dose import Charge, Interval, Method, Residual
from nebctl.core.dose.replay import replay
from nebctl.core.trace_text import TraceText, read_trace
from nebctl.store.reader import LedgerFile
from nebctl_lab.system import SitePlan, UnitPlan, VirtualSite

pytestmark = pytest.mark.virtual
SMALL_NL = 900_000
UNIT = "neb-0001"


def interval(record: Any) -> Interval:
    """Return the interval that a record carries."""
    return Interval(low_nl=record["low_nl"], best_nl=record["best_nl"], high_nl=record["high_nl"])


def trace_in(folder: Path) -> bytes:
    """Return the only trace of a unit's ledger."""
    with LedgerFile.open(folder / "unit.db") as file:
        (session,) = file.traced()
        found = file.trace(session)
    assert found is not None
    return found[1].encode()


@pytest.mark.req("S33")
@pytest.mark.parametrize("balance", [False, True])
@pytest.mark.parametrize("device", ["mesh", "jet"])
async def test_a_replay_gives_the_units_own_figures(device: str, balance: bool) -> None:
    """A dose with a pause, a resume, a STOP and a residual: trace, charge and residual give the record's own low, best
    and high, what was tracked before the residual, and the witnesses.
    """
    async with VirtualSite(SitePlan(units=(UnitPlan(device=device, balance=balance),))) as site:
        await site.begin()
        await site.advance(20)
        await site.press("pause")
        await site.until_state("paused")
        await site.advance(5)
        await site.press("resume")
        await site.advance(20)
        await site.press("stop")
        await site.finish()
        await site.residual()
        model = site.hosts[UNIT].runner._rules.model
        (charged,), (residual,), (dose,) = (site.records(typ) for typ in ("charge", "residual", "dose"))
        text = trace_in(site.hosts[UNIT].folder)
    trace = read_trace(text.splitlines(keepends=True), "trace")
    assert isinstance(trace, TraceText)
    charge = Charge(volume=interval(charged), method=Method(charged["method"]), vial_emptied=True)
    left = Residual(volume=interval(residual), method=Method(residual["method"]))
    again = replay(trace.readings, charge, model, left)
    assert again.settled.tracked == interval(dose["tracked"])
    if dose["end"] != "uncertain":  # a doubt, which no trace knows of, raises the record's high to all that was there
        assert again.settled.final == interval(dose)
        assert list(again.settled.witnesses) == dose["witnesses"]
    assert {"running", "paused"} <= {reading.doing.value for reading in trace.readings}
