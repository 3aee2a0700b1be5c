"""What the pharmacy takes back between the scan and START, or in a pause: nothing runs on leave from an older list."""

from dataclasses import dataclass

import pytest

from nebctl.core.kits import KitState, LotState
from nebctl.pharmacy.stock import change_kits, change_lot, kit_of
from nebctl_lab.bedside import Answer
from nebctl_lab.demo.site import LOT
from nebctl_lab.system import VirtualSite

pytestmark = [pytest.mark.virtual, pytest.mark.req("S10")]
BY = ("PH-01", "a complaint")


@dataclass(frozen=True)
class Case:
    """What the pharmacy does to lot or kit, and the code of the refusal."""

    lot: LotState | None
    kit: KitState | None
    code: str


CASES = {
    "lot recalled": Case(LotState.RECALLED, None, "kit-recalled"),
    "lot quarantined": Case(LotState.QUARANTINED, None, "kit-quarantined"),
    "kit returned": Case(None, KitState.RETURNED, "kit-returned"),
}


async def taken_back(site: VirtualSite, case: Case, kit: str) -> None:
    """Let the pharmacy take it back, and the unit hear of it."""
    with site.books() as books:
        if case.lot:
            change_lot(books, LOT, case.lot, *BY)
        if case.kit:
            change_kits(books, [kit], case.kit, *BY)
    await site.advance(5)


@pytest.mark.req("S50")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_what_was_taken_back_after_the_scan_does_not_start(case: Case) -> None:
    """The list that came after the scan counts: START is refused in its words, and neither intent nor byte goes out."""
    async with VirtualSite() as site:
        kit = str((await site.scan())["review"]["kit"])
        if case.lot:
            await site.charge()
        await taken_back(site, case, kit)
        if case.kit:
            await site.charge()
        with pytest.raises(Answer, match=f"409 {case.code}"):
            await site.press("start")
        assert site.records("start") == []
        assert site.truth().emitted_nl == 0


async def test_a_dose_whose_own_charge_the_pharmacy_has_heard_of_starts() -> None:
    """The pharmacy books the kit as opened by this very dose, and tells the unit: that does not speak against it."""
    async with VirtualSite() as site:
        kit = str((await site.scan())["review"]["kit"])
        await site.charge()
        await site.advance(5)
        lists = len(site.records("order"))
        with site.books() as books, books.change():
            assert kit_of(books.db, kit).state is KitState.OPENED
            books.renew_worklists()
        await site.advance(5)
        assert len(site.records("order")) > lists
        await site.press("start")
        await site.until_state("running")


async def test_a_recall_in_a_pause_ends_the_dose() -> None:
    """A dose in a pause does not go on with a lot that was recalled since; STOP ends it, and what was given counts."""
    async with VirtualSite() as site:
        await site.begin()
        await site.until_emitted(300_000)
        await site.press("pause")
        await site.until_state("paused")
        await taken_back(site, CASES["lot recalled"], "")
        with pytest.raises(Answer, match="409 kit-recalled"):
            await site.press("resume")
        assert site.records("resume") == []
        await site.press("stop")
        await site.until_state("residual")
