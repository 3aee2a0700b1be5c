"""`nebctl bench wire`: every part runs, the figures have their limits beside them, and nothing wrong is counted."""

import json
import subprocess
import sys

import pytest

from nebctl_lab.bench.matrix import Counts
from nebctl_lab.bench.wire import _sum_up


@pytest.fixture(scope="module")
def figures() -> dict[str, object]:
    """Run the quick benchmark once."""
    command = (sys.executable, "-m", "nebctl", "bench", "wire", "--quick", "--json")
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr  # a quick run fails on a wrong answer alone
    assert run.stdout.count("\n") == 1
    return dict(json.loads(run.stdout))


def test_no_count_of_wrong_answers_is_above_zero(figures: dict[str, object]) -> None:
    """Every key that begins with `wrong`, at any depth, counts 0."""

    def wrongs(value: object) -> list[int]:
        if isinstance(value, dict):
            own = [count for key, count in value.items() if key.startswith("wrong")]
            return own + [count for inner in value.values() for count in wrongs(inner)]
        return [count for inner in value for count in wrongs(inner)] if isinstance(value, list) else []

    counts = wrongs(figures)
    assert len(counts) > 50
    assert set(counts) == {0}


def test_every_figure_stands_beside_its_limit(figures: dict[str, object]) -> None:
    """Reads, lateness, share of a core, STOP and matrix are each judged, and all devices were read."""
    assert set(figures["limits"]) == {
        "reads",
        "fleet_late",
        "fleet_core",
        "fleet_lost",
        "stop",
        "matrix",
        "matrix_served",
    }  # type: ignore[call-overload]
    assert figures["fleet"]["devices"] == 16  # type: ignore[index]
    assert figures["fleet"]["lost"] == 0  # type: ignore[index]
    assert figures["stop"]["stops"] == 30  # type: ignore[index]
    assert figures["stop"]["frame_ms"] + 20 == pytest.approx(figures["stop"]["limit_ms"])  # type: ignore[index]


def test_a_figure_beyond_its_limit_is_said(figures: dict[str, object]) -> None:
    """One figure out of its limit, or one wrong answer, and the whole is not kept."""
    good = (
        {"ratio": 0.95},
        {"p99_ms": 20.0, "core_share": 0.1, "lost": 0, "polls": 4800},
        {"p999_ms": 5.0, "limit_ms": 22.0},
    )
    assert _sum_up(*good, [], [])["kept"]
    assert not _sum_up({"ratio": 0.89}, *good[1:], [], [])["kept"]
    assert not _sum_up(good[0], {"p99_ms": 50.1, "core_share": 0.1, "lost": 0, "polls": 4800}, good[2], [], [])["kept"]
    assert not _sum_up(good[0], {"p99_ms": 4.0, "core_share": 0.1, "lost": 4784, "polls": 4800}, good[2], [], [])[
        "kept"
    ]
    deaf = Counts(fault="none", unit=40, asked=100, lost=100)
    assert not _sum_up(*good, [deaf], [])["kept"]
    assert not _sum_up(*good[:2], {"p999_ms": 22.1, "limit_ms": 22.0}, [], [])["kept"]
