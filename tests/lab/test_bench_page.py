"""`nebctl bench page`: every part runs, and the figures are of what the pages showed."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from nebctl_lab.bench.page import describe, figures_of_values, sum_up
from nebctl_lab.bench.page_tap import Heard, noted
from nebctl_lab.browser import missing

GOOD_VALUES: dict[str, Any] = {"p99_ms": 249.0, "lost": 0, "wrong": 0}
GOOD_HOUR: dict[str, Any] = {"memory_growth": 1.1}


@pytest.mark.timeout(180)
def test_every_part_runs_and_shows_what_is_so() -> None:
    """STARTs are held on a page, four pages show what a device reports, and four readers hear a stream."""
    if lack := missing():
        pytest.fail(lack) if os.environ.get("CI") == "true" else pytest.skip(lack)
    command = (sys.executable, "-m", "nebctl", "bench", "page", "--quick", "--json")
    run = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert run.returncode == 0, run.stderr  # a quick run fails on a wrong page alone
    figures = json.loads(run.stdout)
    assert set(figures["limits"]) == {"start", "shown", "memory", "right"}
    assert (figures["start"]["starts"], figures["shown"]["pages"]) == (2, 4)
    assert 0 < figures["start"]["p50_ms"] <= figures["start"]["most_ms"]
    assert figures["shown"]["reports"] > 20
    events = [reader["events"] for reader in figures["hour"]["readers"]]
    assert min(events[:3]) > 100 > events[3] > 10


def test_a_report_counts_until_a_frame_shows_it_or_a_later_one() -> None:
    """A value that a page left out is shown by the next one; a repeat of a report is no new value."""
    heard = Heard(starts=(), reports=((0.0, 50), (10.0, 100), (20.0, 100), (90.0, 150)))
    frames = ((95.0, 100, 1_234_999, "1.23"), (190.0, 150, 1_235_000, "1.24"))
    figures = figures_of_values(heard, [frames, frames])
    assert (figures["reports"], figures["frames"], figures["lost"], figures["wrong"]) == (3, 4, 0, 0)
    assert (figures["p50_ms"], figures["most_ms"]) == (95.0, 100.0)


def test_what_no_frame_shows_and_what_shows_another_number_is_wrong() -> None:
    """A report after the last frame is lost, a number beside its view's volume is wrong."""
    heard = Heard(starts=(), reports=((0.0, 50), (10.0, 100)))
    figures = figures_of_values(heard, [((5.0, 50, 1_234_999, "1.24"),)])
    assert (figures["lost"], figures["wrong"]) == (1, 1)


@pytest.mark.parametrize(
    ("starts", "values", "hour", "limit"),
    [
        ([301.0], {}, {}, "start"),
        ([-1.0], {}, {}, "right"),
        ([1.0], {"p99_ms": 251.0}, {}, "shown"),
        ([1.0], {"wrong": 1}, {}, "right"),
        ([1.0], {"lost": 1}, {}, "right"),
        ([1.0], {}, {"memory_growth": 1.2}, "memory"),
    ],
)
def test_a_figure_beyond_its_limit_is_said(
    starts: list[float], values: dict[str, Any], hour: dict[str, Any], limit: str
) -> None:
    """All figures within their limits are kept; one out of its limit, and the whole is not."""
    assert sum_up([300.0], GOOD_VALUES, GOOD_HOUR)["kept"] is True
    bad = sum_up(starts, GOOD_VALUES | values, GOOD_HOUR | hour)
    assert [name for name, kept in bad["limits"].items() if not kept] == [limit]
    assert bad["kept"] is False
    rest = {"p50_ms": 1, "most_ms": 2, "reports": 3, "frames": 4}
    told = bad | {"shown": {**bad["shown"], **rest}, "hour": _whole(bad["hour"]), "load": [1, 2], "seconds": 3}
    assert "NOT ALL LIMITS KEPT" in list(describe(told))[-1]


def _whole(hour: dict[str, Any]) -> dict[str, Any]:
    return {"memory_third_mb": 1, "memory_end_mb": 2, "virtual_s": 3, **hour}


def test_the_tap_notes_answers_alone() -> None:
    """A START that was taken and a STAT are noted with their on-time; requests, events and refusals are not."""
    assert noted("$A,4,STAT,RUN,0badcafe,12500,-,7,83.4,128250,1460,221,0,-*3736\r", 7) == "7,STAT,12500\n"
    assert noted("$A,4,START,0badcafe,600000*1234", 8) == "8,START,0\n"
    for line in ("$R,4,START,0badcafe,600000*1234", "$N,4,START,CUP*1234", "$A,5,BEAT*00", "noise"):
        assert noted(line, 9) == ""
