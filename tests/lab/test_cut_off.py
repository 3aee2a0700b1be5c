"""A mesh or a board behind a cut-off, in a whole site: what does not obey loses its power, and records say so."""

from typing import Any

import pytest

from nebctl_lab.bedside import Answer
from nebctl_lab.system import SitePlan, UnitPlan, VirtualSite
from nebctl_simulators.shim import ANY

pytestmark = pytest.mark.virtual
UNIT = "neb-0001"
FOR_EVER = 1_000_000
KINDS = ("mesh", "modbus", "board-9c")


def guarded(device: str) -> SitePlan:
    """Return a site whose nebulizer stands behind a relay."""
    return SitePlan(units=(UnitPlan(device=device, device_seed=3, calibrated=False, cut_off=True),))


async def emits(site: VirtualSite) -> bool:
    """Return whether aerosol leaves now."""
    before = site.truth().emitted_nl
    await site.advance(0.3)
    return site.truth().emitted_nl > before


def contact(site: VirtualSite) -> str:
    """Return what the contact really does."""
    return {"RUN": "closed", "OFF": "open"}[site.cut_offs[UNIT].truth().output]


def checks(site: VirtualSite) -> dict[str, Any]:
    """Return the newest line of each name in the self-tests."""
    return {check["name"]: check for record in site.records("selftest") for check in record["checks"]}


@pytest.mark.req("S22")
@pytest.mark.req("S24")
@pytest.mark.parametrize("device", KINDS)
async def test_a_cut_off_is_tripped_declared_and_opened(device: str) -> None:
    """The self-test lets it open by itself; it is closed in the run alone; start and dose say that it is there."""
    async with VirtualSite(guarded(device)) as site:
        assert contact(site) == "open"
        await site.begin()
        await site.advance(20)
        assert contact(site) == "closed"
        assert await emits(site)
        await site.press("stop")
        await site.finish()
        assert contact(site) == "open"
        await site.residual()
        truth = site.truth().emitted_nl
        [start], [dose] = site.records("start"), site.records("dose")
        assert checks(site)["cut-off"]["good"]
    assert start["declaration"]["cut_off"] == dose["cut_off"] == "watchdog-relay"
    assert start["declaration"]["s22_ms"] <= 2000
    assert start["declaration"]["s24"]
    assert (dose["end"], dose["doubts"]) == ("stopped", [])
    assert dose["low_nl"] <= truth <= dose["high_nl"]


@pytest.mark.req("S51")
@pytest.mark.req("S22")
@pytest.mark.req("S26")
@pytest.mark.parametrize("device", KINDS)
async def test_what_ignores_stop_loses_its_power(device: str) -> None:
    """500 ms after a STOP that is not obeyed nothing is emitted, two high alarms stand, and the dose is UNCERTAIN."""
    async with VirtualSite(guarded(device)) as site:
        await site.begin()
        await site.advance(20)
        site.inject(UNIT, "stuck_on", FOR_EVER)
        await site.press("stop")
        await site.advance(0.5)
        assert contact(site) == "open"
        assert not await emits(site)
        assert site.truth().output != "OFF", "the device itself goes on"
        await site.advance(5)
        assert {"cannot-stop", "cut-off"} <= set(site.alarms())
        await site.finish()
        await site.residual()
        truth = site.truth().emitted_nl
        [dose] = site.records("dose")
    assert dose["end"] == "uncertain"
    assert "cut-off" in dose["deviations"]
    assert dose["doubts"] == ["the device did not obey, and its cut-off opened"]
    assert dose["low_nl"] <= truth <= dose["high_nl"]


@pytest.mark.req("S22")
@pytest.mark.req("S24")
async def test_a_host_that_hangs_before_a_board_that_goes_on() -> None:
    """A board that heeds neither host nor heartbeat emits nothing 2 s after the last beat of a host that hangs."""
    async with VirtualSite(guarded("board-9c")) as site:
        await site.begin()
        await site.advance(20)
        site.inject(UNIT, "stuck_on", FOR_EVER)
        assert await emits(site)
        site.hosts[UNIT].freeze()
        await site.advance(2.2)
        assert contact(site) == "open"
        assert not await emits(site)
        site.hosts[UNIT].thaw()
        await site.advance(5)
        assert not await emits(site)
        await site.finish()
        await site.residual()
        [dose] = site.records("dose")
    assert dose["end"] == "uncertain"


@pytest.mark.req("S22")
@pytest.mark.req("S30")
async def test_a_contact_that_sticks_bars_the_start() -> None:
    """A welded contact fails the self-test in a line of its own, and nothing can be started."""
    async with VirtualSite(guarded("mesh")) as site:
        site.cut_offs[UNIT].device.inject("welded", 1, None, site.time.live_ns(), ANY)
        await site.scan()
        assert (await site.charge())["state"] == "charged"
        assert not checks(site)["cut-off"]["good"]
        with pytest.raises(Answer, match="cut-off"):
            await site.press("start")
        assert site.records("start") == []


@pytest.mark.req("S22")
async def test_a_nebulizer_without_its_cut_off_is_not_there() -> None:
    """Where the relay does not answer, the unit has no nebulizer, and no session begins."""
    async with VirtualSite(guarded("mesh")) as site:
        site.cut_offs[UNIT].cable.pull()
        await site.advance(3)
        with pytest.raises(Answer, match="no-device"):
            await site.scan()


@pytest.mark.req("S26")
async def test_a_contact_that_opens_in_mid_dose_ends_the_run() -> None:
    """A relay that loses its power turns the run off within a reading; the device is OFF, and a person decides."""
    async with VirtualSite(guarded("mesh")) as site:
        await site.begin()
        await site.advance(20)
        site.cut_offs[UNIT].device.inject("relay_brownout", 1, None, site.time.live_ns(), ANY)
        await site.advance(1)
        assert (await site.view())["state"] == "paused"
        assert site.truth().output == "OFF"
        assert "stopped-itself" in site.alarms()


@pytest.mark.req("S22")
@pytest.mark.req("S26")
async def test_a_cut_off_that_is_lost_in_mid_dose_opens() -> None:
    """Without its cable the relay is fed no more: it opens, the nebulizer is off, and the dose is UNCERTAIN."""
    async with VirtualSite(guarded("mesh")) as site:
        await site.begin()
        await site.advance(20)
        site.cut_offs[UNIT].cable.pull()
        await site.advance(2.5)
        assert contact(site) == "open"
        assert site.truth().output == "OFF"
        assert "link-lost" in site.alarms()
        site.cut_offs[UNIT].cable.lay()
        await site.advance(10)
        await site.finish()
        await site.residual()
        [dose] = site.records("dose")
    assert dose["end"] == "uncertain"
