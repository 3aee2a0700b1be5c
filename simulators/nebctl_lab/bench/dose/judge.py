"""What an estimator made of one run, beside its truth."""

from bisect import bisect_right
from dataclasses import dataclass

from nebctl.core.dose import DeviceModel, settle
from nebctl.core.dose.calibration import with_calibration
from nebctl.core.dose.reading import Doing
from nebctl.core.dose.replay import Finding, Replayed, replay
from nebctl_lab.bench.dose.baselines import Guess, by_dry_signal, by_stopwatch
from nebctl_lab.bench.dose.run import Case, Run

TENTHS = 10
FORESEEN_MS = 6_000
"""A stop may be seen so long before the device itself confirms it."""
PREMATURE, LOW = "premature-dry", "rate-low"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One run's figures, in per cent of the charge where nothing else is said.

    `error` is best less truth at the end, `width` that of the interval then. `covered` says for each tenth of the
    course, the last of them its end, whether the interval held the truth. `complete` is what was said without a
    residual, `complete_drawn` with it, `settled_*` the settled dose with it. `kept` stayed in the cup. `raised_ms` is
    the delay of the alarm after the first premature stop of `stop_kept`; `found_ms` that of a loss of rate, as time in
    which the device ran and was heard; None where it was not found. `alarms` are the false ones, of a run that
    `is_good` and deserved none.
    """

    case: Case
    seed: int
    error: float
    width: float
    covered: tuple[bool, ...]
    complete: bool
    complete_drawn: bool
    settled_error: float
    settled_width: float
    settled_covered: bool
    is_complete: bool
    is_premature: bool
    is_good: bool
    kept: float
    stop_kept: float | None
    raised_ms: int | None
    lost: bool
    found_ms: int | None
    alarms: tuple[str, ...]
    witnesses: tuple[str, ...]
    stopwatch: Guess
    dry_signal: Guess


def judge(run: Run, model: DeviceModel) -> RunResult:
    """Return what the estimator makes of the run with the run's own calibration."""
    known = with_calibration(model, run.calibration)
    return compare(run, replay(run.readings, run.charge, known), known)


def compare(run: Run, replayed: Replayed, model: DeviceModel) -> RunResult:
    """Return the figures of one replayed run."""
    truth, charge_nl = run.truth, run.charge.volume.best_nl
    end_nl, last = truth.emitted_nl[-1], replayed.rows[-1]
    drawn = settle(replayed.estimate, run.charge, run.residual, model)
    codes = [(finding.at_ms, finding.code) for finding in replayed.findings]
    stop = truth.stops[0] if truth.stops else None
    return RunResult(
        case=run.case,
        seed=run.seed,
        error=_percent(last.best_nl - end_nl, charge_nl),
        width=_percent(last.high_nl - last.low_nl, charge_nl),
        covered=_covered(run, replayed),
        complete=replayed.settled.complete,
        complete_drawn=drawn.complete,
        settled_error=_percent(drawn.final.best_nl - end_nl, charge_nl),
        settled_width=_percent(drawn.final.high_nl - drawn.final.low_nl, charge_nl),
        settled_covered=drawn.final.low_nl <= end_nl <= drawn.final.high_nl,
        is_complete=truth.complete,
        is_premature=truth.premature,
        is_good=not truth.stops and truth.loss_ms is None,
        kept=_percent(truth.left_nl, truth.filled_nl),
        stop_kept=None if stop is None else _percent(stop.left_nl, truth.filled_nl),
        raised_ms=None if stop is None else _delay(codes, PREMATURE, stop.at_ms - FORESEEN_MS, stop.at_ms),
        lost=truth.loss_ms is not None,
        found_ms=_found_ms(run, codes),
        alarms=_false_alarms(run, replayed.findings),
        witnesses=replayed.settled.witnesses,
        stopwatch=by_stopwatch(run),
        dry_signal=by_dry_signal(run),
    )


def _percent(part_nl: int, whole_nl: int) -> float:
    return 100 * part_nl / whole_nl


def _covered(run: Run, replayed: Replayed) -> tuple[bool, ...]:
    """Return for each tenth of the course whether the interval held the truth; the last is the trace's end."""
    truth = run.truth
    at_ms = [reading.at_ms for reading in run.readings]
    span_ms = truth.ended_ms - truth.began_ms
    places = [bisect_right(at_ms, truth.began_ms + span_ms * tenth // TENTHS) - 1 for tenth in range(1, TENTHS)]
    return tuple(
        replayed.rows[place].low_nl <= truth.emitted_nl[place] <= replayed.rows[place].high_nl
        for place in (*places, len(at_ms) - 1)
    )


def _found_ms(run: Run, codes: list[tuple[int, str]]) -> int | None:
    truth = run.truth
    if truth.losing_ms is None or truth.loss_ms is None:
        return None
    delay_ms = _delay(codes, LOW, truth.losing_ms, truth.loss_ms)
    return delay_ms and _heard_ms(run, truth.loss_ms, truth.loss_ms + delay_ms)


def _heard_ms(run: Run, from_ms: int, to_ms: int) -> int:
    """Return for how long the device ran and was heard between two moments."""
    steps = zip(run.readings, run.readings[1:], strict=False)
    heard = ((before.at_ms, after.at_ms) for before, after in steps if before.doing is after.doing is Doing.RUNNING)
    return sum(max(0, min(after_ms, to_ms) - max(before_ms, from_ms)) for before_ms, after_ms in heard)


def _delay(codes: list[tuple[int, str]], code: str, from_ms: int, since_ms: int) -> int | None:
    return next((max(0, at_ms - since_ms) for at_ms, said in codes if said == code and at_ms >= from_ms), None)


def _false_alarms(run: Run, findings: tuple[Finding, ...]) -> tuple[str, ...]:
    """Return what was found though it was not so."""
    truth = run.truth
    never = 10**12
    right_from = {
        PREMATURE: truth.stops[0].at_ms - FORESEEN_MS if truth.stops else never,
        LOW: never if truth.losing_ms is None else truth.losing_ms,
    }
    return tuple(
        finding.code
        for finding in findings
        if finding.code not in truth.excused and finding.at_ms < right_from.get(finding.code, never)
    )
