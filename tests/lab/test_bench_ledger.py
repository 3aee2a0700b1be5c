"""`nebctl bench ledger`: every part runs, and each figure stands beside its limit and is judged by it."""

import copy
import json
import subprocess
import sys
from typing import Any

import pytest

from nebctl_lab.bench.ledger import sum_up


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """Run the quick benchmark once."""
    command = (sys.executable, "-m", "nebctl", "bench", "ledger", "--quick", "--json")
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("\n") == 1
    return dict(json.loads(run.stdout))


def test_every_figure_stands_beside_its_limit(figures: dict[str, Any]) -> None:
    """Single appends, batches, waiting callers, the loop and the start are measured, each against its own limit."""
    assert set(figures["limits"]) == {"single", "batch", "waiting", "loop", "start", "fsck"}
    limits = {part: figures[part]["ratio_limit"] for part in ("single", "batch", "waiting")}
    assert figures["fsck"]["ratio_limit"] == 0.7
    assert limits == {"single": 0.6, "batch": 3.0, "waiting": 3.0}
    assert (figures["loop"]["held_limit_ms"], figures["loop"]["fsync_ms"]) == (20.0, 60.0)
    assert (figures["start"]["beyond_limit_s"], figures["start"]["records"]) == (2.0, 2000)
    assert figures["loop"]["seconds"] > 0.06  # the disk was slow in truth


BEYOND = [
    ("single", "ratio", 0.59),
    ("batch", "ratio", 2.9),
    ("waiting", "ratio", 2.9),
    ("loop", "held_ms", 20.1),
    ("start", "beyond_s", 2.1),
    ("fsck", "ratio", 0.69),
]


@pytest.mark.parametrize(("part", "figure", "value"), BEYOND, ids=[part for part, _, _ in BEYOND])
def test_a_figure_beyond_its_limit_is_said(figures: dict[str, Any], part: str, figure: str, value: float) -> None:
    """With all else in its limits, one figure out of them makes the whole not kept, and is the one that is named."""
    good = copy.deepcopy(figures)
    good |= {name: good[name] | {"ratio": good[name]["ratio_limit"]} for name in ("single", "batch", "waiting", "fsck")}
    good["loop"]["held_ms"], good["start"]["beyond_s"] = 20.0, 2.0
    assert judged(good)["kept"]
    good[part][figure] = value
    assert [name for name, kept in judged(good)["limits"].items() if not kept] == [part]
    assert not judged(good)["kept"]


def judged(figures: dict[str, Any]) -> dict[str, Any]:
    """Return the figures judged anew."""
    appends = {name: figures[name] for name in ("single", "batch", "waiting")}
    return sum_up(appends, figures["loop"], figures["start"], figures["fsck"])
