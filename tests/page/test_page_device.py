"""The device's own screen: the control chart of its rate, from the unit's records, and how its calibration stands."""

import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from nebctl.core.calibrated import Standing
from nebctl_lab.codes import cup_code, scans
from nebctl_lab.demo.site import FIRST_MORNING
from nebctl_lab.people import PIN
from tests.page.conftest import LOOK, OPERATOR, SEED, SERIAL, open_panel, start_ward, want_browser
from tests.page.test_page_dose import FAST

pytestmark = pytest.mark.timeout(80)

CATALOGUES = Path(__file__).parents[2] / "nebctl" / "bedside" / "page"
WEEKS = {FIRST_MORNING - timedelta(weeks=weeks): seed for weeks, seed in ((3, 4), (2, 5), (1, SEED), (0, SEED))}
"""Another seed is another plant: a device that changed."""


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give a ward whose device was calibrated four times, a week apart."""
    want_browser()
    with contextlib.ExitStack() as stack:
        yield start_ward(tmp_path_factory.mktemp("ward") / "site", stack, calibrated=WEEKS)


def give_a_dose(ward: Any, *, left: str) -> None:
    """Give the day's dose by a script, and say that so much was drawn out of the cup."""
    kit = ward.morning()
    press = ward.machine.post
    press("/api/scan", operator=OPERATOR, **scans("MEX-001", f"KIT-{kit}"))
    ready = press("/api/charge", cup=cup_code(), method="declared", vial_emptied=True, volume="3 mL")
    press("/api/start", auth=ready["review"]["auth"])
    ward.run_at(FAST)
    deadline = time.monotonic() + 40
    while ward.state()["state"] != "residual":
        assert time.monotonic() < deadline, "the dose does not end"
        time.sleep(0.05)
    ward.run_at(1)
    press("/api/residual", operator=OPERATOR, measured={"volume": left})
    press("/api/leave")


def charted(ward: Any) -> tuple[dict[str, Any], int]:
    """Return what `nebctl calibrate chart` says of the unit's ledger, and its exit code."""
    ledger = ward.site.unit("neb-0001") / "unit.db"
    command = [sys.executable, "-m", "nebctl", "calibrate", "chart", str(ledger), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return json.loads(done.stdout), done.returncode


def test_the_device_in_chinese(browser: Any, ward: Any) -> None:
    """The same screen in Chinese has no English word in it, and fits."""
    with open_panel(browser, ward) as panel:
        panel.page.goto(f"{ward.address}/?lang=zh")
        panel.on("login")
        panel.box("operator")
        panel.keys("07")
        panel.tap("下一步")
        panel.keys(PIN)
        panel.tap("登录")
        panel.on("idle")
        panel.tap("雾化器")
        panel.page.wait_for_selector(".device svg .calibration")
        panel.until(lambda: not ward.state()["alarms"])  # before the dose below, whose unsigned part is one
        panel.page.wait_for_selector("#alarm", state="hidden")
        shown = panel.text(".device").replace(SERIAL, "").replace("mL/min", "")
        assert re.findall(r"[A-Za-z]{2,}", shown) == []
        assert panel.page.evaluate(LOOK, 1) == []


def test_the_page_has_the_command_s_chart(panel: Any, ward: Any) -> None:
    """The page's chart is the command's, point by point: four calibrations, and a dose that drifts once it was weighed.

    What is drawn is one mark for each point, the calibration in use as a figure, and a sentence that says what to do;
    on the panel nothing is small, cut off, or in the colour of an alarm. The next self-test says it too.
    """
    panel.log_in()
    panel.until(lambda: not ward.state()["alarms"])  # records of weeks are sent first
    panel.page.wait_for_selector("#alarm", state="hidden")
    panel.tap("Device")
    panel.on("device")
    panel.page.wait_for_selector(".device svg .calibration")
    told = ward.machine.get("/api/device")
    stands = told.pop("calibration")
    assert (told, 0) == charted(ward)
    assert [point["kind"] for point in told["points"]] == ["calibration"] * 4
    assert (stands["standing"], stands["drift"]) == ("good", None)
    assert panel.text(".told") == "Calibrated less than a day ago."
    panel.tap("Back")
    panel.on("idle")
    give_a_dose(ward, left="1.2 mL")
    panel.tap("Device")
    panel.page.wait_for_selector(".device svg .weighed")
    told = ward.machine.get("/api/device")
    stands = told.pop("calibration")
    assert (told, 1) == charted(ward)
    assert [point["kind"] for point in told["points"]] == ["calibration"] * 4 + ["dose"]
    assert told["flagged"] == [told["points"][-1]["seq"]]
    assert stands["drift"]["way"] == "less"
    drifting = f"Drifting: a dose since gave {stands['drift']['percent']} % less. Calibrate before the next dose."
    assert panel.text(".told") == drifting
    assert panel.page.locator(".device > svg .calibration, .device > svg .weighed").count() == 5
    rate = told["points"][3]["rate_nl_per_s"] * 60 / 1e6
    assert panel.text(".device .rate").startswith(f"{rate:.3f} mL/min")
    panel.keep("device-drifting")
    assert panel.page.evaluate(LOOK, 1) == []
    panel.tap("Back")
    kit = ward.morning()
    panel.prepare(kit, until="selftest")
    assert any(drifting in text for text in panel.page.locator(".checks li").all_inner_texts())
    last, foot = (panel.page.locator(each).last.bounding_box() for each in (".checks li", ".foot"))
    assert last["y"] + last["height"] <= foot["y"]
    assert panel.faults == []


def test_nobody_sees_the_device_s_chart(ward: Any) -> None:
    """Without a badge or the machine's token the chart is not told."""
    answer = httpx.get(f"{ward.address}/api/device")
    assert (answer.status_code, answer.json()["code"]) == (401, "token")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_standing_has_its_sentence(language: str) -> None:
    """Both catalogues say what to do about each way in which a calibration can stand, and about drift."""
    words = json.loads((CATALOGUES / f"text.{language}.json").read_text("utf-8"))
    wanted = {f"calibration_{standing.value}" for standing in Standing} | {
        f"calibration_drift_{w}" for w in ("less", "more")
    }
    assert wanted - words.keys() == set()
