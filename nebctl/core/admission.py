"""May this subject have this kit now? The checks before a session begins, each with its own sentence."""

from dataclasses import dataclass
from datetime import date

from nebctl.core.calendar import date_of, day1_by, study_day
from nebctl.core.guard import Refusal
from nebctl.core.history import UnitHistory
from nebctl.core.instant import Instant
from nebctl.core.kit_admission import local_time, refuse_kit, when
from nebctl.core.lease_admission import elsewhere, expired, never_sent, not_open, over, overtaken
from nebctl.core.leases import DoseState, HistoryItem, Order, PlannedDose, Worklist
from nebctl.core.limits import EXTRA
from nebctl.core.operators import THERAPIST, Operator, refuse
from nebctl.core.regimen import Regimen, SiteRules
from nebctl.core.returned import is_returned
from nebctl.core.thaw import thawed_too_long

CLOCK_SLACK_NS = 60_000_000_000
"""A trusted clock may be a minute off (S32); a list from further in the future shows a clock that went back."""
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
    passed: frozenset[str] = frozenset(),
) -> Admitted | Refusal:
    """Return the admitted dose, or the first reason why this subject may not have this kit now.

    `passed` are the codes of limits that persons have let this dose pass; no other limit is lifted by one of them.
    """
    if worklist is None:
        return never_sent()
    if now.wall_ns >= worklist.expires_ns:
        return expired()
    if now.wall_ns < worklist.issued_ns - CLOCK_SLACK_NS:
        return _no("clock-behind", "This unit's clock is behind the pharmacy's list. Let a person check the clock.")
    operator = therapist(request, worklist)
    if isinstance(operator, Refusal):
        return operator
    if refusal := _opened_here(request, history, now) or _known_kit(request, worklist, now):
        return refusal
    order = worklist.order_of(request.subject)
    if order is None:
        return _not_here(request, worklist)
    planned = next((dose for dose in order.doses if dose.kit == request.kit), None)
    if planned is None:
        return _wrong_kit(request, worklist, order, history, now)
    day = study_day(_day1(order, request, history), request.today)
    limits = (
        _wrong_day(request, planned, day, regimen),
        _given(request, planned, order, history, now),
        _extra(planned, regimen),
        _too_soon(request, order, history, rules, now),
        _outside_window(request, rules),
        overtaken(request.subject, planned, worklist, history),
        over(planned, now),
        thawed_too_long(planned, rules, now),
    )
    refusal = next((no for no in limits if no is not None and no.code not in passed), None)
    return refusal or Admitted(order=order, planned=planned, operator=operator, day=day)


def _day1(order: Order, request: Request, history: UnitHistory) -> date:
    """Return the date of Day 1, as the first start with any emission counts it, else as planned, else today.

    The unit's own records count beside the pharmacy's list, which may not know of the newest dose.
    """
    return known_day1(order, history) or request.today


def left_open(worklist: Worklist, history: UnitHistory, today: date) -> tuple[tuple[str, PlannedDose], ...]:
    """Return the doses of earlier days that this unit still holds and that nothing came of, each with its subject.

    A kit that was opened here ended its dose, whatever was given; a lease that was given back is not held. Without a
    Day 1 no dose has a date: none is named.
    """
    return tuple(
        (order.subject, dose)
        for order in worklist.orders
        if (day1 := known_day1(order, history)) is not None
        for dose in order.doses
        if dose.kit not in history.kits and date_of(day1, dose.day) < today
        if not is_returned(history.returned, order.subject, dose.sequence)
    )


def known_day1(order: Order, history: UnitHistory) -> date | None:
    """Return the date of Day 1 as planned, or as an own start with any emission counts it; None where neither is known.

    A first start on a later study day does not move Day 1: what came before it was missed.
    """
    doses = (dose for dose in history.doses_of(order.subject) if dose.high_nl > 0)
    begun = [day1_by(date.fromisoformat(dose.date_local), dose.day) for dose in doses]
    return min([*begun, *((order.day1,) if order.day1 else ())], default=None)


def _no(code: str, sentence: str) -> Refusal:
    return Refusal(code=code, sentence=sentence)


def therapist(request: Request, worklist: Worklist) -> Operator | Refusal:
    """Return who asks, where that person may give doses today, or why not."""
    operator = worklist.operator(request.operator)
    if operator is None:
        return _no("operator-unknown", f"Badge {request.operator} is not on the list of operators. Call the pharmacy.")
    return refuse(operator, request.today, THERAPIST) or operator


