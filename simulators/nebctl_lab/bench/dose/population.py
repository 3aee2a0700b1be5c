"""Many runs, one after the other or over all processors; the same seeds always give the same runs."""

from bisect import bisect_right
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

from nebctl.core.dose import DeviceModel
from nebctl_drivers.priors import PRESETS
from nebctl_lab.bench.dose.jet_runs import make_jet_run
from nebctl_lab.bench.dose.judge import RunResult, judge
from nebctl_lab.bench.dose.mesh_runs import make_mesh_run
from nebctl_lab.bench.dose.run import Case, Column, Course, Origin, Run, Stress, seen_by
from nebctl_lab.bench.dose.second_jet import make_second_jet
from nebctl_lab.bench.dose.second_mesh import make_second_mesh

FIRST_SEED = {"tune": 0, "report": 10_000_000}
"""Where the seeds begin on which the estimator is tuned, and those on which its figures are reported."""
MAKERS = {
    (Origin.PLANT, False): make_mesh_run,
    (Origin.PLANT, True): make_jet_run,
    (Origin.SECOND, False): make_second_mesh,
    (Origin.SECOND, True): make_second_jet,
}
LOOKED_FOR_MS = 150_000
"""A loss of rate that is not found in so long counts as not found; what comes later is not replayed."""
Job = tuple[Case, int, tuple[Column, ...]]


def make_run(case: Case, seed: int) -> Run:
    """Return one run as its column sees it; the same case and seed always give the same."""
    return seen_by(MAKERS[case.origin, case.column.is_jet](case, seed), case.column)


def run_many(
    preset: str,
    column: Column,
    n: int,
    which: str = "tune",
    *,
    course: Course = Course.USUAL,
    stress: Stress = Stress.NONE,
    origin: Origin = Origin.PLANT,
    share_known: bool = False,
) -> list[RunResult]:
    """Return `n` judged runs of the set `tune` or `report`."""
    case = Case(preset=preset, column=column, course=course, stress=stress, origin=origin, share_known=share_known)
    return list(judge_all(case, n, which, (column,)))


def judge_all(case: Case, n: int, which: str, columns: tuple[Column, ...]) -> Iterator[RunResult]:
    """Yield `n` runs of one case, each judged as every one of `columns` sees it."""
    first = FIRST_SEED[which]
    jobs: list[Job] = [(case, seed, columns) for seed in range(first, first + n)]
    with ProcessPoolExecutor() as pool:
        for results in pool.map(_judge_one, jobs, chunksize=max(1, min(8, n // 8))):
            yield from results


def until(run: Run, at_ms: int) -> Run:
    """Return the run as it was recorded up to a moment; its truth still ends where it did."""
    count = bisect_right([reading.at_ms for reading in run.readings], at_ms)
    truth = replace(run.truth, emitted_nl=run.truth.emitted_nl[:count], rate_nl_s=run.truth.rate_nl_s[:count])
    return replace(run, readings=run.readings[:count], truth=truth)


def model_of(preset: str) -> DeviceModel:
    """Return the prior of a preset's product class."""
    return PRESETS[preset]


def _judge_one(job: Job) -> list[RunResult]:
    case, seed, columns = job
    run = make_run(replace(case, column=max(columns, key=lambda column: column.has_balance)), seed)
    if run.truth.loss_ms is not None:
        run = until(run, run.truth.loss_ms + LOOKED_FOR_MS)
    model = model_of(case.preset)
    return [judge(seen_by(run, column), model) for column in columns]
