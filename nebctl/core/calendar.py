"""Study days and dates; a date is always the site's own, so no time zone appears here."""

from datetime import date, timedelta

from nebctl.core.regimen import FIRST_TREATMENT, FollowUp, Regimen


def study_day(day1: date, today: date) -> int:
    """Return the study day of `today`: Day 1 is `day1`, Day 0 the day before it, and earlier days are negative."""
    return (today - day1).days + 1


def sdtm_day(day1: date, today: date) -> int:
    """Return the SDTM study day, which has no zero: the day before `day1` is -1.

    Source: CDISC SDTMIG 3.4, section 4.4.4.
    """
    return without_zero(study_day(day1, today))


def without_zero(day: int) -> int:
    """Return a study day as SDTM counts it: Day 0 is -1, Day 1 is 1."""
    return day if day >= 1 else day - 1


def date_of(day1: date, day: int) -> date:
    """Return the date of a study day.

    Raises: `OverflowError` where the date lies outside the years 1 to 9999.
    """
    return day1 + timedelta(days=day - 1)


def day1_by(on: date, day: int) -> date:
    """Return the date of Day 1, where `on` is the date of study day `day`.

    Raises: `OverflowError` where the date lies outside the years 1 to 9999.
    """
    return on - timedelta(days=day - 1)


def course_dates(regimen: Regimen, day1: date) -> tuple[tuple[int, date], ...]:
    """Return each dosing day of the regimen with its date."""
    return tuple((day, date_of(day1, day)) for day in regimen.days)


def follow_up_end(day1: date, follow_up: FollowUp) -> date | None:
    """Return the last date on which adverse events are followed; None where it is not counted from Day 1.

    "28 days after the first treatment" is read as Day 1 plus 28 days, the longer of its two readings, so that no event
    is left out; it is a day later than Day 28.
    """
    if follow_up.counted_from != FIRST_TREATMENT:
        return None
    return day1 + timedelta(days=follow_up.adverse_events_days)
