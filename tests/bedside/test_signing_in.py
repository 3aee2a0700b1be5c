"""Signing in at a unit in virtual time: badge and PIN, misses, a restart, a suspension, an idle page, and STOP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import pytest

from nebctl.pharmacy import staff
from nebctl_lab.bedside import Answer
from nebctl_lab.people import PIN, give_pins
from nebctl_lab.system import VirtualSite

pytestmark = pytest.mark.virtual
WRONG = "730519"


async def sign_in(site: VirtualSite, operator: str = "RT-07", pin: str = PIN) -> str:
    """Sign in at the unit; return the code of the refusal, "" where it was taken."""
    try:
        await site.hosts["neb-0001"].sign_in(operator, pin)
    except Answer as answer:
        return answer.code
    return ""


def refusals(site: VirtualSite) -> list[dict[str, Any]]:
    """Return the refusals on record."""
    return [dict(record) for record in site.records() if record["typ"] == "refusal"]


@asynccontextmanager
async def changed(site: VirtualSite) -> AsyncIterator[Any]:
    """Let something be changed at the pharmacy's desk, and wait until the unit has the list of it."""
    before = len([record for record in site.records() if record["typ"] == "order"])
    with site.books() as books:
        yield books
    await site.until(lambda: len([r for r in site.records() if r["typ"] == "order"]) > before, "a new list", 10)


@pytest.mark.req("S01")
async def test_no_press_without_badge_and_pin_but_stop() -> None:
    """The unit's token alone shows and stops; a scan, a start and every other press ask for somebody who signed in."""
    async with VirtualSite() as site:
        host = site.hosts["neb-0001"]
        for path in ("scan", "charge", "start", "pause", "resume", "residual", "sign", "leave", "self-test", "abandon"):
            with pytest.raises(Answer, match="401 token"):
                await host._ask("POST", f"/api/{path}", {"operator": "RT-07"})
        await host._ask("GET", "/api/state", None)
        await host._ask("POST", "/api/stop", {})
        assert [record["typ"] for record in site.records()].count("authorisation") == 0


@pytest.mark.req("S01")
async def test_wrong_pins_wait_longer_and_longer_and_then_lock() -> None:
    """Each further miss doubles the wait, a try in the wait is not even looked at, and the tenth locks the badge."""
    async with VirtualSite() as site:
        assert [await sign_in(site, pin=WRONG) for _ in range(3)] == ["pin-wrong", "pin-wrong", "pin-wait"]
        assert await sign_in(site) == "pin-wait"
        for wait_s in (15, 30, 60, 120, 240, 480):
            await site.skip(wait_s - 1)
            assert await sign_in(site) == "pin-wait"
            await site.skip(1)
            assert await sign_in(site, pin=WRONG) == "pin-wait"
        await site.skip(960)
        assert await sign_in(site, pin=WRONG) == "pin-locked"
        await site.skip(24 * 3600)
        assert await sign_in(site) == "pin-locked"
        assert await sign_in(site, "RT-08") == ""
        told = refusals(site)
        assert {record["operator"] for record in told} == {"RT-07"}
        assert not any(PIN in str(record) or WRONG in str(record) for record in site.records())


@pytest.mark.req("S01")
async def test_a_right_pin_clears_the_misses() -> None:
    """After a right PIN two more slips are free again."""
    async with VirtualSite() as site:
        for _ in range(2):
            assert [await sign_in(site, pin=WRONG) for _ in range(2)] == ["pin-wrong"] * 2
            assert await sign_in(site) == ""


@pytest.mark.req("S01")
async def test_the_misses_survive_a_power_cut_and_end_with_a_new_pin() -> None:
    """A unit that restarts still counts, and begins the wait anew; a new PIN from the pharmacy ends count and lock."""
    async with VirtualSite() as site:
        for _ in range(3):
            await sign_in(site, pin=WRONG)
        await site.power_cut(14)
        await site.until(lambda: site.hosts["neb-0001"].is_on, "the unit is back", 60)
        assert await sign_in(site) == "pin-wait"
        async with changed(site) as books:
            give_pins(books, site.root / "keys" / "pin.key", "PH-01", bytes)
        assert await sign_in(site) == ""


@pytest.mark.req("S01")
async def test_a_suspension_ends_a_session_that_is_open() -> None:
    """Who was suspended, or got another PIN, is signed out with the next list; signing in says why."""
    async with VirtualSite() as site:
        await site.scan()
        async with changed(site) as books:
            staff.suspend(books, "RT-07", "badge lost", "PH-01")
        with pytest.raises(Answer, match="401 token"):
            await site.hosts["neb-0001"]._ask("POST", "/api/leave", {})
        assert await sign_in(site) == "operator-suspended"
        assert refusals(site)[-1]["code"] == "operator-suspended"
        await site.press("stop")


@pytest.mark.req("S01")
async def test_a_delegation_begins_and_ends_at_the_site_s_midnight() -> None:
    """A therapist by the delegation log may begin a dose on her days alone, and with a training alone."""
    async with VirtualSite() as site:
        today = date.fromisoformat((await site.view())["local"]["date"])
        person = staff.Person(code="RT-09", name="D. Vega", badge="801234567890123458", by="PH-01")
        grant = staff.Grant(code="RT-09", role="therapist", since=today, until=today, trained=today, by="PI-01")
        async with changed(site) as books:
            staff.add(books, person)
            staff.delegate(books, grant)
        assert await sign_in(site, "RT-09") == "pin-none"
        async with changed(site) as books:
            give_pins(books, site.root / "keys" / "pin.key", "PH-01", bytes)
        assert await sign_in(site, "801234567890123458") == ""
        view = await site.scan(operator="801234567890123458")
        assert view["review"]["operator"] == "RT-09"
        await site.press("stop")
        await site.skip(24 * 3600)
        assert await sign_in(site, "RT-09") == "operator-expired"


@pytest.mark.req("S01")
async def test_a_page_that_nobody_touches_is_signed_out() -> None:
    """After 15 min without a press a dose is still under way and shown to machines, and nobody is signed in."""
    async with VirtualSite() as site:
        await sign_in(site)
        host = site.hosts["neb-0001"]
        with pytest.raises(Answer, match="409 not-now"):
            await host._ask("POST", "/api/leave", {})
        await site.advance(15 * 60 + 1)
        with pytest.raises(Answer, match="401 token"):
            await host._ask("POST", "/api/leave", {})


@pytest.mark.req("S01")
async def test_who_scanned_starts() -> None:
    """Another person who signs in between scan and START cannot start on the first one's authorisation."""
    async with VirtualSite() as site:
        await site.scan()
        await site.charge()
        await sign_in(site, "RT-08")
        with pytest.raises(Answer, match="409 start-other"):
            await site.press("start")
        await sign_in(site, "RT-07")
        assert (await site.press("start"))["state"] == "running"
        await site.press("stop")


async def test_a_badge_of_nobody_is_not_repeated_in_the_log() -> None:
    """What stood in the badge's box, which may be a PIN, is in no record, and a badge held there fills no log."""
    async with VirtualSite() as site:
        assert [await sign_in(site, PIN, "1") for _ in range(5)] == ["operator-unknown"] * 5
        assert len(refusals(site)) == 1
        assert not any(PIN in str(record) for record in site.records())
