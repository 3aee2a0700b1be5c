"""A card put back to a copy from before a dose, without a network: nobody knows the dose but the nebulizer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.device import EndCause, RunOutcome
from nebctl_lab.bedside import Answer
from nebctl_lab.codes import scans
from nebctl_lab.system import SitePlan, SubjectPlan, UnitPlan, VirtualSite
from nebctl_lab.system.cards import findings, old_card, receipted

pytestmark = [pytest.mark.virtual, pytest.mark.req("S02")]
SMALL_NL = 700_000


def incidents(site: VirtualSite) -> list[dict[str, Any]]:
    """Return the records that the nebulizer remembers a run which the log does not name."""
    return [record for record in site.records("incident") if record["kind"] == "run-unknown"]


async def lost_dose(site: VirtualSite, copy: Path) -> str:
    """Give a dose without a network, on a card that is put back afterwards; return its run."""
    await receipted(site)
    site.broker_down()
    async with old_card(site, copy):
        await site.give(poured_nl=SMALL_NL)
        run = str(site.records("start")[0]["run"])
    assert site.records("start") == []
    return run


async def started(site: VirtualSite) -> None:
    """Start the unit, and wait until it has found its nebulizer and looked at it."""
    await site.start_unit()
    host = site.hosts["neb-0001"]
    await site.until(lambda: host.runner.witnessed.device is not None, "the nebulizer", 60)
    await site.advance(2)


async def answered(site: VirtualSite, day: int = 1, operator: str = "RT-07") -> dict[str, Any]:
    """Scan for the day's dose once more, with a person's word on the run."""
    word = {"limit": "run-unknown", "reason": "The pharmacy says: go on"}
    scanned = scans("MEX-001", site.subject().kit(day))
    return await site.post("/api/scan", operator=operator, **scanned, confirmed=word)


@pytest.mark.req("S05")
async def test_the_nebulizer_tells_of_a_dose_that_nobody_knows(tmp_path: Path) -> None:
    """Incident, alarm and a scan that is refused; after a person's signed reason doses go on, and it asks no more."""
    async with VirtualSite() as site:
        run = await lost_dose(site, tmp_path / "card")
        await started(site)
        (incident,) = incidents(site)
        assert (incident["run"], incident["device_end"], incident["device_boot"]) == (run, "dry", 1)
        assert incident["device_on_ms"] > 60_000
        view = await site.view()
        assert incident["device"] == view["device"]
        (alarm,) = view["alarms"]
        assert (alarm["condition"], alarm["priority"]) == ("run-unknown", "medium")
        with pytest.raises(Answer, match=f"409 run-unknown: .*{run}.*Call the pharmacy first"):
            await site.scan()
        assert site.state() == "idle"
        await site.stop_unit()
        await started(site)
        assert len(incidents(site)) == 1
        assert site.alarms() == ("run-unknown",)
        with pytest.raises(Answer, match="409 run-unknown"):
            await site.scan()
        assert (await answered(site))["state"] == "authorised"
        (word,) = site.records("override")
        said = {name: word[name] for name in ("limit", "kind", "run", "device", "operator", "subject", "text")}
        assert said == {
            "limit": "run-unknown",
            "kind": "soft",
            "run": run,
            "device": incident["device"],
            "operator": "RT-07",
            "subject": "MEX-001",
            "text": "The pharmacy says: go on",
        }
        await site.advance(2)
        assert site.alarms() == ()
        await site.press("stop")
        await site.stop_unit()
        await started(site)
        assert (site.alarms(), len(incidents(site))) == ((), 1)
        await site.give(poured_nl=SMALL_NL)
        site.broker_up()
        await receipted(site)
        assert findings(site) == []


async def test_a_word_stands_whatever_else_is_against_the_dose(tmp_path: Path) -> None:
    """A kit of another day is refused for itself, before and after the word on the run, which is asked for once."""
    async with VirtualSite() as site:
        await lost_dose(site, tmp_path / "card")
        await started(site)
        with pytest.raises(Answer, match="409 kit-other-day"):
            await answered(site, day=2)
        assert len(site.records("override")) == 1
        assert (await site.scan())["state"] == "authorised"
        assert len(site.records("override")) == 1


