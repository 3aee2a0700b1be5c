"""Scanning at a unit in virtual time: what is recorded, what a page may not do, typed entry, and lost wristbands."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.identities import Link, link_subject
from nebctl.pins import load_pin_key
from nebctl_lab.bedside import Answer
from nebctl_lab.codes import band, card, cup_code, kit_code, link_of, scans
from nebctl_lab.people import PIN
from nebctl_lab.system import VirtualSite

pytestmark = pytest.mark.virtual
TYPED = {"subject": "MEX-001", "reason": "the wristband is torn", "second": "RT-08", "pin": PIN}


async def scan(site: VirtualSite, **body: Any) -> str:
    """Scan as a script does; return the code of the refusal, "" where a session began."""
    try:
        await site.post("/api/scan", operator="RT-07", **body)
    except Answer as answer:
        return answer.code
    return ""


async def leased(site: VirtualSite) -> None:
    """Wait until the unit has its list and its device."""
    await site.until(lambda: site.records("order"), "a list", 60)
    while (await site.view())["device"] is None:
        await site.skip(1)


def everything(site: VirtualSite) -> str:
    """Return all that the unit keeps on its disk, as one text: records, disclosures, and the list."""
    folder = site.hosts["neb-0001"].folder
    kept = [path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()]
    return json.dumps(site.records()) + "".join(kept)


@pytest.mark.req("S12")
async def test_the_unit_keeps_no_code_of_a_subject() -> None:
    """After good and refused scans neither the wristband's code nor the card's is on the unit's disk or in a record."""
    async with VirtualSite() as site:
        await leased(site)
        assert await scan(site, **scans("MEX-001", "KIT-0011") | {"card": "]Q1CARD/HIDDEN77"}) == "identifier-unknown"
        await site.post("/api/scanned", code="]C0HIDDEN78")
        assert await scan(site, **scans("MEX-001", "KIT-0011")) == ""
        kept = everything(site)
        for secret in ("WBMEX001", "CARD/", "HIDDEN"):
            assert secret not in kept
        [how] = site.records("identification")
        assert (how["how"], how["subject"], how["operator"]) == ("scanned", "MEX-001", "RT-07")
        await site.press("stop")


@pytest.mark.req("S12")
async def test_a_typed_subject_is_recorded_with_its_reason_and_second_person() -> None:
    """Typing needs a reason, and badge and PIN of another person; then the record says all three."""
    async with VirtualSite() as site:
        await leased(site)
        kit = kit_code("KIT-0011")
        assert await scan(site, kit=kit, typed=TYPED | {"second": "RT-07"}) == "second-same"
        assert await scan(site, kit=kit, typed=TYPED | {"pin": "730519"}) == "pin-wrong"
        assert await scan(site, kit=kit, typed={"subject": "MEX-001"}) == "body"
        assert await scan(site, kit="KIT-0011", typed=TYPED) == "code-typed"
        assert await scan(site, kit=kit, typed=TYPED) == ""
        [how] = site.records("identification")
        assert (how["how"], how["second"], how["text"]) == ("typed", "RT-08", "the wristband is torn")
        await site.press("stop")


def holding(folder: Path, text: str) -> list[str]:
    """Return the names of the files under a folder that hold a text."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return [file.name for file in files if text.encode() in file.read_bytes()]


@pytest.mark.req("S12")
async def test_a_name_that_is_typed_is_in_no_record(tmp_path: Path) -> None:
    """A name or hospital number in the subject's box begins nothing, and neither sentence, fact nor disk repeats it."""
    async with VirtualSite(root=tmp_path) as site:
        await leased(site)
        name = "Quetzalli 4711"
        assert await scan(site, kit=kit_code("KIT-0011"), typed=TYPED | {"subject": name}) == "subject-unknown"
        assert site.records("refusal")[-1]["code"] == "subject-unknown"
        assert name not in str(site.records())
    assert holding(tmp_path, name) == []


@pytest.mark.req("S45")
@pytest.mark.req("S51")
async def test_scans_at_the_same_instant_leave_one_session_on_record() -> None:
    """Of six equal presses one begins a session, five hear that the unit is busy, and none of those is identified."""
    async with VirtualSite() as site:
        await leased(site)
        codes = scans("MEX-001", "KIT-0011")
        found = await asyncio.gather(*(scan(site, **codes) for _ in range(6)))
        assert sorted(found) == ["", *["busy"] * 5]
        [begun] = site.records("authorisation")
        assert [record["session"] for record in site.records("identification")] == [begun["session"]]
        await site.press("stop")


