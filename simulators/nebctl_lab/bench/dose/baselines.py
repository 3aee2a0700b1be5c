"""What users have today: a stopwatch and a nominal rate, and a device's own dry signal taken at its word."""

from dataclasses import dataclass

from nebctl.core.dose.reading import Doing
from nebctl_lab.bench.dose.run import Run

NOMINAL_NL_S = {"mesh.solo": 6_333, "mesh.eflow": 8_333, "mesh.innospire": 9_167, "jet.lc": 4_167}
"""0.38, 0.5, 0.55 and 0.25 mL/min. Source: rates commonly quoted for these products, not checked with their makers."""
JET_EMITS = 0.5
"""Share of 3 mL that a jet emits at its end. Source: 46 to 57 %, worked out from its residual and its vapour."""
COMPLETE_PERCENT = 90


@dataclass(frozen=True, slots=True)
class Guess:
    """What was guessed: the error at the end in per cent of the charge, and whether the dose was called complete."""

    error: float
    complete: bool


def by_stopwatch(run: Run) -> Guess:
    """Return on-time at the nominal rate, cut at what the charge gives; complete from 90 % of that on."""
    most_nl = _most_nl(run)
    timed_nl = min(most_nl, NOMINAL_NL_S[run.case.preset] * _on_ms(run) // 1000)
    return _guess(run, timed_nl, complete=100 * timed_nl >= COMPLETE_PERCENT * most_nl)


def by_dry_signal(run: Run) -> Guess:
    """Return the whole charge where the device said that it is dry, or a jet was stopped; else the stopwatch's."""
    if run.case.column.is_jet or any(reading.dry for reading in run.readings[-10:]):
        return _guess(run, _most_nl(run), complete=True)
    return _guess(run, min(_most_nl(run), NOMINAL_NL_S[run.case.preset] * _on_ms(run) // 1000), complete=False)


def _most_nl(run: Run) -> int:
    charge_nl = run.charge.volume.best_nl
    return round(charge_nl * JET_EMITS) if run.case.column.is_jet else charge_nl


def _on_ms(run: Run) -> int:
    pairs = zip(run.readings, run.readings[1:], strict=False)
    return sum(after.at_ms - before.at_ms for before, after in pairs if before.doing is Doing.RUNNING)


def _guess(run: Run, emitted_nl: int, *, complete: bool) -> Guess:
    error = 100 * (emitted_nl - run.truth.emitted_nl[-1]) / run.charge.volume.best_nl
    return Guess(error, complete)
