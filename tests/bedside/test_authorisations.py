"""Leave to start and leave to go on, in virtual time: whose it is, what it is bound to, and that it serves once."""

import pytest

from nebctl_lab.bedside import Answer
from nebctl_lab.system import VirtualSite

pytestmark = pytest.mark.virtual


@pytest.mark.req("S01")
@pytest.mark.req("S03")
async def test_a_start_and_each_resume_have_leave_of_their_own() -> None:
    """One dose with two pauses has three authorisations, each by a person with a PIN, and each named by its intent."""
    async with VirtualSite() as site:
        await site.begin()
        for _ in range(2):
            await site.press("pause")
            await site.until_state("paused")
            await site.press("resume")
            await site.until_state("running")
        await site.press("stop")
        given = site.records("authorisation")
        intents = site.records("start", "resume")
        assert [record["auth"] for record in given] == [record["auth"] for record in intents]
        assert len({record["auth"] for record in given}) == 3
        start = intents[0]
        assert [record.get("resumes") for record in given] == [None, start["seq"], start["seq"]]
        bound = ("session", "day", "subject", "operator", "dose", "kit", "lot", "device")
        assert len({tuple(record[name] for name in bound) for record in given}) == 1


@pytest.mark.req("S01")
async def test_leave_to_start_lasts_ten_minutes_and_serves_once() -> None:
    """After ten minutes nothing starts any more; after a start nothing starts again by the same leave."""
    async with VirtualSite() as site:
        await site.scan()
        view = await site.charge()
        auth = view["review"]["auth"]
        await site.skip(601)
        await site.until_state("idle")
        with pytest.raises(Answer, match="409 not-now"):
            await site.press("start", auth=auth)
        assert site.records("abort")[-1]["reason"] == "authorisation expired"
        assert site.records("start") == []


@pytest.mark.req("S03")
async def test_nobody_goes_on_in_another_role() -> None:
    """A pharmacist who is signed in may stop a paused dose, and does not resume it."""
    async with VirtualSite() as site:
        await site.begin()
        await site.press("pause")
        await site.until_state("paused")
        with pytest.raises(Answer, match="409 operator-not-therapist"):
            await site.press("resume", operator="PH-01")
        assert len(site.records("resume")) == 0
        await site.press("stop")
