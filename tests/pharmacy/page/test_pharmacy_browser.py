"""The pharmacy's page in a browser: a person reads the courses, opens a dose and has it checked."""

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.kits import KitState, LotState
from nebctl.pharmacy import stock
from nebctl.pharmacy.enrolment import Enrolment, enrol_subject, enrol_unit
from nebctl.pharmacy.events import Settlement, settle
from nebctl.pharmacy.judging import note_not_done
from nebctl.pharmacy.leases import Dispensing, dispense
from nebctl.pharmacy.web import serve_page

SCREENS = Path(__file__).parents[3] / "docs" / "screens"
DESK = {"width": 1280, "height": 800}
NOW_NS = 1_771_063_200_000_000_000
JET_KITS = ("KIT-0501", "KIT-0502", "KIT-0503", "KIT-0504", "KIT-0505")
CUT_OFF = """() => [...document.querySelectorAll('body *')].filter((node) => node.checkVisibility()
  && (node.getBoundingClientRect().right > 1281 || node.scrollWidth > node.clientWidth + 1 && node.clientWidth))
  .map((node) => `${node.tagName} ${node.className}: ${node.textContent.slice(0, 40)}`)"""


def missing() -> str:
    """Return what the browser tests lack on this machine; "" where nothing."""
    try:
        import playwright.async_api  # noqa: F401
    except ImportError:
        return "playwright is not installed: pip install playwright"
    return "" if shutil.which("chromium") else "no chromium: apt-get install chromium"


@pytest.fixture
async def desk(page: Any, tmp_path: Path) -> AsyncIterator[Any]:
    """Give a browser page that has entered with its token; where the browser is missing, fail in CI, else skip."""
    if lack := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(lack)
        pytest.skip(lack)
    from playwright.async_api import async_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--font-render-hinting=none"]
    made = serve_page(lambda token, hosts: replace(page, token=token, hosts=hosts), "127.0.0.1:0", page.database)
    async with made as address, async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        opened = await chromium.new_page(viewport=DESK)
        opened.set_default_timeout(8_000)
        opened.faults = []
        opened.on("pageerror", lambda error: opened.faults.append(str(error)))
        opened.on("console", lambda said: opened.faults.append(said.text) if said.type == "error" else None)
        token = (tmp_path / "pharmacy.token").read_text("ascii")
        await opened.goto(f"{address}/?token={token}")
        yield opened
        await chromium.close()


@pytest.fixture
def two_courses(course: Any, unit: Any, pharmacy: Any) -> Any:
    """Record a mesh's course with one dose in doubt, since settled, and the beginning of a jet's."""
    course.configure()
    for day, best in ((1, 2_940_000), (2, 2_915_000), (4, 2_962_000)):
        if day == 4:
            doubt = {"low_nl": 1_180_000, "best_nl": 1_400_000, "high_nl": 3_020_000}
            course.give(3, end="uncertain", residual=None, verdict="UNCERTAIN", **doubt)
        course.give(day, low_nl=best - 38_000, best_nl=best, high_nl=best + 38_000, deviations=[])
    course.receipt()
    reason = {"reason": "cup weighed", "by": "PH-01", "second": "PI-01"}
    settle(pharmacy.books, Settlement(session="2026-02-16-0000aa", low_nl=1_200_000, high_nl=1_600_000, **reason))
    jet_unit = type(unit)(unit="neb-0002", seed=b"\x05" * 32)
    enrol_unit(pharmacy.db, jet_unit.site, jet_unit.unit, jet_unit.vkey, NOW_NS)
    _order_jet(pharmacy.books)
    jet = replace(course, unit=jet_unit, subject="MEX-002")
    jet.configure()
    low = {"low_nl": 1_420_000, "best_nl": 1_510_000, "high_nl": 1_600_000, "verdict": "UNDER"}
    under = {**low, "deviations": ["underdose", "device-class-under"]}
    jet.give(1, kit="KIT-0501", **under)
    jet.receipt()
    jet.give(2, kit="KIT-0502", **under)
    note_not_done(pharmacy.books, "MEX-002", 3, 1, "subject-unwell", "", "PH-01")
    return course


