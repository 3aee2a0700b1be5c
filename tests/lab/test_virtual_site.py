"""A whole site in virtual time: doses, and every trouble that a site can have."""

import asyncio
import dataclasses
from pathlib import Path

import pytest

from nebctl_lab.bedside import Answer
from nebctl_lab.demo.proving import prove_all
from nebctl_lab.demo.site import Site
from nebctl_lab.system import SiteFault, SitePlan, SubjectPlan, UnitPlan, VirtualSite
from nebctl_lab.virtual import run_virtual

SMALL_NL = 700_000
"""Little enough for a dose of two minutes."""
JET = SitePlan(units=(UnitPlan(device="jet"),))
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "simulated-time.md"


@pytest.mark.virtual
async def test_a_dose_goes_from_the_scan_to_a_proof_that_an_outsider_verifies(tmp_path: Path) -> None:
    """The real unit, store and pharmacy give, sign, countersign and prove a dose, and the interval holds the truth."""
    async with VirtualSite(root=tmp_path) as site:
        outcome = await site.give(poured_nl=SMALL_NL)
        emitted_nl = site.truth().emitted_nl
        await site.until(lambda: site.waiting() == 0, "every receipt", 10)
        (tmp_path / "proofs").mkdir()
        proven = prove_all(Site(tmp_path), ("neb-0001",))
        sheet = site.course()
    assert outcome["low_nl"] <= emitted_nl <= outcome["high_nl"]
    assert (proven.findings, proven.proofs, proven.records) == ((), 1, proven.receipted)
    assert sheet is not None
    assert (sheet.lines[0].session, sheet.lines[0].receipted) == (outcome["session"], True)


@pytest.mark.virtual
@pytest.mark.parametrize("device", ["jet", "modbus", "board-9c"])
async def test_other_devices_stand_there_as_well(device: str) -> None:
    """Each device gives a dose by its own driver and its own protocol, and the interval holds the truth."""
    async with VirtualSite(SitePlan(units=(UnitPlan(device=device),))) as site:
        outcome = await site.give(poured_nl=SMALL_NL)
        emitted_nl = site.truth().emitted_nl
    assert outcome["low_nl"] <= emitted_nl <= outcome["high_nl"]


@pytest.mark.virtual
@pytest.mark.req("S22")
async def test_every_record_of_a_dose_says_what_the_site_accepted() -> None:
    """A 9C board is OFF three seconds after its host, not two: each record of its session says so."""
    async with VirtualSite(SitePlan(units=(UnitPlan(device="board-9c"),))) as site:
        await site.give(poured_nl=SMALL_NL)
        records = [record for record in site.records() if "session" in record]
    types = {record["typ"] for record in records}
    assert {"authorisation", "charge", "start", "residual", "dose", "signature"} <= types
    assert {str(record.get("site_acceptances")) for record in records} == {"{'S22': None}"}


@pytest.mark.virtual
async def test_a_refusal_is_the_one_that_the_page_shows() -> None:
    """A wrong kit is refused by the unit's own API, with its code, and the refusal is on record."""
    async with VirtualSite() as site:
        with pytest.raises(Answer) as refused:
            await site.scan(kit="KIT-9999")
        assert refused.value.status == 409
        assert [record["code"] for record in site.records("refusal")] == [refused.value.code]
        assert site.state() == "idle"


@pytest.mark.virtual
async def test_a_power_cut_leaves_the_store_as_it_was_and_the_next_start_tells_of_it(tmp_path: Path) -> None:
    """Nothing reaches device, disk or broker after the cut; the open session ends as uncertain, the log is whole."""
    async with VirtualSite(root=tmp_path) as site:
        session = await site.begin(poured_nl=SMALL_NL)
        await site.until_emitted(300_000)
        before, asked = site.raw_records(), site.standings["neb-0001"].cable.asked
        await site.crash()
        await site.advance(1)
        assert (site.state(), site.standings["neb-0001"].cable.asked) == ("off", asked)
        assert site.raw_records() == before
        await site.advance(3)
        assert (site.truth().output, str(site.device().truth().end)) == ("OFF", "BEAT")  # type: ignore[attr-defined]
        await site.start_unit()
        dose = site.records("dose")[-1]
        assert (dose["session"], dose["end"]) == (session, "uncertain")
        assert dose["low_nl"] <= site.truth().emitted_nl <= dose["high_nl"]
        assert site.raw_records()[: len(before)] == before
        await site.until(lambda: site.waiting() == 0, "every receipt", 60)
        (tmp_path / "proofs").mkdir()
        assert prove_all(Site(tmp_path), ("neb-0001",)).findings == ()


