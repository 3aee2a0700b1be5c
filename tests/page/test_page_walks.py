"""The two walks of docs/tutorial, done as they are written: every scan, touch and hold, and nothing else."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nebctl_lab.codes import cup_code, scans
from nebctl_lab.people import PIN

from .gallery.conftest import SCREENS

pytestmark = pytest.mark.timeout(80)
TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial"
LINE = re.compile(r"^\d+\. (Scan|Type|Touch|Hold) (.+)$", re.MULTILINE)
PICTURE = re.compile(r"\]\(\.\./screens/([\w-]+)\.png\)")
BADGE, ENTER = "]C0RT-07", "\r"
SCREEN_OF = {screen.name: screen.screen for screen in SCREENS}


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a walk: what is done, with what, and the screen on which it is done."""

    verb: str
    what: str
    screen: str


def steps(page: str) -> Iterator[Step]:
    """Return the steps of a walk as its page lists them; each has its picture below it."""
    text = (TUTORIAL / page).read_text("utf-8")
    for found in LINE.finditer(text):
        picture = PICTURE.search(text, found.end())
        assert picture, found.group(0)
        yield Step(found.group(1), found.group(2), SCREEN_OF[picture.group(1)])


def walk(panel: Any, page: str, codes: dict[str, str]) -> Counter[str]:
    """Do what the page says, step by step, and return how often each kind of thing was done."""
    done: Counter[str] = Counter()
    for step in steps(page):
        panel.on(step.screen)
        panel.page.wait_for_selector("#main h1", state="attached")
        done[step.verb] += 1
        named = re.search(r"\*\*(.+?)\*\*", step.what)
        if step.verb == "Scan":
            panel.ward.scan(*codes[step.what.split(".")[0]].split(ENTER))
        elif step.verb == "Hold":
            panel.upper(named.group(1).lower())
            panel.hold()
        else:
            if step.verb == "Type":
                panel.page.wait_for_timeout(60)
                panel.keys(codes[" ".join(step.what.split()[:2]).strip(",.")])
            panel.tap(named.group(1))
    return done


def codes_of(kit: str) -> dict[str, str]:
    """Return what a scanner sends of badge, wristband and card, of kit and cup at one trigger, and the PIN."""
    scanned = scans("MEX-001", f"KIT-{kit}")
    subject = {"the wristband": scanned["band"], "the study card or the bed label": scanned["card"]}
    both = f"{scanned['kit']}{ENTER}{cup_code()}"
    return {"your badge": BADGE, **subject, "the kit and its cup": both, "your PIN": PIN}


@pytest.mark.req("S49")
def test_from_a_locked_page_to_a_running_dose_to_a_signed_part_of_it(panel: Any, ward: Any) -> None:
    """Badge, PIN, three scans and four touches start a dose; four touches, a number, a scan and a PIN sign part of it.

    The walks' pages list exactly these, each with its picture.
    """
    kit = ward.morning()
    done = walk(panel, "from-idle-to-running.md", codes_of(kit))
    assert done == {"Scan": 4, "Type": 1, "Touch": 3, "Hold": 1}
    panel.on("running")
    panel.upper("pause")
    assert ward.records("charge")[-1]["cup"] == "CUP-1"
    ward.run_at(60)
    panel.until(lambda: float(panel.text("#emitted")) > 0.9)
    ward.run_at(1)
    left_nl = int(ward.device.post("/empty")["drawn_nl"])
    panel.page.wait_for_selector('#alarm[data-priority="medium"]', timeout=20_000)
    panel.upper("resume")
    given = {"your badge": BADGE, "your PIN": PIN, "the volume": f"{left_nl / 1e6:.2f}"}
    done = walk(panel, "from-an-alarm-to-a-signed-dose.md", given)
    assert done == {"Touch": 4, "Type": 2, "Scan": 1}
    panel.on("idle")
    dose, signature = ward.records("dose")[-1], ward.records("signature")[-1]
    assert (dose["end"], signature["ref_seq"]) == ("stopped", dose["seq"])
    assert dose["low_nl"] <= 3_000_000 - left_nl <= dose["high_nl"]
    assert ward.records("chart")[-1]["reason"] == "device"
    assert panel.faults == []
