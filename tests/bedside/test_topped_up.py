"""What a person says came into the cup in mid-dose, from the page's own body to a ledger that verifies."""

import pytest

from nebctl.core.ledger.grammar import check_volumes
from nebctl_lab.bedside import Answer
from nebctl_lab.system import VirtualSite

pytestmark = pytest.mark.virtual


@pytest.mark.req("S54")
async def test_a_declared_top_up_goes_into_the_records() -> None:
    """The dose is UNCERTAIN from nothing to all that was loaded, and the pharmacy takes its records."""
    async with VirtualSite() as site:
        await site.begin()
        await site.advance(60)
        await site.press("stop")
        with pytest.raises(Answer, match="409 residual-too-large"):
            await site.post("/api/residual", measured={"volume": "9 mL"}, added={"volume": "0.4 mL"}, operator="RT-07")
        view = await site.post(
            "/api/residual", measured={"volume": "3.2 mL"}, added={"volume": "0.4 mL"}, operator="RT-07"
        )
        dose = site.records("dose")[-1]
        assert view["outcome"]["verdict"] == dose["verdict"] == "UNCERTAIN"
        assert dose["topped_up"] == {"low_nl": 350_000, "best_nl": 400_000, "high_nl": 450_000}
        assert (dose["low_nl"], dose["high_nl"]) == (0, dose["charge"]["high_nl"] + 450_000)
        await site.sign()
        await site.advance(5)
        check_volumes(dose)  # what every reader of the log holds it to
        assert (await site.view())["stream"]["waiting"] == 0