@pytest.mark.virtual
async def test_a_power_cut_takes_the_device_along() -> None:
    """With its own power gone the controller counts a boot more, and host and device come back together."""
    async with VirtualSite() as site:
        await site.begin(poured_nl=SMALL_NL)
        await site.until_emitted(200_000)
        boots = [record["boot"] for record in site.records("boot")]
        await site.power_cut(5)
        assert site.truth().output == "OFF"
        await site.until(lambda: site.hosts["neb-0001"].runner.witnessed.device, "the device is found", 30)
        again = [record["boot"] for record in site.records("boot")]
        assert len(set(again)) == len(boots) + 1 == 3  # the evening's saline runs, the morning, and after the cut


@pytest.mark.virtual
@pytest.mark.req("S22")
async def test_a_host_that_hangs_is_left_by_its_device() -> None:
    """While the host is frozen the controller goes OFF 2 s after the last beat; thawed, the host finds it so."""
    async with VirtualSite() as site:
        await site.begin(poured_nl=SMALL_NL)
        await site.until_emitted(200_000)
        hanging = asyncio.create_task(site.hang_host(6))
        await site.advance(1)
        assert site.truth().output == "RUN"
        await site.advance(1.5)
        assert site.truth().output == "OFF"
        await hanging
        await site.advance(1)
        assert (site.state(), site.alarms()) == ("paused", ("stopped-itself",))


@pytest.mark.virtual
async def test_a_press_at_a_hung_host_waits_for_the_thaw() -> None:
    """A frozen host answers nobody, and answers what was asked meanwhile when it goes on."""
    async with VirtualSite() as site:
        hanging = asyncio.create_task(site.hang_host(10))
        await asyncio.sleep(1)
        looking = asyncio.create_task(site.view())
        await site.advance(8)
        assert not looking.done()
        await hanging
        assert (await looking)["state"] == "idle"


@pytest.mark.virtual
async def test_a_press_at_a_host_that_dies_is_told() -> None:
    """Who asks a host that goes off hears that it did, and so does who asks it afterwards."""
    async with VirtualSite() as site:
        site.hosts["neb-0001"].freeze()
        looking = asyncio.create_task(site.view())
        await site.advance(1)
        await site.crash()
        with pytest.raises(SiteFault, match="before it answered"):
            await looking
        with pytest.raises(SiteFault, match="is off"):
            await site.view()


@pytest.mark.virtual
async def test_a_pulled_cable_is_noticed_and_found_again() -> None:
    """With the cable out the link is lost and the device goes OFF by itself; put in again, the device is found."""
    async with VirtualSite() as site:
        await site.begin(poured_nl=SMALL_NL)
        await site.until_emitted(200_000)
        site.unplug()
        await site.until_state("lost", seconds=2)
        await site.advance(3)
        assert (site.truth().output, "link-lost" in site.alarms()) == ("OFF", True)
        site.plug()
        await site.until(lambda: site.hosts["neb-0001"].runner.witnessed.device, "the device is found", 10)


@pytest.mark.virtual
@pytest.mark.req("S31", "S32")
async def test_a_step_of_the_clock_is_recorded_and_changes_no_duration() -> None:
    """A day's step in mid-dose is one record, and on-time and volume stay those of the monotonic clock."""
    async with VirtualSite() as site:
        await site.begin(poured_nl=SMALL_NL)
        await site.until_emitted(200_000)
        site.step_clock(86_400)
        await site.finish()
        outcome = (await site.residual())["outcome"]
        assert [record["step_us"] for record in site.records("clock") if record["reason"] == "step"] == [86_400_000_000]
        assert outcome["low_nl"] <= site.truth().emitted_nl <= outcome["high_nl"]


@pytest.mark.virtual
async def test_an_absent_broker_costs_a_dose_nothing() -> None:
    """A dose without a broker goes as ever; its records wait, and are receipted when the broker is back."""
    async with VirtualSite() as site:
        site.broker_down()
        before = len(site.records())
        outcome = await site.give(poured_nl=SMALL_NL)
        await site.skip(86_400)
        assert site.waiting() >= len(site.records()) - before > 5
        site.broker_up()
        await site.until(lambda: site.waiting() == 0, "every receipt", 120)
        sheet = site.course()
    assert sheet is not None  # the pharmacy, which heard nothing for a day, may have called the dose missed before
    assert outcome["session"] in {line.session for line in sheet.lines}


@pytest.mark.virtual
async def test_a_host_without_power_is_missed_by_the_broker() -> None:
    """The will of a host that fell silent reaches the pharmacy, which did not hear it say goodbye."""
    async with VirtualSite() as site:
        await site.advance(1)
        await site.crash()
        await site.advance(30)
        with site.books() as books:
            (state,) = books.db.execute("SELECT state FROM unit WHERE unit = 'neb-0001'").fetchone()
        assert state == '{"online":false}'


