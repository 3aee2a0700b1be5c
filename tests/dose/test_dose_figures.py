"""The estimator says of every made-up run what it said before under the same name."""

import json
import math
from typing import Any

import pytest

from nebctl.core.dose import NAME
from tests.dose.made_runs import RUNS
from tests.dose.told import FIGURES, told

KEPT = json.loads(FIGURES.read_text("utf-8"))
NEAR_NL, NEAR = 2, 3e-5
"""Mathematical libraries round the last bit of an exponential differently; nothing stays nothing."""


def differs(kept: Any, now: Any, where: str = "") -> str:
    """Return where two figures differ by more than rounding, "" where they do not."""
    if isinstance(kept, dict) and isinstance(now, dict) and kept.keys() == now.keys():
        return next(filter(None, (differs(kept[key], now[key], f"{where} {key}") for key in kept)), "")
    if isinstance(kept, list) and isinstance(now, list) and len(kept) == len(now):
        pairs = enumerate(zip(kept, now, strict=True))
        return next(filter(None, (differs(a, b, f"{where}[{place}]") for place, (a, b) in pairs)), "")
    return "" if near(kept, now) else f"{where}: kept {kept}, now {now}"


def near(kept: Any, now: Any) -> bool:
    """Return whether two values are the same but for rounding."""
    if type(kept) is not type(now) or not kept or not now or isinstance(kept, bool | str):
        return bool(kept == now)
    return math.isclose(
        kept, now, rel_tol=NEAR if isinstance(kept, float) else 0.0, abs_tol=NEAR_NL * isinstance(kept, int)
    )


@pytest.mark.parametrize("name", RUNS)
def test_a_name_stands_for_its_figures(name: str) -> None:
    """What an estimator says of a trace belongs to its name: an auditor who estimates again must get the same.

    Where it is meant to say something else, it gets another name, and scripts/dose_figures.py writes its figures.
    """
    assert KEPT["estimator"] == NAME
    assert differs(KEPT["runs"][name], told(name)) == ""


def test_every_run_has_figures() -> None:
    """No run without figures, no figures without a run; and not all of them are the same."""
    assert set(KEPT["runs"]) == set(RUNS)
    ends = {json.dumps(each["fits"]) for each in KEPT["runs"].values()}
    assert len(ends) == len(RUNS)