@pytest.mark.req("S08")
@pytest.mark.req("S09")
@pytest.mark.parametrize(
    ("kit", "code"),
    [
        (kit_code("KIT-0011").replace("\x1d", "", 1), "code-merged"),
        (kit_code("KIT-0011").replace("]d2", "]d1"), "code-not-gs1"),
        (kit_code("KIT-0011").replace("NCT04276987", "NCT00000001"), "kit-other-study"),
        (kit_code("KIT-0011", lot="EXO2020B"), "kit-lot"),
        (kit_code("KIT-9999"), "kit-serial"),
        ("KIT-0011", "code-typed"),
    ],
)
async def test_a_code_that_is_no_kit_begins_nothing_and_is_recorded(kit: str, code: str) -> None:
    """Each fault of a code is a refusal on record, with the code as it was read, and no session begins."""
    async with VirtualSite() as site:
        await leased(site)
        assert await scan(site, **scans("MEX-001", "") | {"kit": kit}) == code
        assert site.records("authorisation") == []
        record = site.records("refusal")[-1]
        assert record["code"] == code
        assert record.get("kit", "").replace("\u241d", "\x1d") == (kit if kit.startswith("]d2") else "")


@pytest.mark.req("S49")
async def test_a_cup_is_scanned_or_its_number_typed_with_a_reason() -> None:
    """A charge without a scanned cup is refused unless the reason is given, and then the record has it."""
    async with VirtualSite() as site:
        await site.scan()
        charge = {"vial_emptied": True, "method": "declared", "volume": "3 mL"}
        for cup, code in (("CUP-9", "cup-typed"), (kit_code("KIT-0011"), "cup-code")):
            with pytest.raises(Answer, match=f"409 {code}"):
                await site.post("/api/charge", cup=cup, **charge)
        assert site.records("charge") == []
        await site.post("/api/charge", cup="CUP-9", cup_typed="its code cannot be read", **charge)
        [record] = site.records("charge")
        assert (record["cup"], record["text"]) == ("CUP-9", "its code cannot be read")
        await site.press("stop")


async def test_what_the_units_own_scanner_read_is_enough() -> None:
    """With the codes on the tray a press that names none begins the session, and the tray is empty afterwards."""
    async with VirtualSite() as site:
        await leased(site)
        for code in scans("MEX-001", "KIT-0011").values():
            await site.post("/api/scanned", code=code)
        tray = (await site.view())["scanned"]
        assert (tray["band"], tray["card"], tray["kit"]) == ("MEX-001", "MEX-001", "KIT-0011")
        assert await scan(site) == ""
        await site.post("/api/scanned", code=cup_code())
        view = await site.view()
        assert (view["scanned"]["kit"], view["scanned"]["cup"]) == (None, "CUP-1")
        await site.post("/api/charge", vial_emptied=True, method="declared", volume="3 mL")
        assert site.records("charge")[0]["cup"] == "CUP-1"
        await site.press("stop")


@pytest.mark.req("S12")
async def test_a_lost_wristband_is_replaced_by_two_persons() -> None:
    """After the pharmacy linked another one the old one is nobody's, and the new one identifies."""
    async with VirtualSite() as site:
        await leased(site)
        key = load_pin_key(site.root / "keys" / "pin.key")
        new = Link(band=key.link("NEW-BAND"), card=link_of("MEX-001", key).card)
        lists = len(site.records("order"))
        with site.books() as books:
            with pytest.raises(PharmacyFault, match="two different persons"):
                link_subject(books, "MEX-001", new, "PH-01", "PH-01", "lost")
            with pytest.raises(PharmacyFault, match="the same code twice"):
                link_subject(books, "MEX-001", Link(band=new.card, card=new.card), "PH-01", "PH-02", "lost")
            with pytest.raises(PharmacyFault, match="an enrolled subject"):
                link_subject(books, "MEX-404", new, "PH-01", "PH-02", "lost")
            link_subject(books, "MEX-001", new, "PH-01", "PH-02", "lost")
        await site.until(lambda: len(site.records("order")) > lists, "a new list", 60)
        kit = kit_code("KIT-0011")
        assert await scan(site, band=band("MEX-001"), card=card("MEX-001"), kit=kit) == "identifier-unknown"
        assert await scan(site, band="]C0NEW-BAND", card=card("MEX-001"), kit=kit) == ""
        await site.press("stop")
