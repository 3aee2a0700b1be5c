"""May this subject have this kit now? The checks before a session begins, each with its own sentence."""

from dataclasses import dataclass
from datetime import date

from nebctl.core.calendar import study_day
from nebctl.core.guard import Refusal
from nebctl.core.history import UnitHistory
from nebctl.core.instant import Instant
from nebctl.core.orders import DoseState, HistoryItem, Operator, Order, PlannedDose, Worklist
from nebctl.core.regimen import Regimen, SiteRules

NS_PER_MIN = 60_000_000_000
GIVEN = frozenset((DoseState.COMPLETE, DoseState.PARTIAL, DoseState.STOPPED, DoseState.UNCERTAIN))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Who asks to give which kit to whom, today by the site's calendar; `local_minute` counts from site midnight."""

    operator: str
    subject: str
    kit: str
    today: date
    local_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The dose that may be authorised."""

    order: Order
    planned: PlannedDose
    operator: Operator
    day: int


def admit(
    request: Request,
    worklist: Worklist | None,
    history: UnitHistory,
    regimen: Regimen,
    rules: SiteRules,
    now: Instant,
) -> Admitted | Refusal:
    """Return the admitted dose, or the first reason why this subject may not have this kit now."""
    if worklist is None:
        return _no("no-worklist", "The pharmacy has sent no list of doses to this unit. Call the pharmacy.")
    if now.wall_ns >= worklist.expires_ns:
        return _no("worklist-expired", "The pharmacy's list of doses has expired. Call the pharmacy for a new one.")
    operator = next((o for o in worklist.operators if o.code == request.operator), None)
    if operator is None:
        return _no("operator-unknown", f"Badge {request.operator} is not on the list of operators. Call the pharmacy.")
    order = worklist.order_of(request.subject)
    if order is None:
        return _no("no-lease", f"No dose for {request.subject} is held by this unit. Call the pharmacy.")
    planned = next((dose for dose in order.doses if dose.kit == request.kit), None)
    if planned is None:
        return _wrong_kit(request, worklist)
    day = study_day(_day1(order, request, history), request.today)
    refusal = (
        _wrong_day(request, planned, day, regimen)
        or _used_kit(request, history)
        or _given(request, planned, order, history)
        or _too_soon(request, history, rules, now)
        or _outside_window(request, rules)
        or _lease_over(planned, now)
    )
    return refusal or Admitted(order=order, planned=planned, operator=operator, day=day)


def _day1(order: Order, request: Request, history: UnitHistory) -> date:
    """Return the date of Day 1: that of the first start with any emission; today where nothing was emitted yet.

    The unit's own records count beside the pharmacy's list, which may not know of the newest dose.
    """
    begun = [date.fromisoformat(dose.date_local) for dose in history.doses_of(request.subject) if dose.high_nl > 0]
    return min((*begun, *((order.day1,) if order.day1 else ()), request.today))


def _no(code: str, sentence: str) -> Refusal:
    return Refusal(code=code, sentence=sentence)


def _wrong_kit(request: Request, worklist: Worklist) -> Refusal:
    owner = next((o.subject for o in worklist.orders for dose in o.doses if dose.kit == request.kit), None)
    if owner is not None:
        return _no(
            "kit-other-subject",
            f"This kit belongs to another subject. Take the kit for {request.subject}.",
        )
    return _no("kit-unknown", f"Kit {request.kit} is not on this unit's list. Take the kit for {request.subject}.")


def _wrong_day(request: Request, planned: PlannedDose, day: int, regimen: Regimen) -> Refusal | None:
    if day not in regimen.days:
        days = f"Day {regimen.days[0]} to Day {regimen.days[-1]}"
        return _no("wrong-day", f"Today is Day {day} for {request.subject}; doses are given on {days}. Give no dose.")
    if planned.day != day:
        return _no(
            "kit-other-day",
            f"Kit {request.kit} is for Day {planned.day}; today is Day {day}. Take today's kit.",
        )
    return None


def _used_kit(request: Request, history: UnitHistory) -> Refusal | None:
    if request.kit in history.kits:
        return _no("kit-opened", f"Kit {request.kit} was opened before. Take another kit and scan it.")
    return None


def _given(request: Request, planned: PlannedDose, order: Order, history: UnitHistory) -> Refusal | None:
    """Refuse a second aliquot: a dose counts as given whether complete or uncertain, here or on any unit (S02)."""
    here = any(
        dose.dose == planned.dose and (dose.day == planned.day or dose.date_local == request.today.isoformat())
        for dose in history.doses_of(request.subject)
    )
    if here or any(_covers(item, planned) for item in order.history):
        return _no("dose-given", "Today's dose was given or may have been given. No second dose. Call the pharmacy.")
    return None


def _covers(item: HistoryItem, planned: PlannedDose) -> bool:
    return item.day == planned.day and item.dose == planned.dose and item.state in GIVEN


def _too_soon(request: Request, history: UnitHistory, rules: SiteRules, now: Instant) -> Refusal | None:
    starts = [dose.started_wall_ns for dose in history.doses_of(request.subject)]
    if not starts:
        return None
    wait_ns = max(starts) + rules.min_interval_ns - now.wall_ns
    if wait_ns <= 0:
        return None
    minutes = -(-wait_ns // NS_PER_MIN)
    return _no("too-soon", f"The last dose began too recently. Wait {minutes // 60} h {minutes % 60} min.")


def _outside_window(request: Request, rules: SiteRules) -> Refusal | None:
    start, end = rules.window_start, rules.window_end
    if start is None or end is None:
        return None
    if start.hour * 60 + start.minute <= request.local_minute <= end.hour * 60 + end.minute:
        return None
    return _no("outside-window", f"Doses start between {start:%H:%M} and {end:%H:%M} here. Wait or call the pharmacy.")


def _lease_over(planned: PlannedDose, now: Instant) -> Refusal | None:
    if now.wall_ns < planned.not_after_ns:
        return None
    return _no("lease-ended", "The pharmacy's lease for this dose has ended. Call the pharmacy.")