@pytest.mark.virtual
async def test_nights_are_skipped_and_doses_are_not() -> None:
    """A skip moves every clock and asks nothing of the device; it is refused while an output is on."""
    async with VirtualSite() as site:
        asked = site.standings["neb-0001"].cable.asked
        await site.skip(43_200)
        assert site.standings["neb-0001"].cable.asked - asked <= 4
        assert site.seconds == pytest.approx(43_200, abs=1)
        assert (await site.view())["local"]["time"] == "21:00"
        await site.skip_to(site.plan.begins.replace(day=15))
        await site.begin(day=2, poured_nl=SMALL_NL)
        await site.advance(3)
        with pytest.raises(ValueError, match="neb-0001 runs"):
            await site.skip(60)


@pytest.mark.virtual
async def test_a_missed_day_is_told_by_the_pharmacy() -> None:
    """After a skipped day the pharmacy's own log has the dose as missed, dated by the site's clock."""
    async with VirtualSite() as site:
        await site.skip(2 * 86_400)
        await site.advance(10)
        sheet = site.course()
    assert sheet is not None
    assert [line.end for line in sheet.lines][:3] == ["missed", "missed", "due"]


@pytest.mark.virtual
async def test_two_units_have_their_own_time_and_trouble() -> None:
    """What befalls one unit leaves the other alone."""
    plan = SitePlan(
        units=(UnitPlan(), UnitPlan(name="neb-0002")),
        subjects=(SubjectPlan(), SubjectPlan(name="MEX-002", unit="neb-0002")),
    )
    async with VirtualSite(plan) as site:
        await asyncio.gather(site.begin(poured_nl=SMALL_NL), site.begin("MEX-002", poured_nl=SMALL_NL))
        await site.advance(10)
        await site.crash("neb-0001")
        await site.finish("neb-0002")
        assert (site.state("neb-0001"), site.state("neb-0002")) == ("off", "residual")


@pytest.mark.virtual
async def test_a_fault_is_injected_and_told_by_its_name() -> None:
    """A fault of the device's own catalogue befalls it; a name that it does not have is refused with those it has."""
    async with VirtualSite() as site:
        await site.begin(poured_nl=SMALL_NL)
        await site.advance(5)
        site.inject("", "no_cup")
        await site.advance(2)
        assert site.truth().output == "OFF"
        assert site.state() != "running"
        with pytest.raises(ValueError, match="no_cup"):
            site.inject("", "no-such-fault")


@pytest.mark.virtual
async def test_a_fault_is_injected_as_a_text_too() -> None:
    """The text of `--fault` means the same here, and what became of it is listed."""
    async with VirtualSite() as site:
        site.inject("", "bad_crc:count=2")
        await site.advance(3)
        assert [str(injection.fault) for injection in site.injections()] == ["bad_crc", "bad_crc"]


@pytest.mark.virtual
async def test_what_does_not_exist_is_named() -> None:
    """A unit or subject that the site does not have is told with those that it has."""
    async with VirtualSite() as site:
        with pytest.raises(KeyError, match="neb-0001"):
            site.state("neb-0009")
        with pytest.raises(KeyError, match="MEX-001"):
            site.subject("MEX-009")
        with pytest.raises(SiteFault, match="neb-0001 idle"):
            await site.until_state("running", seconds=1)
        with pytest.raises(SiteFault, match="runs already"):
            await site.start_unit()


def test_a_site_wants_a_loop_that_jumps() -> None:
    """On an ordinary loop a site says so, instead of taking a day for a day."""

    async def enter() -> None:
        async with VirtualSite():
            pass

    with pytest.raises(TypeError, match="VirtualLoop"):
        asyncio.run(enter())


def test_a_site_leaves_nothing_behind() -> None:
    """Its disks, made in memory, are gone after the body, after one that failed too."""
    roots: list[Path] = []

    async def fail() -> None:
        async with VirtualSite() as site:
            roots.append(site.root)
            raise ValueError("the body failed")

    with pytest.raises(ValueError, match="the body failed"):
        run_virtual(fail())
    assert [root.exists() for root in roots] == [False]


def test_the_example_on_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The example of docs/explanation/simulated-time.md prints what the page says."""
    example = PAGE.read_text("utf-8").split("```python\n")[1].split("```")[0]
    exec(compile(example, str(PAGE), "exec"), {})
    assert capsys.readouterr().out == "uncertain\n"


def test_a_plan_is_a_value() -> None:
    """A plan can be varied without changing the one that others use."""
    assert dataclasses.replace(JET, seed=2).units == JET.units
