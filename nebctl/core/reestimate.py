"""A dose's volume estimated again from its stored trace and the records of its session, and held against its record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nebctl.core.dose import NAME, Charge, Interval, Method, Residual, replay, settle
from nebctl.core.dose.model import model_of
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
    them the dose; before them stand the last `config` and the calibration that the dose counts on, where there are any.
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
    """Return the volume that the estimator makes of a trace, or what is wrong with the trace or the record."""
    dose = records[-1]
    trace = read_stored(trace_csv, dose)
    if isinstance(trace, Finding):
        return trace
    told = dose.payload.get("prior")
    if dose.payload.get("estimator") != NAME or not isinstance(told, dict):
        return NotReplayed(show(dose.payload.get("estimator")))
    calibration = dose.payload.get("calibration")
    try:
        model = model_of(told, calibration if isinstance(calibration, int) else None)
        charge = Charge(volume=_interval(dose.payload, "charge"), method=Method.DECLARED, vial_emptied=True)
        told_residual = dose.payload.get("residual")
        residual = Residual(volume=_interval(dose.payload, "residual"), method=Method.DRAWN) if told_residual else None
        topped_up = _interval(dose.payload, "topped_up") if "topped_up" in dose.payload else None
    except ValueError as error:
        return _finding(dose, "what the estimate rests on", str(error), "what the estimator needs")
    estimate = replay(trace.readings, charge, model).estimate
    seen = "operator-end" in _words(dose.payload.get("witnesses"))
    estimate = replace(estimate, end_seen_by="seen" if seen else "")
    doubted = bool(dose.payload.get("doubts"))
    return settle(estimate, charge, residual, model, doubted=doubted, topped_up=topped_up).final


def _words(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else ()


def _interval(payload: Mapping[str, Json], name: str) -> Interval:
    """Return an interval that a record tells.

    Raises: `ValueError` where it is none.
    """
    told = payload.get(name)
    volumes = [told.get(key) if isinstance(told, dict) else None for key in ("low_nl", "best_nl", "high_nl")]
    low, best, high = (volume if isinstance(volume, int) else -1 for volume in volumes)
    return Interval(low_nl=low, best_nl=best, high_nl=high)


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
