"""What a subject's days and course add up to, and what that means against the limits of all their doses."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nebctl.core.dose.charge import Interval
from nebctl.core.dose.spread import GivenDose, Spread, total
from nebctl.core.ledger.records import Json
from nebctl.core.verify import Limits, Verdict, judge

_PARTS = ("calibration_nl", "device_nl", "lot_nl", "run_nl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One dose with what it was to be; a dose that two persons settled counts as they settled it."""

    day: int
    given: GivenDose
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What several doses add up to, with the verdict against the sum of their limits; `day` None means the course."""

    day: int | None
    emitted: Interval
    verdict: str


def given_of(payload: Mapping[str, Json], emitted: Interval) -> GivenDose:
    """Return a dose record's volume with the parts of its spread; one that tells none counts with its interval.

    So does a dose that ended in doubt: it may have been nothing or all, and three of them may all have been all (S16).
    """
    told = payload.get("spread") if payload.get("end") != "uncertain" else None
    parts = {name: told.get(name) for name in _PARTS} if isinstance(told, dict) else {}
    whole = {name: part for name, part in parts.items() if type(part) is int and part >= 0}
    unit, calibration = str(payload.get("unit")), payload.get("calibration")
    return GivenDose(
        emitted=emitted,
        spread=Spread(**whole) if len(whole) == len(_PARTS) else None,
        calibration=f"{unit}/{payload.get('ep')}/{calibration}" if isinstance(calibration, int) else "",
        device=str(payload.get("device") or ""),
        lot=str(payload.get("lot") or ""),
    )


def totals(doses: Iterable[Judged]) -> tuple[Total, ...]:
    """Return a total for each day in order, and the course's last; nothing for no dose."""
    by_day: dict[int, list[Judged]] = defaultdict(list)
    for dose in doses:
        by_day[dose.day].append(dose)
    days = [_total(day, by_day[day]) for day in sorted(by_day)]
    return (*days, _total(None, [dose for day in sorted(by_day) for dose in by_day[day]])) if days else ()


def _total(day: int | None, doses: list[Judged]) -> Total:
    emitted = total(dose.given for dose in doses)
    lower, upper = sum(dose.limits.lower_nl for dose in doses), sum(dose.limits.upper_nl for dose in doses)
    verdict: Verdict = judge(emitted, Limits(lower_nl=lower, upper_nl=upper))
    return Total(day=day, emitted=emitted, verdict=verdict.value)
