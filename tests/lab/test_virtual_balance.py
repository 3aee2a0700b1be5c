"""A balance under the cup in a whole site: its weight is in the trace, and whatever becomes of it, the dose goes on."""

from collections.abc import Callable
from typing import Any

import pytest

from nebctl.core.trace_text import TraceText, read_trace
from nebctl.store.reader import LedgerFile
from nebctl_lab.system import SitePlan, UnitPlan, VirtualSite

pytestmark = pytest.mark.virtual
SMALL_NL = 700_000
UNIT = "neb-0001"
NEAR_UG = 25_000
"""A reading is up to 0.25 s of lag and a poll behind the cup."""


def plan(device: str = "mesh") -> SitePlan:
    """Return a site with one balance."""
    return SitePlan(units=(UnitPlan(device=device, balance=True),))


async def end(site: VirtualSite) -> None:
    """Stop the dose and give its residual."""
    await site.press("stop")
    await site.finish()
    await site.residual()


def weights(site: VirtualSite) -> list[tuple[int, int]]:
    """Return the weights in the trace of the only session, each with its time in ms."""
    with LedgerFile.open(site.hosts[UNIT].folder / "unit.db") as file:
        ((text,),) = file.db.execute("SELECT csv FROM trace").fetchall()
    trace = read_trace(text.encode().splitlines(keepends=True), "trace")
    assert isinstance(trace, TraceText)
    return [(one.at_ms, one.weight_ug) for one in trace.readings if one.weight_ug is not None]


@pytest.mark.parametrize("device", ["mesh", "jet", "board-9c"])
async def test_the_weight_is_in_the_trace(device: str) -> None:
    """With each kind of nebulizer the trace's weight falls by what the cup loses, and the self-test has its line."""
    async with VirtualSite(plan(device)) as site:
        await site.advance(3)
        await site.begin()
        await site.advance(2)
        filled_nl = site.truth().cup_nl
        await site.advance(30)
        lost_nl = filled_nl - site.truth().cup_nl
        await end(site)
        seen = weights(site)
        tests = [check for record in site.records("selftest") for check in record["checks"]]
    assert lost_nl > 100_000
    assert next(ug for ms, ug in seen if ms > 2000) - seen[-1][1] == pytest.approx(lost_nl, abs=NEAR_UG)
    assert len(seen) > 100
    assert ("balance", "weighs the cup") in [(check["name"], check["note"]) for check in tests]


async def lose_cable(site: VirtualSite) -> None:
    """Pull the balance's cable."""
    site.balances[UNIT].cable.pull()


async def lose_power(site: VirtualSite) -> None:
    """Switch the balance off."""
    site.balances[UNIT].device.switch_power(False, site.time.live_ns())


@pytest.mark.parametrize("lose", [lose_cable, lose_power])
async def test_a_balance_that_is_lost_costs_its_weight_and_nothing_else(lose: Callable[[VirtualSite], Any]) -> None:
    """In the middle of a dose the balance goes: the weights end within a second or so, and the dose does not."""
    async with VirtualSite(plan()) as site:
        await site.begin(poured_nl=SMALL_NL)
        await site.advance(20)
        await lose(site)
        lost_s = 20.0
        await site.advance(20)
        assert site.state() == "running"
        alarms = site.hosts[UNIT].runner.alarms.copy()
        await end(site)
        seen = weights(site)
        (dose,) = site.records("dose")
    assert not alarms
    assert (lost_s - 1) * 1000 < seen[-1][0] < (lost_s + 2) * 1000
    assert dose["end"] != "uncertain"


@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_balance_that_comes_back_is_believed_with_the_same_zero_alone(comes_back: bool) -> None:
    """A cable that was out for a moment leaves a gap; a balance that was without power has another zero, and stays
    silent until the next run.
    """
    async with VirtualSite(plan()) as site:
        standing = site.balances[UNIT]
        await site.begin(poured_nl=SMALL_NL)
        await site.advance(20)
        if comes_back:
            standing.cable.pull()
        else:
            standing.device.switch_power(False, site.time.live_ns())
        await site.advance(4)
        standing.cable.lay()
        standing.device.switch_power(True, site.time.live_ns())
        await site.advance(20)
        await end(site)
        seen = weights(site)
    late = [at_ms for at_ms, _ in seen if at_ms > 26_000]
    assert bool(late) == comes_back


async def test_a_unit_without_its_balance_still_doses() -> None:
    """A balance that never answers is told of by the self-test, which does not hold the dose up."""
    async with VirtualSite(plan()) as site:
        site.balances[UNIT].cable.pull()
        await site.begin(poured_nl=SMALL_NL)
        await site.advance(10)
        await end(site)
        tests = [check for record in site.records("selftest") for check in record["checks"]]
        assert weights(site) == []
    assert [check["note"][:9] for check in tests if check["name"] == "balance"] == ["NO WEIGHT"]
