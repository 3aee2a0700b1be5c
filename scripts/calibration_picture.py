#!/usr/bin/env python3
"""Writes docs/pictures/calibration-chart.svg: a simulated mesh, calibrated, that clogs on its third day of five.

Takes another file's name, and then how many days, as arguments. Five days take about a minute.
"""

import sys
from pathlib import Path

from nebctl.chart_picture import chart_svg
from nebctl.core.dose.control import Charted, chart
from nebctl.core.rates import points, serials
from nebctl.store.prove import read
from nebctl.store.reader import LedgerFile
from nebctl_lab.scenario.form import load_scenario
from nebctl_lab.scenario.player import Player
from nebctl_lab.scenario.timeline import Report
from nebctl_lab.scenario.virtual import ScenarioSite, plan_of
from nebctl_lab.virtual import run_virtual

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "calibration-chart.svg"
TITLE = "Rate of {serial}, a simulated mesh that clogs on its third day"
SITE = """format = "nebctl-scenario/1"
title = "A mesh clogs"
about = "Five days of doses, each with its residual weighed."
[[unit]]
id = "neb-0001"
device = "mesh"
subjects = ["MEX-001"]
calibrated = true
"""
DAY = """[[step]]
at = "day {day} 10:00"
do = "begin a dose"
[[step]]
when = "state residual or paused"
do = "press STOP"
[[step]]
when = "state residual"
do = "finish the dose"
"""
CLOG = """[[step]]
do = "inject clog"
"""


async def course(days: int) -> tuple[Report, str, tuple[Charted, ...]]:
    """Give so many days of the course and return how they went, the device's serial number and its chart."""
    text = SITE + "".join((CLOG if day == 3 else "") + DAY.format(day=day) for day in range(1, days + 1))
    scenario = load_scenario(text, Path(__file__).name, "clogs")
    assert not isinstance(scenario, tuple), scenario
    async with ScenarioSite(plan_of(scenario, scenario.seed)) as site:
        report = await Player(scenario, site, scenario.seed).play()
        with LedgerFile.open(site.root / "units" / "neb-0001" / "unit.db") as file:
            entries = [entry for _, entry in read(file)]
    (serial,) = serials(entries)
    return report, serial, chart(points(entries, serial))


def main(target: Path, days: int) -> None:
    """Draw the picture."""
    report, serial, charted = run_virtual(course(days))
    if not report.passed:
        raise SystemExit("\n".join(map(str, report.lines)))
    target.write_text(chart_svg(charted, TITLE.format(serial=serial)), encoding="utf-8")


if __name__ == "__main__":
    file, days = (*sys.argv[1:], *(str(PICTURE), "5")[len(sys.argv) - 1 :])
    main(Path(file), int(days))