def _order_jet(books: Any) -> None:
    """Enrol MEX-002 at neb-0002 with kits of a lot of its own."""
    stock.add_lot(books, "EXO2020B", "PH-01")
    stock.change_lot(books, "EXO2020B", LotState.RELEASED, "PH-01", "certificate")
    kits = [stock.NewKit(kit=kit, lot="EXO2020B", expires=date(2026, 12, 31)) for kit in JET_KITS]
    stock.import_kits(books, kits, "PH-01")
    stock.change_kits(books, JET_KITS, KitState.RELEASED, "PH-01", "checked")
    facts = {"subject": "MEX-002", "day1": date(2026, 2, 14), "unit": "neb-0002", "by": "PH-01", "second": "PH-02"}
    enrol_subject(books, Enrolment(**facts))
    dispense(books, Dispensing(subject="MEX-002", day=1, dose=1, kits=JET_KITS, by="PH-01"))


async def words(desk: Any, selector: str) -> list[str]:
    """Return what is written in each element that the selector finds, in one line each."""
    return [" ".join(text.split()) for text in await desk.locator(selector).all_inner_texts()]


async def keep(desk: Any, name: str) -> None:
    """Keep a picture for the documents, where they are asked for."""
    if os.environ.get("NEBCTL_SCREENS") == "1":
        SCREENS.mkdir(exist_ok=True)
        await desk.screenshot(path=SCREENS / f"{name}.png")
    else:
        assert (SCREENS / f"{name}.png").is_file(), f"docs/screens/{name}.png is missing: set NEBCTL_SCREENS=1"


@pytest.mark.req("S38")
async def test_a_person_reads_the_courses_and_checks_a_dose(two_courses: Any, desk: Any) -> None:
    """Doses stand with interval and verdict in words, one in doubt without a single number; Verify ticks each check."""
    await desk.wait_for_selector("button.dose")
    assert "token" not in desk.url
    assert await words(desk, ".subject:nth-child(1) .dose") == [
        "Day 1 2.94 mL (2.90 to 2.98) ✓ WITHIN complete KIT-0401",
        "Day 2 2.92 mL (2.87 to 2.96) ✓ WITHIN complete KIT-0402",
        "Day 3 1.18 to 3.02 mL not certain how much ? UNCERTAIN end uncertain settled: UNDER, 1.20 to 1.60 mL KIT-0403",
        "Day 4 2.96 mL (2.92 to 3.00) ✓ WITHIN complete KIT-0404",
        "Day 5 due KIT-0405",
    ]
    assert (await words(desk, ".subject:nth-child(2) .dose"))[1:4] == [
        "Day 2 1.51 mL (1.42 to 1.60) ↓ UNDER complete no receipt yet KIT-0502",
        "Day 3 not done KIT-0503",
        "Day 4 due KIT-0504",
    ]
    await desk.locator("button.dose").first.click()
    await desk.locator("#verify").click()
    await desk.wait_for_selector(".summary")
    assert await words(desk, ".summary") == ["✓ All 12 checks hold."]
    assert [text[0] for text in await words(desk, ".checks li")] == ["✓"] * 12
    assert await desk.evaluate(CUT_OFF) == []
    await keep(desk, "pharmacy")
    assert desk.faults == []


@pytest.mark.req("S34")
async def test_an_altered_record_fails_before_the_person_s_eyes(two_courses: Any, desk: Any) -> None:
    """A stored record that was altered shows which checks fail, by mark and by word, with what was seen."""
    db = two_courses.pharmacy.db
    db.execute("DROP TRIGGER rec_no_update")
    db.execute("UPDATE rec SET leaf = zeroblob(32) WHERE unit = 'neb-0001' AND seq = 2")
    await desk.locator("button.dose").first.click()
    await desk.locator("#verify").click()
    await desk.wait_for_selector(".summary")
    assert await words(desk, ".summary") == ["✗ 11 of 12 checks hold."]
    [failed] = await words(desk, '.checks li[data-good="false"]')
    assert failed.startswith("✗ The leaf is the text's hash: fails leaf: saw 000000")