async def test_a_word_is_that_of_a_person_who_may_give_doses(tmp_path: Path) -> None:
    """An investigator and a pharmacist, whose scans begin no dose, answer for no run either."""
    async with VirtualSite() as site:
        await lost_dose(site, tmp_path / "card")
        await started(site)
        for code in ("PI-01", "PH-01"):
            with pytest.raises(Answer, match="409 operator-not-therapist"):
                await answered(site, operator=code)
        assert site.records("override") == []
        assert site.alarms() == ("run-unknown",)
        assert (await answered(site, operator="RT-08"))["state"] == "authorised"


async def test_a_word_lifts_no_other_run(tmp_path: Path) -> None:
    """Two runs in question need two scans: the word for one opens no session, whose START the other would refuse."""
    async with VirtualSite() as site:
        lost = await lost_dose(site, tmp_path / "card")
        await started(site)
        watch = site.hosts["neb-0001"].runner.watch
        assert watch.remembered is not None
        last = RunOutcome(run="0badcafe", on_ms=60_000, end=EndCause.DRY, boot=1)
        watch.remembered = replace(watch.remembered, last=last)  # it was lent to another unit meanwhile
        await site.advance(2)
        assert [record["run"] for record in incidents(site)] == [lost, "0badcafe"]
        with pytest.raises(Answer, match=f"409 run-unknown: .*{lost}"):
            await answered(site)
        assert site.state() == "idle"
        assert (await answered(site))["state"] == "authorised"
        words = site.records("override")
        assert [(word["run"], "dose" in word) for word in words] == [("0badcafe", False), (lost, False)]


async def test_a_dose_that_the_pharmacy_gives_back_is_no_question(tmp_path: Path) -> None:
    """Where the pharmacy had the records, the unit fetches them before it looks: the run is known, nothing is asked."""
    async with VirtualSite() as site:
        await receipted(site)
        async with old_card(site, tmp_path / "card"):
            await site.give(poured_nl=SMALL_NL)
            await receipted(site)
        await started(site)
        assert site.alarms() == ("records-restored",)
        assert incidents(site) == []


async def test_a_cut_in_mid_dose_is_uncertain_as_before() -> None:
    """The power goes while a dose runs: the intent is in the log, so the run is ours and nothing else is said."""
    async with VirtualSite() as site:
        await site.begin()
        await site.until_emitted(300_000)
        await site.power_cut()
        await site.advance(10)
        assert [record["end"] for record in site.records("dose")] == ["uncertain"]
        assert incidents(site) == []
        assert "run-unknown" not in site.alarms()


@pytest.mark.parametrize(("device", "tells"), [("jet", True), ("modbus", True), ("board-9c", False)])
async def test_what_each_device_can_tell(tmp_path: Path, device: str, tells: bool) -> None:
    """A jet's relay and a Modbus map with a `run` tell; a 9C board remembers no run: nothing is said of it."""
    plan = SitePlan(units=(UnitPlan(device=device),), subjects=(SubjectPlan(),))
    async with VirtualSite(plan) as site:
        await receipted(site)
        site.broker_down()
        async with old_card(site, tmp_path / "card"):
            await site.begin()
            await site.advance(20)
            await site.press("stop")
            await site.residual(refused="spilled")
        await started(site)
        assert len(incidents(site)) == int(tells)
        assert site.alarms() == (("run-unknown",) if tells else ())


async def test_a_trial_of_the_cut_off_is_no_treatment() -> None:
    """After a self-test that no dose followed, a jet's relay remembers a trial: at the next start nothing is asked."""
    plan = SitePlan(units=(UnitPlan(device="jet"),), subjects=(SubjectPlan(),))
    async with VirtualSite(plan) as site:
        await site.scan()
        await site.charge()
        await site.press("stop")
        await site.stop_unit()
        await started(site)
        assert incidents(site) == []
        assert site.alarms() == ()
