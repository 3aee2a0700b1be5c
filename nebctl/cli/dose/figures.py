"""What came of a trace, in words and numbers: for scripts as one JSON object, for people as a short text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from nebctl.cli.dose.reading import Truth
from nebctl.core.dose.charge import Interval
from nebctl.core.dose.conduct import Conduct
from nebctl.core.dose.estimate import NAME
from nebctl.core.dose.reading import Doing, Reading
from nebctl.core.dose.replay import Replayed
from nebctl.core.dose.spread import Spread
from nebctl.core.regimen import Regimen
from nebctl.core.units import NL_PER_ML, format_ml
from nebctl.core.verify import Limits, Verdict, judge

PREMATURE = "premature-dry"
MS_PER_MIN = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A trace, what the estimator made of it, and what it is held against; `truth` is () without a simulator's.

    `conduct` is what the device did against what it should have done, never merged with the verdict; `spread` holds the
    parts of the interval that the dose shares with others, and its own.
    """

    trace: str
    preset: str
    charge: Interval
    readings: Sequence[Reading]
    replayed: Replayed
    conduct: Conduct
    spread: Spread
    limits: Limits
    regimen: Regimen
    notes: tuple[str, ...]
    truth: tuple[Truth, ...] = ()

    @property
    def final(self) -> Interval:
        """Return what has been emitted."""
        return self.replayed.settled.final

    @property
    def verdict(self) -> Verdict:
        """Return what that means against the study protocol."""
        return judge(self.final, self.limits)

    @property
    def premature(self) -> bool:
        """Return whether the device says dry, or stopped as if it were, with more left than a whole run leaves."""
        found = any(finding.code == PREMATURE for finding in self.replayed.findings)
        return found and not self.replayed.settled.complete

    @property
    def running_ms(self) -> int:
        """Return how long the device was known to run."""
        return sum(
            after.at_ms - before.at_ms
            for before, after in pairwise(self.readings)
            if before.doing is Doing.RUNNING and after.doing is not Doing.LOST
        )

    @property
    def really_emitted_nl(self) -> int | None:
        """Return what a simulator says was emitted from its first row to its last; None without one."""
        return self.truth[-1].emitted_nl - self.truth[0].emitted_nl if self.truth else None


def as_json(figures: Figures) -> dict[str, Any]:
    """Return the figures as the object that `--json` prints; volumes in mL, times in s."""
    settled, final = figures.replayed.settled, figures.final
    return {
        "emitted_ml": _ml(final.best_nl),
        "low_ml": _ml(final.low_nl),
        "high_ml": _ml(final.high_nl),
        "complete": settled.complete,
        "verdict": figures.verdict.value,
        "premature": figures.premature,
        "conduct": figures.conduct.value,
        "witnesses": list(settled.witnesses),
        "findings": [
            {"t_s": _s(finding.at_ms), "code": finding.code, "sentence": finding.sentence}
            for finding in figures.replayed.findings
        ],
        "rate_ml_per_min": _rate(figures),
        "spread": figures.spread.as_json(),
        "vesicles": _vesicles(figures),
        "limits_ml": [_ml(figures.limits.lower_nl), _ml(figures.limits.upper_nl)],
        "charge_ml": [_ml(nl) for nl in (figures.charge.low_nl, figures.charge.best_nl, figures.charge.high_nl)],
        "preset": figures.preset,
        "estimator": NAME,
        "notes": list(figures.notes),
        **_truth(figures),
        "rows": [[_s(row.at_ms), _ml(row.low_nl), _ml(row.best_nl), _ml(row.high_nl)] for row in figures.replayed.rows],
    }


def _ml(nl: int) -> float:
    return nl / NL_PER_ML


def _s(ms: int) -> float:
    return ms / 1000


def _rate(figures: Figures) -> float | None:
    """Return the mean rate while the device ran; None where it never did."""
    running_ms = figures.running_ms
    if not running_ms:
        return None
    return round(_ml(figures.replayed.settled.tracked.best_nl) * MS_PER_MIN / running_ms, 4)


def _vesicles(figures: Figures) -> dict[str, Any]:
    low, high = figures.regimen.vesicles_per_ml, figures.regimen.vesicles_per_ml_high
    final = figures.final
    return {
        "low": int(final.low_nl * low / NL_PER_ML),
        "best": round(final.best_nl * (low + high) / 2 / NL_PER_ML),
        "high": -int(-final.high_nl * high / NL_PER_ML // 1),
        "basis": f"nominal, by {figures.regimen.study}",
    }


def _truth(figures: Figures) -> dict[str, Any]:
    true_nl, final = figures.really_emitted_nl, figures.final
    if true_nl is None:
        return {}
    return {"truth": {"emitted_ml": _ml(true_nl), "inside": final.low_nl <= true_nl <= final.high_nl}}


def as_text(figures: Figures) -> Iterator[str]:
    """Yield what a person wants to know first: how much, how sure, how it ended, what was found."""
    settled, final = figures.replayed.settled, figures.final
    yield f"emitted     {_about(final)}"
    limits = f"{format_ml(figures.limits.lower_nl)} to {format_ml(figures.limits.upper_nl)} mL"
    yield f"verdict     {figures.verdict.value} (the study protocol asks for {limits})"
    yield f"complete    {_complete(figures)}"
    yield f"the device  {_CONDUCT[figures.conduct]}"
    yield f"witnesses   {', '.join(settled.witnesses) or 'none'}"
    rate = _rate(figures)
    if rate is not None:
        yield f"rate        {rate:.3f} mL/min over {figures.running_ms / MS_PER_MIN:.1f} min of running"
    if not figures.regimen.placebo:
        told = _vesicles(figures)
        yield f"vesicles    {told['best']:.2e} ({told['low']:.2e} to {told['high']:.2e}), {told['basis']}"
    for finding in figures.replayed.findings:
        yield f"at {_s(finding.at_ms):8.1f} s {finding.code}: {finding.sentence}"
    for note in figures.notes:
        yield f"note        {note}"
    true_nl = figures.really_emitted_nl
    if true_nl is not None:
        inside = final.low_nl <= true_nl <= final.high_nl
        yield f"truth       {format_ml(true_nl, 3)} mL, {'inside' if inside else 'OUTSIDE'} the interval"


_CONDUCT = {
    Conduct.AS_EXPECTED: "as expected: it came to its end",
    Conduct.STOPPED_EARLY: "STOPPED EARLY: dry with more left than a whole run leaves",
    Conduct.LEFT_MUCH: "LEFT MUCH: it ended, and more was in the cup than a whole run leaves",
    Conduct.SLOW: "SLOW: below the rate that is known of it; calibrate it",
    Conduct.FAST: "FAST: above the rate that is known of it; look for a leak, and calibrate it",
    Conduct.NOT_FINISHED: "not finished: nothing says that it came to its end",
    Conduct.NOT_KNOWN: "not known: the evidence contradicts itself, or nothing but its class's rate speaks",
}


def _complete(figures: Figures) -> str:
    """Return whether the dose is proven complete, and what would prove it where it is not."""
    settled = figures.replayed.settled
    if settled.complete:
        return "yes: two witnesses agree"
    if settled.contradiction:
        return "NO: the evidence does not fit together, and nothing narrows the interval"
    if settled.partial:
        return "NO: it ended with more left than a whole run leaves"
    return "not proven: give the residual, or a calibration"


def _about(volume: Interval) -> str:
    low, high = format_ml(volume.low_nl, 3, "down"), format_ml(volume.high_nl, 3, "up")
    return f"{format_ml(volume.best_nl, 3)} mL, with 95 % from {low} to {high} mL"
