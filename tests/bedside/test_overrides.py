"""Limits that persons may let a dose pass: a second aliquot by two, a soft limit by one; and all that stay hard."""

from datetime import date
from typing import Any

import pytest

from nebctl.core.kits import KitState
from nebctl.pharmacy import stock
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.leases import Dispensing, ExtraDose, dispense, order_extra
from nebctl_lab.bedside import Answer
from nebctl_lab.codes import scans
from nebctl_lab.demo.site import LOT
from nebctl_lab.people import PIN
from nebctl_lab.system import VirtualSite
from nebctl_protocols import default_site_rules

pytestmark = pytest.mark.virtual
SMALL_NL = 700_000
KIT = "KIT-0999"
TWO = [{"operator": "RT-07", "pin": PIN}, {"operator": "PI-01", "pin": PIN}]


def refused(code: str) -> Any:
    """Expect a refusal with this code and a sentence."""
    return pytest.raises(Answer, match=rf"^(400|409) {code}: .{{12,}}")


async def second_ordered(site: VirtualSite) -> None:
    """Let MEX-001 have a dose of Day 1, and the pharmacy order a second one with a kit of its own."""
    await site.give(poured_nl=SMALL_NL)
    with site.books() as books:
        stock.import_kits(books, [stock.NewKit(kit=KIT, lot=LOT, expires=date(2026, 12, 31))], "PH-01")
        stock.change_kits(books, (KIT,), KitState.RELEASED, "PH-01", "checked")
        wish = ExtraDose(subject="MEX-001", day=1, by="PH-01", second="PI-01", reason="the cup was dropped")
        assert order_extra(books, wish) == 2
        dispense(books, Dispensing(subject="MEX-001", day=1, dose=2, kits=(KIT,), by="PH-01"))
    await site.advance(5)


async def override(site: VirtualSite, persons: list[dict[str, str]], **changed: str) -> dict[str, Any]:
    """Ask for the second aliquot as RT-07."""
    whom, kit = changed.pop("subject", "MEX-001"), changed.pop("kit", KIT)
    body = {**scans(whom, kit), "reason": "the cup was dropped", **changed}
    await site.hosts["neb-0001"].sign_in("RT-07")
    return await site.hosts["neb-0001"].ask("POST", "/api/override", {**body, "persons": persons})


@pytest.mark.req("S02")
async def test_two_persons_let_a_second_aliquot_pass_and_nobody_else() -> None:
    """Alone, without an investigator, twice the same person, without a reason or with a wrong PIN: nothing begins."""
    async with VirtualSite() as site:
        await second_ordered(site)
        with refused("extra-dose"):
            await site.scan(kit=KIT)
        therapist, investigator = TWO
        for persons, code in (
            ([therapist, therapist], "two-persons"),
            ([investigator, {"operator": "RT-08", "pin": PIN}], "two-persons"),
            ([therapist, {"operator": "RT-08", "pin": PIN}], "no-investigator"),
            ([therapist, {**investigator, "pin": "730519"}], "pin-wrong"),
            ([therapist], "body"),
        ):
            with refused(code):
                await override(site, persons)
        with refused("body"):
            await override(site, TWO, reason="")
        assert site.records("override") == []
        assert site.state() == "idle"


@pytest.mark.req("S02")
async def test_a_second_aliquot_is_given_under_a_signed_override() -> None:
    """The record has limit, reason and both persons and stands before the authorisation; then a dose is given."""
    async with VirtualSite() as site:
        await second_ordered(site)
        view = await override(site, TWO)
        (record,) = site.records("override")
        assert (record["limit"], record["kind"], record["dose"], record["kit"]) == ("extra-dose", "two-persons", 2, KIT)
        assert (record["operator"], record["second"]) == ("RT-07", "PI-01")
        assert record["text"] == "the cup was dropped"
        typs = [each["typ"] for each in site.records() if each.get("session") == view["review"]["session"]]
        assert typs == ["identification", "override", "authorisation"]
        await site.charge(SMALL_NL)
        assert (await site.press("start"))["state"] == "running"
        await site.finish()
        outcome = (await site.residual())["outcome"]
        await site.sign()
        assert outcome["day"] == 1
        with refused("kit-opened"):
            await override(site, TWO)
        with site.books() as books, pytest.raises(PharmacyFault, match="one extra dose a day"):
            order_extra(books, ExtraDose(subject="MEX-001", day=1, by="PH-01", second="PI-01", reason="again"))


@pytest.mark.req("S02")
async def test_an_override_lifts_no_other_limit() -> None:
    """Two persons do not make another subject's kit, tomorrow's or an opened one good, nor a dose of the regimen."""
    async with VirtualSite() as site:
        await second_ordered(site)
        for kit, code in ((site.subject().kit(1), "kit-opened"), (site.subject().kit(2), "kit-other-day")):
            with refused(code):
                await override(site, TWO, kit=kit)
        with refused("identifier-unknown"):
            await override(site, TWO, subject="MEX-999")
        assert site.records("override") == []


async def confirmed(site: VirtualSite, limit: str, reason: str) -> dict[str, Any]:
    """Scan for the dose of Day 1 with a limit confirmed."""
    scanned = {"operator": "RT-07", **scans("MEX-001", site.subject().kit(1))}
    return await site.post("/api/scan", **scanned, confirmed={"limit": limit, "reason": reason})


@pytest.mark.req("S05")
async def test_a_hard_limit_is_hard_for_everybody() -> None:
    """The minimum interval is hard unless the site's rules say otherwise: a confirmation with a reason changes none."""
    async with VirtualSite() as site:
        with refused("hard-limit"):
            await confirmed(site, "too-soon", "she leaves today")
        with refused("body"):
            await confirmed(site, "day-limit", "more")
        assert site.state() == "idle"


@pytest.mark.req("S05")
async def test_a_soft_limit_needs_a_reason_and_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the site calls its hours soft, a dose outside them needs a therapist's reason, which is signed first."""
    rules = default_site_rules() + '\nwindow_start = 20:00:00\nwindow_end = 21:00:00\nsoft = ["outside-window"]\n'
    monkeypatch.setattr("nebctl_lab.system.furnish.default_site_rules", lambda: rules)
    async with VirtualSite() as site:
        with refused("outside-window"):
            await site.scan()
        with refused("hard-limit"):
            await confirmed(site, "too-soon", "the transport leaves at noon")
        with refused("body"):
            await confirmed(site, "outside-window", "")
        assert site.records("override") == []
        await confirmed(site, "outside-window", "the transport leaves at noon")
        (record,) = site.records("override")
        assert (record["limit"], record["kind"], record["operator"]) == ("outside-window", "soft", "RT-07")
        assert record["text"] == "the transport leaves at noon"
        assert "second" not in record
        await site.charge(SMALL_NL)
        assert (await site.press("start"))["state"] == "running"
        await site.press("stop")
