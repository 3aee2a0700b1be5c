"""A dose that no record tells of, on a unit as a process with a nebulizer on a pseudo-terminal, and no network."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nebctl_lab.bedside import Answer
from nebctl_lab.bench_site import Bench, until
from nebctl_lab.codes import scans

SMALL_NL = 700_000


def copied(bench: Bench, copy: Path) -> None:
    """Copy the card of a unit that is off."""
    copy.mkdir()
    for path in bench.folder.glob("unit.db*"):
        shutil.copy2(path, copy / path.name)


def put_back(bench: Bench, copy: Path) -> None:
    """Put the copy back into a unit that is off."""
    for path in bench.folder.glob("unit.db*"):
        path.unlink()
    for path in copy.iterdir():
        shutil.copy2(path, bench.folder / path.name)


@pytest.mark.req("S02")
@pytest.mark.timeout(120)
def test_the_page_asks_about_a_dose_that_the_card_forgot(
    bench: Bench, tmp_path: Path, nebctl: Callable[..., Any]
) -> None:
    """The same subject is not dosed again unasked: the unit shows, records and refuses until a person says why."""
    bench.unit.stop()
    copied(bench, tmp_path / "card")
    bench.start_unit()
    bench.begin(poured_nl=SMALL_NL, on_ms=20_000)
    bench.api.post("/api/stop")
    bench.until_state("residual")
    bench.refuse_residual()
    (start,) = bench.records("start")
    bench.unit.stop()
    put_back(bench, tmp_path / "card")
    assert bench.records("start") == []

    bench.start_unit()
    until(lambda: bench.view()["alarms"], "the alarm")
    (alarm,) = bench.view()["alarms"]
    assert alarm["condition"] == "run-unknown"
    assert "not in this unit's log" in alarm["wrong"]
    assert "Call the pharmacy before the next dose" in alarm["act"]
    until(lambda: bench.records("incident"), "the record")
    (incident,) = bench.records("incident")
    assert (incident["kind"], incident["run"], incident["device_end"]) == ("run-unknown", start["run"], "stop")
    with pytest.raises(Answer, match="run-unknown"):
        bench.scan()
    assert bench.view()["state"] == "idle"

    word = {"limit": "run-unknown", "reason": "the pharmacy says: another kit, after a call"}
    bench.api.post("/api/scan", operator="RT-07", **scans(bench.subject, str(start["kit"])), confirmed=word)
    until(lambda: not bench.view()["alarms"], "the alarm is over")
    assert [record["text"] for record in bench.records("override")] == [word["reason"]]
    bench.api.post("/api/stop")
    checked = nebctl("ledger", "verify", bench.folder / "unit.db", "--trust", bench.site.trust)
    assert checked.returncode == 0, checked.stdout
