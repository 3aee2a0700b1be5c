"""What one update of the estimate costs, and whether its memory stays the same however long a dose lasts."""

import pickle
import statistics
import time
from typing import Any

from nebctl.core.dose import NOTHING, track
from nebctl.core.dose.calibration import with_calibration
from nebctl_lab.bench.dose.figures import quantile
from nebctl_lab.bench.dose.population import make_run, model_of
from nebctl_lab.bench.dose.run import Case, Column, Run

MEAN_LIMIT_US = 100.0
GROWTH_LIMIT = 1.1
SEED = 20_000_000
CASES = (Case(preset="mesh.solo", column=Column.MESH_BALANCE), Case(preset="jet.lc", column=Column.JET_BALANCE))


def measure_cost(runs: int) -> dict[str, Any]:
    """Return the mean and the 99th percentile of one update in us, and by how much the estimate grows in a run.

    The time is that of the processor. The growth is the estimate's size, as pickled, at the end of a run over that
    after a tenth of it.
    """
    costs_ns: list[int] = []
    growth = 0.0
    for case in CASES:
        for seed in range(SEED, SEED + runs):
            sizes = _follow(make_run(case, seed), costs_ns)
            growth = max(growth, sizes[-1] / sizes[len(sizes) // 10])
    return {
        "updates": len(costs_ns),
        "mean_us": round(statistics.fmean(costs_ns) / 1000, 1),
        "p99_us": round(quantile(costs_ns, 0.99) / 1000, 1),
        "limit_us": MEAN_LIMIT_US,
        "growth": round(growth, 3),
        "growth_limit": GROWTH_LIMIT,
        "kept": statistics.fmean(costs_ns) / 1000 <= MEAN_LIMIT_US and growth <= GROWTH_LIMIT,
    }


def _follow(run: Run, costs_ns: list[int]) -> list[int]:
    """Track one run, add what each update cost, and return the estimate's size after each."""
    model = with_calibration(model_of(run.case.preset), run.calibration)
    estimate = NOTHING
    sizes = []
    for reading in run.readings:
        began = time.process_time_ns()
        estimate = track(estimate, reading, run.charge, model)
        costs_ns.append(time.process_time_ns() - began)
        sizes.append(len(pickle.dumps(estimate)))
    return sizes
