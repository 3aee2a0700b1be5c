"""`nebctl bench stream`: every part runs, and the figures have their limits beside them."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from nebctl_lab.bench.stream import _sum_up, describe
from nebctl_lab.stream import mosquitto

GOOD: tuple[dict[str, Any], ...] = (
    {"p50_ms": 4.9, "p99_ms": 24.9, "most_ms": 30.0, "records": 100},
    {"bare_per_s": 1000.0, "taken_per_s": 810.0, "ratio": 0.81, "one_core_per_s": 550.0, "one_core_ratio": 0.55},
    {"per_s": 351.0, "records": 600, "units": 2, "memory_third_mb": 50, "memory_end_mb": 51, "memory_growth": 1.02},
)


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """Run the quick benchmark once."""
    if (missing := mosquitto.missing()) is not None:
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    command = (sys.executable, "-m", "nebctl", "bench", "stream", "--quick", "--json")
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr  # a quick run fails on a lost record alone
    assert run.stdout.count("\n") == 1
    return dict(json.loads(run.stdout))


def test_every_part_runs_and_loses_nothing(figures: dict[str, Any]) -> None:
    """Each figure is there with its limit, and no record was lost on the way."""
    assert set(figures["limits"]) == {"p50", "p99", "from_memory", "over_mqtt", "memory", "whole"}
    assert figures["wrong"] == 0
    assert figures["limits"]["whole"] is True
    assert figures["over_mqtt"]["records"] == 600
    assert figures["from_memory"]["ratio"] == pytest.approx(
        figures["from_memory"]["taken_per_s"] / figures["from_memory"]["bare_per_s"], abs=0.001
    )


@pytest.mark.parametrize(
    ("part", "name", "value", "limit"),
    [
        (0, "p50_ms", 5.1, "p50"),
        (0, "p99_ms", 25.1, "p99"),
        (1, "ratio", 0.79, "from_memory"),
        (2, "per_s", 349.0, "over_mqtt"),
        (2, "memory_growth", 1.2, "memory"),
        (2, "records", 601, "whole"),
    ],
)
def test_a_figure_beyond_its_limit_is_said(part: int, name: str, value: float, limit: str) -> None:
    """All figures within their limits are kept; one out of its limit, or one lost record, and the whole is not."""
    good = _sum_up(*GOOD, 600)
    assert good["kept"] is True
    parts = [dict(each) for each in GOOD]
    parts[part][name] = value
    bad = _sum_up(*parts, 600)
    assert [name for name, kept in bad["limits"].items() if not kept] == [limit]
    assert not bad["kept"]
    assert "NOT ALL LIMITS KEPT" in list(describe(bad | {"seconds": 1.0}))[-1]
