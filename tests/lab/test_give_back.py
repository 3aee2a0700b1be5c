"""Doses that a unit gives back, in a whole site: by its record or by the code on its screen, and never given twice."""

from typing import Any

import pytest

from nebctl.core.returned import Returned
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.moving import Move, move
from nebctl.pharmacy.setup import PIN_KEY
from nebctl.pins import load_pin_key
from nebctl_lab.bedside import Answer
from nebctl_lab.system import SitePlan, UnitPlan, VirtualSite

pytestmark = [pytest.mark.virtual, pytest.mark.req("S50")]
OLD, NEW, SUBJECT = "neb-0001", "neb-0002", "MEX-001"


def two_units() -> SitePlan:
    """Return a site with two units, the subject at the first."""
    return SitePlan(units=(UnitPlan(name=OLD, device_seed=3), UnitPlan(name=NEW, device_seed=4)))


def move_on(site: VirtualSite, **changed: Any) -> int:
    """Ask the pharmacy to move the subject to the second unit."""
    key = load_pin_key(site.root / "keys" / PIN_KEY)
    wish = {"subject": SUBJECT, "unit": NEW, "by": "PH-01", "reason": "broken", "code_of": key.return_code, **changed}
    with site.books() as books:
        return move(books, Move(**wish))


async def given_back(site: VirtualSite) -> str:
    """Give the subject's doses back at the first unit, and return what its screen then shows."""
    assert (await site.view(OLD))["held"] == [SUBJECT]
    await site.post("/api/give-back", OLD, operator="RT-07", subject=SUBJECT)
    view = await site.view(OLD)
    assert view["held"] == []
    [one] = view["given_back"]
    return str(one["code"])


async def test_a_unit_that_is_heard_lets_go_by_its_own_record() -> None:
    """The record reaches the pharmacy, the doses move, the new unit gives them, and the old one says where they are."""
    async with VirtualSite(two_units()) as site:
        with pytest.raises(PharmacyFault, match="leased to neb-0001 until"):
            move_on(site)
        await given_back(site)
        with pytest.raises(Answer, match="lease-returned"):
            await site.scan(unit=OLD)
        await site.advance(5)
        assert move_on(site) == 5
        await site.advance(5)
        with pytest.raises(Answer, match="held-elsewhere"):
            await site.scan(unit=OLD)
        await site.begin(unit=NEW, subject=SUBJECT)
        await site.press("stop", NEW)


async def test_a_unit_that_nobody_hears_lets_go_by_its_screen() -> None:
    """Without a network the code alone lets the doses go; a restart on the old list starts none of them."""
    async with VirtualSite(two_units()) as site:
        site.broker_down()
        code = await given_back(site)
        assert code.startswith("5-0-")
        assert move_on(site, code=code, readers=("PH-02", "RT-07")) == 5
        await site.crash(OLD)
        await site.start_unit(OLD)
        await site.advance(5)
        with pytest.raises(Answer, match="lease-returned"):
            await site.scan(unit=OLD)
        [one] = (await site.view(OLD))["given_back"]
        assert one["code"] == code, "it is shown again, for the two persons who come later"
        assert site.records("start", unit=OLD) == []


async def test_nothing_is_given_back_under_a_session_or_twice() -> None:
    """A dose under way keeps its lease; what is not held, or was given back, is refused in words; no code is shown."""
    async with VirtualSite(two_units()) as site:
        await site.begin(unit=OLD)
        with pytest.raises(Answer, match="busy-unit"):
            await site.post("/api/give-back", OLD, operator="RT-07", subject=SUBJECT)
        assert (await site.view(OLD))["given_back"] == []
        await site.press("stop", OLD)
        await site.finish(unit=OLD)
        await site.residual(unit=OLD)
        await site.sign(unit=OLD)
        site.broker_down()
        with pytest.raises(Answer, match="nothing-held"):
            await site.post("/api/give-back", OLD, operator="RT-07", subject="MEX-404")
        assert (await given_back(site)).startswith("5-1-"), "Day 1 was begun here"
        with pytest.raises(Answer, match="nothing-held"):
            await site.post("/api/give-back", OLD, operator="RT-07", subject=SUBJECT)


async def test_a_code_of_another_site_is_none() -> None:
    """The digits are made by the site's own key: another key's are refused."""
    async with VirtualSite(two_units()) as site:
        key = load_pin_key(site.root / "keys" / PIN_KEY)
        good = key.return_code(OLD, Returned(subject=SUBJECT, sequence=5, last_day=0))
        assert await given_back(site) == good
        wrong = good[:-1] + str((int(good[-1]) + 1) % 10)
        site.broker_down()
        with pytest.raises(PharmacyFault, match="the one that neb-0001 shows"):
            move_on(site, code=wrong, readers=("PH-02", "RT-07"))
