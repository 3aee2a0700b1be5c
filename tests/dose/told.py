"""What the estimator says of a made-up run: what people and records are told, in whole units."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from nebctl.core.dose import NOTHING, DoseEstimate, Interval, Method, Residual, seconds_left, settle, track
from nebctl.core.dose.conduct import conduct
from nebctl.core.dose.spread import spread_of
from tests.dose.made_runs import RUNS, Run, readings

FIGURES = Path(__file__).parent / "figures.json"
ROWS, INSIDE = 24, 8
"""So many rows of a run are kept, and so many times what is inside the estimate."""
WEIGHED = 4
"""Each fourth row of a run on a balance is kept as the balance's filter has it."""
SEEN_AT = 0.6
"""From this share of a run on an operator has seen the end, in the runs that say so."""
ADDED = Interval(low_nl=200_000, best_nl=300_000, high_nl=400_000)


def all_told() -> dict[str, Any]:
    """Return what is said of each run, by its name."""
    return {name: told(name) for name in RUNS}


def told(name: str) -> dict[str, Any]:
    """Return what is said of one run on its way, and of its end with and without a residual."""
    run = RUNS[name]
    heard = list(readings(run, seed=len(name)))
    estimate, rows, found, inside, weighed = NOTHING, [], [], [], []
    for number, reading in enumerate(heard):
        if run.seen and number == round(SEEN_AT * len(heard)):
            estimate = replace(estimate, end_seen_by="RT-07")
        after = track(estimate, reading, run.charge, run.model)
        found += [[reading.at_ms, code.value] for code in after.found if code not in estimate.found]
        estimate = after
        if number % (len(heard) // ROWS) == 0:
            rows.append(_row(estimate, run, reading.at_ms))
        if number % (len(heard) // INSIDE) == len(heard) // INSIDE - 1:
            inside.append(_inside(estimate))
        if run.balance is not None and number % WEIGHED == 0:
            weighed.append(_weighed(estimate))
    seen = replace(estimate, end_seen_by="RT-07")
    return {
        "rows": rows,
        "inside": inside,
        "weighed": weighed,
        "found": found,
        "falls": [[fall.at_ms, fall.witness, _volume(fall.before), _volume(fall.after)] for fall in estimate.falls],
        "refused": _end(estimate, run, None),
        "fits": _end(estimate, run, max(0, run.keeps)),
        "much": _end(estimate, run, max(0, run.keeps) + 700_000),
        "seen": _end(seen, run, max(0, run.keeps) + 100_000),
        "doubted": _end(estimate, run, None, doubted=True),
        "topped up": _end(estimate, run, None, topped_up=ADDED),
    }


def _row(estimate: DoseEstimate, run: Run, at_ms: int) -> list[Any]:
    return [at_ms, *_volume(estimate.emitted), estimate.rate_nl_per_s, seconds_left(estimate, run.charge)]


def _inside(estimate: DoseEstimate) -> list[Any]:
    """Return what the estimate carries on, to a millionth of each value."""
    known, weighed, exposure, pace = estimate.known, estimate.weighed, estimate.exposure, estimate.pace
    values = (
        *(known.time or ()),
        *(known.weight or ()),
        *(known.early, known.early_at_least, known.very_early, known.apart, known.past, known.late),
        *(weighed.rate, weighed.noise_nl, weighed.step_nl, weighed.p_ll, weighed.p_lr, weighed.p_rr),
        *(exposure.least_s, exposure.best_s, exposure.most_s, exposure.cold_ks, exposure.spat_s, exposure.gas_share),
        *(pace.usual, pace.mean, pace.known_s, pace.slow_s, pace.fast_s, pace.since.points),
        *(estimate.evidence.wet_ua, *estimate.evidence.flow_scatter, *estimate.evidence.pressure_scatter),
    )
    return [_short(value) for value in values]


def _weighed(estimate: DoseEstimate) -> list[Any]:
    w = estimate.weighed
    values = (w.lost_nl, w.rate, w.p_ll, w.p_lr, w.p_rr, w.noise_nl, w.jumped_nl2)
    return [*(_short(value) for value in values), w.doubted, w.zeroed, w.lighter_nl, w.heavier_nl]


def _short(value: float) -> float | bool:
    return value if isinstance(value, bool) else float(f"{value:.6g}")


def _end(estimate: DoseEstimate, run: Run, left_nl: int | None, **doubts: Any) -> dict[str, Any]:
    residual = None
    if left_nl is not None:
        drawn = Interval(low_nl=max(0, left_nl - 50_000), best_nl=left_nl, high_nl=left_nl + 50_000)
        residual = Residual(volume=drawn, method=Method.DRAWN)
    settled = settle(estimate, run.charge, residual, run.model, **doubts)
    return {
        "final": _volume(settled.final),
        "tracked": _volume(settled.tracked),
        "witnesses": list(settled.witnesses),
        "is": [name for name in ("complete", "partial", "contradiction") if getattr(settled, name)],
        "added": settled.added_nl,
        "conduct": conduct(settled, estimate, run.charge, residual, run.model).value,
        "spread": list(spread_of(settled.final, estimate, run.charge, residual, run.model).as_json().values()),
    }


def _volume(volume: Interval) -> list[int]:
    return [volume.low_nl, volume.best_nl, volume.high_nl]
