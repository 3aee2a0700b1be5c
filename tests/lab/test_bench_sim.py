"""`nebctl bench sim`: every part runs, the figures have their limits beside them, and the page is written by it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nebctl_lab.bench.sim import BEGIN, END, _sum_up
from nebctl_lab.bench.sim_answers import speakers
from nebctl_lab.bench.sim_population import Row
from nebctl_lab.bench.sim_published import FACTS

GOOD: tuple[dict[str, Any], ...] = (
    {"times_real_time": 8000},
    {"seconds": 60.0},
    {"ratio": 1.0},
    {"core_share": 1.0, "lost": 0},
)
ROWS = [Row(fact=fact, drawn=fact.low) for fact in FACTS]
COURSE = {"course_s": 20.0}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = (sys.executable, "-m", "nebctl", "bench", "sim", *arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """Run the quick benchmark once."""
    done = run("--quick", "--json")
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout.count("\n") == 1
    loaded = dict(json.loads(done.stdout))
    assert done.returncode == (0 if loaded["kept"] else 1)
    return loaded


def test_every_part_runs_and_has_its_limit(figures: dict[str, Any]) -> None:
    """Speed, population, answers and devices are measured, and all 32 devices answered everything."""
    assert set(figures["limits"]) == {"speed", "population", "answers", "devices", "published"}
    assert (figures["devices"]["devices"], figures["devices"]["lost"]) == (32, 0)
    assert figures["population"]["doses"] == 20
    assert figures["speed"]["times_real_time"] > 0
    assert set(figures["answers"]) >= {f"{name}_per_s" for name in speakers(Path())}


def test_the_published_figures_are_kept(figures: dict[str, Any]) -> None:
    """Each published figure is told with its range, and none lies outside."""
    assert set(figures["published"]) == {fact.key for fact in FACTS}
    assert figures["limits"]["published"]


def test_a_figure_beyond_its_limit_is_said() -> None:
    """At its limit each figure is kept; any one beyond it, and the whole is not."""
    assert _sum_up(*GOOD, ROWS, COURSE)["kept"]
    bad = (
        {"times_real_time": 7999},
        {"seconds": 60.1},
        {"ratio": 0.99},
        {"core_share": 1.01, "lost": 0},
    )
    for place, figure in enumerate(bad):
        assert not _sum_up(*GOOD[:place], figure, *GOOD[place + 1 :], ROWS, COURSE)["kept"]
    assert not _sum_up(*GOOD[:3], {"core_share": 0.1, "lost": 1}, ROWS, COURSE)["kept"]
    assert not _sum_up(*GOOD, [*ROWS, Row(fact=FACTS[0], drawn=9.0)], COURSE)["kept"]
    assert not _sum_up(*GOOD, ROWS, {"course_s": 20.1})["kept"]


def test_the_table_is_written_between_the_marks(tmp_path: Path) -> None:
    """What stands before and behind the marks stays, the old table goes, and a second run changes nothing."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nbehind\n", encoding="utf-8")
    assert run("--write-docs", str(page)).returncode == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n| preset |")
    assert text.endswith(f"|\n{END}\nbehind\n")
    assert "\nold\n" not in text
    assert text.count("\n") == len(FACTS) + 6
    assert run("--write-docs", str(page)).returncode == 0
    assert page.read_text(encoding="utf-8") == text


def test_a_page_without_marks_is_refused(tmp_path: Path) -> None:
    """The page is named with what it lacks, and stays as it is."""
    page = tmp_path / "page.md"
    page.write_text("nothing\n", encoding="utf-8")
    done = run("--write-docs", str(page))
    assert done.returncode == 1
    assert str(page) in done.stderr
    assert "Traceback" not in done.stderr
    assert page.read_text(encoding="utf-8") == "nothing\n"
