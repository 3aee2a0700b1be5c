"""What the unit makes of the pharmacy's word, on a whole site in virtual time."""

from pathlib import Path

import pytest

from nebctl_lab.bedside import Answer
from nebctl_lab.system import VirtualSite
from nebctl_lab.system.cards import findings, old_card, receipted

DAY_S = 24 * 3600.0
SMALL_NL = 700_000
"""Little enough for a dose of two minutes."""


def raised(site: VirtualSite) -> list[str]:
    """Return the alarms that were raised, from the log, in order."""
    return [str(record["condition"]) for record in site.records("alarm") if record["state"] == "raised"]


@pytest.mark.virtual
async def test_what_waits_too_long_is_an_alarm_until_it_is_receipted() -> None:
    """Records without a receipt for more than a day raise an alarm on the page; their receipts clear it."""
    async with VirtualSite() as site:
        await site.until(lambda: site.waiting() == 0, "every receipt", 60)
        site.broker_down()
        await site.scan()
        await site.press("stop")
        await site.advance(60)
        await site.skip(DAY_S - 120)
        await site.advance(30)
        assert site.alarms() == ("dose-left-open",)  # a scan without a dose, yesterday
        await site.skip(180)
        await site.until(lambda: "unreceipted" in site.alarms(), "the alarm", 60)
        assert raised(site) == ["dose-left-open", "unreceipted"]
        assert [alarm["condition"] for alarm in (await site.view())["alarms"]].count("unreceipted") == 1
        site.broker_up()
        await site.until(lambda: site.waiting() == 0, "every receipt", 60)
        await site.until(lambda: site.alarms() == (), "the alarm is over", 60)


@pytest.mark.virtual
@pytest.mark.req("S53")
async def test_a_dose_left_open_at_the_days_end_is_raised_at_the_unit() -> None:
    """An ordered dose that nothing came of raises an alarm after the site's midnight, without a network; the list on
    which the pharmacy ended it clears that.
    """
    async with VirtualSite() as site:
        await site.until(lambda: site.waiting() == 0, "every receipt", 60)
        site.broker_down()
        await site.skip(14 * 3600.0)
        await site.advance(30)
        assert site.alarms() == ()
        await site.skip(2 * 3600.0)
        await site.until(lambda: site.alarms() == ("dose-left-open",), "the alarm", 60)
        assert raised(site) == ["dose-left-open"]
        site.broker_up()
        await site.until(lambda: site.alarms() == (), "the pharmacy has ended the dose", 300)


@pytest.mark.virtual
async def test_an_old_card_gets_its_records_back_byte_for_byte(tmp_path: Path) -> None:
    """A unit whose card was put back fetches what it lost before it records anything; the page and a record say so."""
    async with VirtualSite() as site:
        async with old_card(site, tmp_path / "card"):
            await site.give(poured_nl=SMALL_NL)
            await receipted(site)
            lost = site.raw_records()
        assert len(site.raw_records()) < len(lost)
        await site.start_unit()
        back = site.raw_records()
        assert back[: len(lost) - 1] == lost[:-1]
        (incident,) = site.records("incident")
        assert (incident["kind"], incident["to_size"]) == ("restored", incident["seq"])
        assert [alarm["condition"] for alarm in (await site.view())["alarms"]] == ["records-restored"]
        await receipted(site)
        assert site.records("dose")[0]["end"] == "complete"
        assert findings(site) == []
        await site.until(lambda: (site.hosts["neb-0001"].folder / "worklist.note").stat().st_size, "the worklist", 60)
        await site.advance(5)
        with pytest.raises(Answer, match="kit-opened"):
            await site.scan()


@pytest.mark.virtual
async def test_an_old_card_that_starts_without_a_network_forks_and_is_found_out(tmp_path: Path) -> None:
    """Having recorded a boot of its own, the unit is found at its next contact; nothing starts there, also offline."""
    async with VirtualSite() as site:
        async with old_card(site, tmp_path / "card"):
            await site.give(poured_nl=SMALL_NL)
            await receipted(site)
        kept = site.pharmacy_records()
        site.broker_down()
        await site.start_unit()
        assert site.alarms() == ()
        site.broker_up()
        await site.until(lambda: "receipt-ahead" in site.alarms(), "the alarm", 60)
        with pytest.raises(Answer, match="records-parted"):
            await site.scan()
        site.broker_down()
        await site.stop_unit()
        await site.start_unit()
        assert site.alarms() == ("receipt-ahead",)
        with pytest.raises(Answer, match="records-parted"):
            await site.scan()
        kinds = [incident["kind"] for incident in site.records("incident")]
        assert kinds == ["run-unknown", "rollback"]  # the nebulizer tells of the dose before the pharmacy can
        assert site.pharmacy_records()[: len(kept)] == kept


@pytest.mark.virtual
async def test_a_card_that_forked_is_told_from_the_first_word_on(tmp_path: Path) -> None:
    """A unit with as many records as are kept, but others, learns at its start that its log has forked."""
    async with VirtualSite() as site:
        async with old_card(site, tmp_path / "card"):
            await receipted(site)
        site.broker_down()
        await site.start_unit()
        for _ in range(4):
            await site.stop_unit()
            await site.start_unit()
        await site.stop_unit()
        site.broker_up()
        await site.advance(60)  # until the pharmacy is back as well
        await site.start_unit()
        assert site.alarms() == ("log-forked",)
        assert [record["kind"] for record in site.records("incident")] == ["fork"]
