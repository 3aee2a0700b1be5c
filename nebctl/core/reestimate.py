"""A dose's volume estimated again from its stored trace and the records of its session, and held against its record."""

from collections.abc import Sequence
from dataclasses import dataclass

from nebctl.core.dose.charge import Interval
from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.encoding import show
from nebctl.core.ledger.records import Entry, Json
from nebctl.core.trace_text import TraceText, read_trace


@dataclass(frozen=True, slots=True)
class NotReplayed:
    """The trace reads well, but this nebctl has no replay of the estimator that made the record."""

    estimator: str


def check_again(trace_csv: str, records: Sequence[Entry]) -> Finding | NotReplayed | None:
    """Return what is wrong with a dose by its trace; None where the same volume comes out.

    `trace_csv` is the stored trace, whose hash was checked; `records` are those of its session in order, the last of
    them the dose, preceded by the calibration that it counts on, if any.
    """
    found = re_estimate(trace_csv, records)
    if not isinstance(found, Interval):
        return found
    dose = records[-1]
    again = {"low_nl": found.low_nl, "best_nl": found.best_nl, "high_nl": found.high_nl}
    for name, volume in again.items():
        if dose.payload.get(name) != volume:
            return _finding(dose, f"member {name}", dose.payload.get(name), f"{volume}, estimated again")
    return None


def re_estimate(trace_csv: str, records: Sequence[Entry]) -> Interval | Finding | NotReplayed:
    """Return the volume that the estimator makes of a trace, or what is wrong with the trace."""
    dose = records[-1]
    trace = read_stored(trace_csv, dose)
    if isinstance(trace, Finding):
        return trace
    return NotReplayed(show(dose.payload.get("estimator")))


def read_stored(trace_csv: str, dose: Entry) -> TraceText | Finding:
    """Return the readings of a dose's stored trace, or the first thing that is wrong with it."""
    session = str(dose.payload.get("session"))
    lines = trace_csv.encode("utf-8", "surrogateescape").splitlines(keepends=True)
    read = read_trace(lines, f"trace of {session}")
    if isinstance(read, TraceText):
        return read
    fault = read[0]
    where = f"trace line {fault.line}, {fault.field}"
    return _finding(
        dose, where, fault.value if fault.value is not None else "nothing", f"{fault.right} ({fault.problem})"
    )


def _finding(dose: Entry, what: str, seen: Json, expected: str) -> Finding:
    return Finding(
        unit=str(dose.payload["unit"]), epoch=dose.epoch, seq=dose.seq, what=what, seen=show(seen), expected=expected
    )
