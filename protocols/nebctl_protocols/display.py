"""A study protocol and a site's rules as lines for a person."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from textwrap import wrap

from nebctl.core.calendar import date_of, without_zero
from nebctl.core.regimen import FIRST_TREATMENT, FollowUp, Regimen, SiteRules
from nebctl.core.units import format_duration, format_fraction
from nebctl_protocols.protocol import StudyProtocol

_WIDTH = 110


@dataclass(frozen=True, slots=True)
class CalendarRow:
    """One day of a course: its study day, its SDTM day, its date (None without a Day 1) and what happens on it."""

    day: int
    sdtm: int
    date: date | None
    what: str


def calendar_rows(regimen: Regimen, follow_up: FollowUp, day1: date | None) -> tuple[CalendarRow, ...]:
    """Return the days on which something happens, in order.

    Raises: `OverflowError` where a date lies outside the years 1 to 9999.
    """
    last = follow_up.adverse_events_days + 1 if follow_up.counted_from == FIRST_TREATMENT else None
    days = {*regimen.days, *follow_up.assessments, *({last} if last else ())}
    return tuple(
        CalendarRow(day, without_zero(day), date_of(day1, day) if day1 else None, _happens(day, regimen, follow_up))
        for day in sorted(days)
    )


def _happens(day: int, regimen: Regimen, follow_up: FollowUp) -> str:
    what = []
    if day in regimen.days:
        count = regimen.doses_per_day
        what.append("dose" if count == 1 else f"{count} doses")
    if day in follow_up.assessments:
        what.append("assessment" if day else "baseline assessment")
    if follow_up.counted_from == FIRST_TREATMENT and day == follow_up.adverse_events_days + 1:
        what.append("last day on which adverse events are followed")
    return ", ".join(what)


def protocol_lines(protocol: StudyProtocol, arm: str | None, day1: date | None) -> Iterator[str]:
    """Yield a study protocol as lines: what is given, when, by which sources, and with what cautions.

    `arm` None shows every arm; `day1` None shows study days without dates.

    Raises: `UnknownArmError` for another arm; `OverflowError` for a Day 1 that leaves the years 1 to 9999.
    """
    acronym = f" ({protocol.acronym})" if protocol.acronym else ""
    yield f"{protocol.study}{acronym}: {protocol.status.value}, masking {protocol.masking.value}"
    yield protocol.title
    for name, regimen in protocol.arms.items() if arm is None else [(arm, protocol.regimen(arm))]:
        yield f"arm {name} ({protocol.arm_titles[name]}), {regimen.product}:"
        yield f"  {regimen.read_back()}"
    yield ""
    yield from _calendar_lines(next(iter(protocol.arms.values())), protocol.follow_up, day1)
    yield ""
    yield from _source_lines(protocol)


def rules_lines(rules: SiteRules) -> Iterator[str]:
    """Yield a site's rules as lines, one rule each."""
    low, high = format_fraction(rules.completeness_low_ppm), format_fraction(rules.completeness_high_ppm)
    window = f"{rules.window_start} to {rules.window_end}" if rules.window_start else "any time of day"
    in_use = "not configured" if rules.in_use_ns is None else format_duration(rules.in_use_ns)
    yield f"A dose is complete from {low} to {high} of its volume."
    yield f"Starts: {window}, at least {format_duration(rules.min_interval_ns)} apart."
    margin, soft = format_fraction(rules.in_use_margin_ppm), format_fraction(rules.soft_on_ppm)
    yield f"Time from thaw to use: {in_use}; a start needs {margin} of the expected duration left."
    yield f"An authorisation lasts {format_duration(rules.authorisation_ns)}."
    yield f"On-time: at most {format_duration(rules.max_on_ns)}; the operator is asked at {soft} of the expected one."
    pause, session = format_duration(rules.max_pause_ns), format_duration(rules.max_session_ns)
    yield f"Session: at most {session}; one pause at most {pause}."
    yield f"The verdict waits {format_duration(rules.residual_wait_ns)} for the residual."
    cycles, window = rules.lockout_cycles, format_duration(rules.lockout_window_ns)
    yield f"After {cycles} cycles of alarm, stop and start in {window} no start is made for {window}."
    quiet, rise = format_duration(rules.audio_pause_ns), format_duration(rules.escalate_ns)
    yield f"Alarms: quiet for at most {quiet}; one that nobody acknowledged may rise after {rise}."
    yield f"A record without a receipt for {format_duration(rules.max_unreceipted_ns)} raises an alarm."


def _calendar_lines(regimen: Regimen, follow_up: FollowUp, day1: date | None) -> Iterator[str]:
    yield f"Calendar for Day 1 = {day1}:" if day1 else "Calendar (name a Day 1 for dates):"
    date_head = "date        " if day1 else ""
    yield f"  {date_head}study day  SDTM day  what"
    for row in calendar_rows(regimen, follow_up, day1):
        shown = f"{row.date}  " if row.date else ""
        yield f"  {shown}Day {row.day:<5}  {row.sdtm:>8}  {row.what}"
    if follow_up.counted_from != FIRST_TREATMENT:
        yield f"  Adverse events are followed for {follow_up.adverse_events_days} days after {follow_up.counted_from}."


def _source_lines(protocol: StudyProtocol) -> Iterator[str]:
    for name, source in protocol.sources.items():
        values = ", ".join(path for path, origin in protocol.origins.items() if origin == name)
        yield f"source {name}: {source.title}"
        yield f"  {source.url}"
        yield from _wrap(f"  gives {values}" if values else "  gives no value")
    for note in protocol.notes:
        yield from _wrap(f"note on {note.about} [{', '.join(note.sources)}]: {note.text}")


def _wrap(text: str) -> list[str]:
    return wrap(text, width=_WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
