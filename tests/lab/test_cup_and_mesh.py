"""Cup and mesh in mid-dose, in a whole site: taken off, put back or exchanged; what is asked, and what is recorded."""

import pytest

from nebctl.core.calibrated import Standing, calibration_of
from nebctl.core.ledger.envelope import parse_utc
from nebctl_lab.bedside import Answer
from nebctl_lab.system import SitePlan, UnitPlan, VirtualSite

pytestmark = [pytest.mark.virtual, pytest.mark.req("S54")]
UNIT = "neb-0001"


def site_of(device: str) -> SitePlan:
    """Return a site with one nebulizer, calibrated."""
    return SitePlan(units=(UnitPlan(device=device, device_seed=3),))


@pytest.mark.parametrize("device", ["mesh", "modbus"])
async def test_another_mesh_after_a_pause_is_off_and_asked_about(device: str) -> None:
    """1 % beside its resonance after a pause: OFF in a few seconds, a question, UNCERTAIN, and no calibration left."""
    async with VirtualSite(site_of(device)) as site:
        await site.begin()
        await site.advance(60)
        await site.press("pause")
        await site.advance(20)
        site.inject(UNIT, "detune")
        await site.press("resume")
        await site.advance(6)
        assert site.truth().output == "OFF"
        assert "mesh-changed" in site.alarms()
        view = await site.view()
        assert (view["state"], view["pause_reason"]) == ("paused", "mesh-changed")
        await site.press("resume")
        await site.advance(60)
        assert site.state() == "running", "a person has answered, and is not asked again"
        await site.press("stop")
        await site.finish()
        await site.residual()
        [dose] = site.records("dose")
        runner = site.hosts[UNIT].runner
        found = calibration_of(runner._configured, runner.history, str(dose["device"]), parse_utc(dose["utc"]))
    assert (dose["end"], dose["verdict"]) == ("uncertain", "UNCERTAIN")
    assert {"mesh-changed", "uncertain-end"} <= set(dose["deviations"])
    assert "it may be another one" in dose["doubts"][0]
    assert found.standing is Standing.OTHER_MESH


@pytest.mark.parametrize(("device", "state"), [("mesh", "running"), ("mesh", "paused"), ("modbus", "running")])
async def test_a_cup_that_is_taken_off_is_asked_about(device: str, state: str) -> None:
    """No cup in mid-dose, running or paused: OFF, a question, no RESUME while it is away, and a line in the record."""
    async with VirtualSite(site_of(device)) as site:
        await site.begin()
        await site.advance(60)
        if state == "paused":
            await site.press("pause")
            await site.advance(5)
        site.inject(UNIT, "no_cup")
        await site.advance(3)
        assert site.truth().output == "OFF"
        assert site.state() == "paused"
        assert "cup-off" in site.alarms()
        with pytest.raises(Answer, match="409 fault"):
            await site.press("resume")
        site.clear(UNIT)
        await site.advance(3)
        assert site.state() == "paused", "it goes on by a person alone"
        await site.press("resume")
        await site.advance(20)
        assert site.state() == "running"
        await site.press("stop")
        await site.finish()
        await site.residual()
        [dose] = site.records("dose")
    assert "cup-changed" in dose["deviations"]
    assert dose["doubts"] == []


@pytest.mark.parametrize("device", ["mesh", "modbus"])
async def test_pauses_and_a_whole_dose_ask_about_nothing(device: str) -> None:
    """Three pauses of up to 4 min, the drift of the run and its dry end: no step, and the dose is COMPLETE."""
    async with VirtualSite(site_of(device)) as site:
        await site.begin()
        for minutes in (0.5, 4, 1):
            await site.advance(60)
            await site.press("pause")
            await site.advance(60 * minutes)
            await site.press("resume")
        await site.finish()
        await site.residual()
        [dose] = site.records("dose")
    assert dose["end"] == "complete"
    assert not {"mesh-changed", "cup-changed"} & set(dose["deviations"])
