"""Commanded and sensed state of simulated devices in a whole site, none behind a cut-off, and what a site accepts."""

import asyncio

import pytest

from nebctl.core.alarms import MESSAGES, Condition, Priority
from nebctl_lab.system import SitePlan, UnitPlan, VirtualSite
from nebctl_simulators.shim import ANY

pytestmark = [pytest.mark.virtual, pytest.mark.req("S26")]
UNIT = "neb-0001"
FOR_EVER = 1_000_000


def site_of(device: str) -> SitePlan:
    """Return a site whose nebulizer has no cut-off behind it."""
    return SitePlan(units=(UnitPlan(device=device, device_seed=3, calibrated=False),))


def high(site: VirtualSite) -> set[str]:
    """Return the high alarms that stand."""
    return {name for name in site.alarms() if MESSAGES[Condition(name)].priority is Priority.HIGH}


@pytest.mark.parametrize("device", ["mesh", "modbus", "board-9c"])
async def test_every_device_that_stays_on_is_told_again_and_alarmed(device: str) -> None:
    """On for longer than 500 ms after STOP: a high alarm, STOP again, and OFF is told once it is read back."""
    async with VirtualSite(site_of(device)) as site:
        await site.begin()
        await site.advance(20)
        site.inject(UNIT, "stuck_on", FOR_EVER)
        pressed = asyncio.ensure_future(site.press("stop"))
        await site.advance(0.6)
        assert site.truth().output != "OFF"
        assert "cannot-stop" in high(site)
        site.clear(UNIT)
        await site.advance(6)
        await pressed
        assert site.truth().output == "OFF"
        assert (await site.view())["state"] == "residual"


@pytest.mark.req("S22")
@pytest.mark.parametrize("device", ["mesh", "modbus"])
async def test_a_device_that_keeps_s22_goes_off_without_a_cut_off(device: str) -> None:
    """What ignores STOP gets no beat after it: where the device itself keeps S22, it is off 2 s after the last one."""
    async with VirtualSite(site_of(device)) as site:
        await site.begin()
        await site.advance(20)
        site.inject(UNIT, "stuck_on", FOR_EVER)
        await site.press("stop")
        await site.advance(2.2)
        assert site.truth().output == "OFF"
        assert "cannot-stop" in high(site)


@pytest.mark.req("S22")
async def test_a_board_that_keeps_no_s22_goes_on_and_is_not_called_off() -> None:
    """It stays stopping under its alarm, a person is told to use the switch; its declaration asks for an acceptance."""
    async with VirtualSite(site_of("board-9c")) as site:
        await site.begin()
        await site.advance(20)
        site.inject(UNIT, "stuck_on", FOR_EVER)
        await site.press("stop")
        await site.advance(10)
        assert site.truth().output != "OFF"
        assert (await site.view())["state"] == "stopping"
        assert "cannot-stop" in high(site)
        [start] = site.records("start")
    assert start["declaration"]["cut_off"] is None
    assert start["declaration"]["s22_ms"] > 2000


async def test_a_gas_that_is_not_cut_off_by_the_contact_is_an_alarm() -> None:
    """A jet whose contact stays closed after STOP is not OFF: a high alarm, and STOP takes the gas by its set-point."""
    async with VirtualSite(site_of("jet")) as site:
        await site.begin()
        await site.advance(20)
        site.inject(UNIT, "welded", FOR_EVER, terms=ANY)
        await site.press("stop")
        await site.advance(2)
        assert "cannot-stop" in high(site)


@pytest.mark.parametrize("device", ["mesh", "modbus"])
async def test_off_with_current_at_the_mesh_is_not_believed(device: str) -> None:
    """The controller says OFF at STOP and its current stays: a high alarm within 1.5 s, and the dose is UNCERTAIN."""
    async with VirtualSite(site_of(device)) as site:
        await site.begin()
        await site.advance(20)
        site.inject(UNIT, "stuck:point=current")
        await site.advance(1)
        await site.press("stop")
        await site.advance(1.5)
        assert "runs-unasked" in high(site)
        await site.finish()
        await site.residual()
        [dose] = site.records("dose")
    assert dose["end"] == "uncertain"
    assert "the device ran unasked" in dose["doubts"]


@pytest.mark.parametrize("device", ["mesh", "modbus"])
async def test_a_run_without_current_at_the_mesh_is_ended(device: str) -> None:
    """The controller says that it runs and no current flows: OFF within a second, a high alarm, UNCERTAIN."""
    async with VirtualSite(site_of(device)) as site:
        await site.begin()
        await site.advance(20)
        site.inject(UNIT, "jump:point=current,value=-83.4")
        await site.advance(1.3)
        assert site.truth().output == "OFF"
        assert "command-unresolved" in high(site)
        await site.finish()
        await site.residual()
        [dose] = site.records("dose")
    assert dose["end"] == "uncertain"