def _opened_here(request: Request, history: UnitHistory, now: Instant) -> Refusal | None:
    if request.kit not in history.kits:
        return None
    dose = history.doses.get(history.kits[request.kit])
    opened = when(dose.started_wall_ns, request.today, request.local_minute, now) if dose else "before"
    return _no("kit-opened", f"This kit was opened {opened}. Take another kit and scan it.")


def _known_kit(request: Request, worklist: Worklist, now: Instant) -> Refusal | None:
    """Refuse a kit for what the pharmacy says of it, and for whose it is."""
    kit = worklist.kit(request.kit)
    if kit is None:
        return None
    if refusal := refuse_kit(kit, request.today, request.local_minute, now):
        return refusal
    if kit.subject is not None and kit.subject != request.subject:
        return _other_subject(request)
    return elsewhere(kit.held_by) if kit.held_by else None


def _other_subject(request: Request) -> Refusal:
    sentence = f"This kit belongs to another subject. Take the kit for {request.subject}."
    return _no("kit-other-subject", sentence)


def _not_here(request: Request, worklist: Worklist) -> Refusal:
    if unit := worklist.held_elsewhere(request.subject):
        return elsewhere(unit)
    return _no("no-lease", f"No dose for {request.subject} is held by this unit. Call the pharmacy.")


def _wrong_kit(request: Request, worklist: Worklist, order: Order, history: UnitHistory, now: Instant) -> Refusal:
    """Return why a kit that is not leased to the subject here is refused."""
    if any(dose.kit == request.kit for other in worklist.orders for dose in other.doses):
        return _other_subject(request)
    kit = worklist.kit(request.kit)
    if kit is None:
        return _no("kit-unknown", f"Kit {request.kit} is not on this unit's list. Take the kit for {request.subject}.")
    day = study_day(_day1(order, request, history), request.today)
    if kit.day is not None and kit.day != day:
        return _other_day(request, kit.day, day)
    ended = PlannedDose(day=day, dose=1, kit=kit.kit, lot=kit.lot, not_after_ns=0)
    return _given(request, ended, order, history, now) or not_open(request.kit)


def _wrong_day(request: Request, planned: PlannedDose, day: int, regimen: Regimen) -> Refusal | None:
    if day not in regimen.days:
        days = f"Day {regimen.days[0]} to Day {regimen.days[-1]}"
        return _no("wrong-day", f"Today is Day {day} for {request.subject}; doses are given on {days}. Give no dose.")
    return _other_day(request, planned.day, day) if planned.day != day else None


def _other_day(request: Request, of: int, day: int) -> Refusal:
    return _no("kit-other-day", f"Kit {request.kit} is for Day {of}; today is Day {day}. Take today's kit.")


def _given(request: Request, planned: PlannedDose, order: Order, history: UnitHistory, now: Instant) -> Refusal | None:
    """Refuse a second aliquot: a dose counts as given whether complete or uncertain, here or on any unit (S02)."""
    for dose in history.doses_of(request.subject):
        today = dose.day == planned.day or dose.date_local == request.today.isoformat()
        if today and dose.dose == planned.dose:
            started = local_time(dose.started_wall_ns, request.today, request.local_minute, now)
            sure = "was given" if dose.end == DoseState.COMPLETE.value else "was begun"
            return _no("dose-given", f"Today's dose {sure} at {started:%H:%M}. No second dose today.")
    item = next((item for item in order.history if _covers(item, planned)), None)
    if item is None:
        return None
    sure = "may have been given" if item.state is DoseState.UNCERTAIN else "was given"
    return _no("dose-given", f"Today's dose {sure} on unit {item.unit}. No second dose today. Call the pharmacy.")


def _extra(planned: PlannedDose, regimen: Regimen) -> Refusal | None:
    """Refuse a dose beyond the regimen's, which two persons may let pass (S02)."""
    if planned.dose <= regimen.doses_per_day:
        return None
    sentence = "A dose beyond the study protocol needs two persons, one of them an investigator, and a reason."
    return _no(EXTRA, sentence)


def _covers(item: HistoryItem, planned: PlannedDose) -> bool:
    return item.day == planned.day and item.dose == planned.dose and item.state in GIVEN


def _too_soon(request: Request, order: Order, history: UnitHistory, rules: SiteRules, now: Instant) -> Refusal | None:
    """Refuse a dose too soon after the last one, by this unit's own records and by the list's word of the others'."""
    starts = [dose.started_wall_ns for dose in history.doses_of(request.subject)]
    starts += [item.started_ns for item in order.history if item.started_ns is not None]
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
