"""Audio pause and acknowledgement through the API, on a whole site in virtual time."""

import pytest

from nebctl.core.alarms import Condition
from nebctl_lab.bedside import Answer
from nebctl_lab.system import VirtualSite

pytestmark = pytest.mark.virtual


@pytest.mark.req("S43")
async def test_a_pause_and_an_acknowledgement_are_recorded() -> None:
    """A paused sound and a seen alarm are in view and log; a pause needs no badge, to have seen an alarm needs one."""
    async with VirtualSite() as site:
        host = site.hosts["neb-0001"]
        host.runner.raise_alarm(Condition.RECORDS_RESTORED)
        assert (await host._ask("GET", "/api/state", None))["sound"] == {"priority": "medium", "quiet_s": 0}
        assert (await host._ask("POST", "/api/quiet", {}))["sound"] == {"priority": None, "quiet_s": 120}
        with pytest.raises(Answer, match="401"):
            await host._ask("POST", "/api/acknowledge", {"condition": "records-restored"})
        await host.sign_in("RT-07")
        with pytest.raises(Answer, match="there is no alarm 'noise'"):
            await host._ask("POST", "/api/acknowledge", {"condition": "noise"})
        await host._ask("POST", "/api/acknowledge", {"condition": "records-restored"})
        await site.advance(2)
        assert [r["state"] for r in site.records("alarm")] == ["raised", "paused", "acknowledged", "cleared"]
        assert not site.alarms()


async def test_the_melody_is_there_for_every_priority() -> None:
    """The page fetches each priority's burst and the information tone, with nobody signed in."""
    async with VirtualSite() as site:
        score = await site.hosts["neb-0001"]._ask("GET", "/api/melody", None)
    assert {name: len(burst["pulses"]) for name, burst in score.items()} == {
        "high": 10,
        "medium": 3,
        "low": 2,
        "information": 1,
    }
